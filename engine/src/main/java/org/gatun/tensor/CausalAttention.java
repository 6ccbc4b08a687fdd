package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Sink;

/**
 * Causal self-attention on one packed projection qkv [B, T, 3C], queries, keys and values side by
 * side, heads contiguous within each; y is [B, T, C]. The kernels read and write the packed tensors
 * in place. Keeps the log-sum-exp of each row of scores, [B, NH, T].
 */
record CausalAttention(Tensor qkv, int heads, Tensor y, Tensor lse) implements Node {
  static Tensor apply(Tensor qkv, int heads) {
    Checks.floating("causalAttention", qkv);
    if (qkv.shape().rank() != 3 || heads < 1 || qkv.shape().dim(-1) % (3 * heads) != 0) {
      throw new IllegalArgumentException("causalAttention: needs [B, T, 3C] with C a multiple of "
          + heads + " heads, got " + qkv);
    }
    Tensor packed = qkv.contiguous();
    Scope scope = Scope.of(packed);
    int batch = packed.shape().dim(0);
    int time = packed.shape().dim(1);
    Tensor y = scope.allocate(packed.shape().withLast(packed.shape().dim(2) / 3), packed.dtype());
    Tensor lse = scope.allocate(Shape.of(batch, heads, time), DType.F32);
    Tensor q = part(packed, heads, 3, 0);
    y.kernels().attention().forward(part(y, heads, 1, 0), lse, q, part(packed, heads, 3, 1),
        part(packed, heads, 3, 2), null, true, Attention.scale(q));
    scope.record(new CausalAttention(packed, heads, y, lse));
    return y;
  }

  /** One of several projections lying side by side in x [B, T, parts · C], seen as [B, NH, T, HS]. */
  static Tensor part(Tensor x, int heads, int parts, int index) {
    int batch = x.shape().dim(0);
    int time = x.shape().dim(1);
    int row = x.shape().dim(2);
    int channels = row / parts;
    int headSize = channels / heads;
    return x.viewAs(Shape.of(batch, heads, time, headSize), x.offset() + (long) index * channels,
        new long[]{(long) time * row, headSize, row, 1});
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(qkv);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public List<Tensor> saved() {
    return List.of(lse);
  }

  @Override
  public void backward(Gradients gradients) {
    Sink dqkv = gradients.sink(qkv);
    Tensor q = part(qkv, heads, 3, 0);
    y.kernels().attention().backward(part(dqkv, 0), part(dqkv, 1), part(dqkv, 2),
        part(gradients.of(y), heads, 1, 0), part(y, heads, 1, 0), lse,
        q, part(qkv, heads, 3, 1), part(qkv, heads, 3, 2), null, true, Attention.scale(q));
  }

  private Sink part(Sink sink, int index) {
    return new Sink(part(sink.into(), heads, 3, index), sink.add());
  }
}
