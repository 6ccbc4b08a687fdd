package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Sink;

/**
 * y = softmax(scale · q kᵀ + mask) v, head by head (Vaswani et al., 2017); q and y [B, NH, Tq, HS], k
 * and v [B, NH, Tk, HS], mask [.., Tq, Tk] or null. Keeps the log-sum-exp of each row of scores.
 */
record Attention(Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, Tensor y, Tensor lse)
    implements
      Node {
  static Tensor apply(Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal) {
    requireMatch(q, k, v);
    Scope scope = Scope.of(q, k, v, mask);
    Tensor qs = withUnitStride(q);
    Tensor ks = withUnitStride(k);
    Tensor vs = withUnitStride(v);
    Tensor stretched = mask == null ? null : stretch(mask, q, k);
    Tensor y = scope.allocate(q.shape(), q.dtype());
    Tensor lse = scope.allocate(q.shape().rowShape(), DType.F32);
    y.kernels().attention().forward(y, lse, qs, ks, vs, stretched, causal, scale(q));
    if (stretched != null) {
      stretched.countUse();
    }
    scope.record(new Attention(qs, ks, vs, stretched, causal, y, lse));
    return y;
  }

  private static void requireMatch(Tensor q, Tensor k, Tensor v) {
    String op = "scaledDotProductAttention";
    Checks.floating(op, q);
    Checks.sameDType(op, q, k, v);
    Shape s = q.shape();
    if (s.rank() != 4 || k.shape().rank() != 4 || !k.shape().equals(v.shape())
        || !k.shape().with(2, s.dim(2)).equals(s)) {
      throw new IllegalArgumentException(
          op + ": needs [B, NH, Tq, HS] and twice [B, NH, Tk, HS], got " + q + ", " + k + ", " + v);
    }
  }

  private static Tensor stretch(Tensor mask, Tensor q, Tensor k) {
    Checks.floating("scaledDotProductAttention", mask);
    Shape scores = q.shape().withLast(k.shape().dim(2));
    if (mask.isTracked() || !Broadcasting.stretches(mask.shape(), scores)) {
      throw new IllegalArgumentException("scaledDotProductAttention: mask " + mask
          + " must stretch to the scores " + scores + " and have no gradient");
    }
    return Broadcasting.expand(mask, scores);
  }

  private static Tensor withUnitStride(Tensor x) {
    return x.stride(3) == 1 ? x : x.contiguous();
  }

  static float scale(Tensor q) {
    return (float) (1 / Math.sqrt(q.shape().dim(-1)));
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(q, k, v);
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
    Tensor dy = gradients.of(y);
    Sink dq = sinkOrSpare(gradients, q);
    Sink dk = sinkOrSpare(gradients, k);
    Sink dv = sinkOrSpare(gradients, v);
    y.kernels().attention().backward(dq, dk, dv, dy, y, lse, q, k, v, mask, causal, scale(q));
  }

  /** The kernel makes all three; what nobody wants goes to a tensor that the tape gives back at its end. */
  private static Sink sinkOrSpare(Gradients gradients, Tensor x) {
    Sink sink = gradients.sink(x);
    return sink != null ? sink : Sink.of(gradients.temporary(x.shape(), x.dtype()));
  }
}
