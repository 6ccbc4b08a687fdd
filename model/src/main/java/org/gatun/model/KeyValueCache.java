package org.gatun.model;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * The keys and values of all positions a model has seen, so that the next token costs one position
 * and not all of them again. Holds two tensors [B, NH, context, HS] for each layer.
 */
public final class KeyValueCache implements AutoCloseable {
  private final Gpt2Config config;
  private final int batch;
  private final Scope scope;
  private final List<Tensor> keys = new ArrayList<>();
  private final List<Tensor> values = new ArrayList<>();
  private int length;

  /** An empty cache for this many sequences side by side. */
  public KeyValueCache(Gpt2 model, int batch) {
    this.config = model.config();
    this.batch = batch;
    this.scope = Scope.on(model.parameters().device());
    Shape shape = Shape.of(batch, config.heads(), config.context(), config.headSize());
    for (int layer = 0; layer < config.layers(); layer++) {
      keys.add(scope.allocate(shape, model.parameters().precision().compute()));
      values.add(scope.allocate(shape, model.parameters().precision().compute()));
    }
  }

  /** How many positions it holds. */
  public int length() {
    return length;
  }

  /** How many more positions there is room for. */
  public int room() {
    return config.context() - length;
  }

  /** Forgets all positions. */
  public void clear() {
    length = 0;
  }

  /** Attention of new tokens [B, T] to the positions held and to one another. */
  Gpt2.Attending begin(Tensor tokens) {
    if (tokens.scope().isRecording()) {
      throw new IllegalStateException("key-value cache: it carries no gradient; use a Scope, not a Tape");
    }
    if (tokens.shape().dim(0) != batch) {
      throw new IllegalArgumentException(
          "key-value cache: made for a batch of " + batch + ", got tokens " + tokens);
    }
    return this::attend;
  }

  /** The new tokens' positions are complete in every layer. */
  void end(Tensor tokens) {
    length += tokens.shape().dim(1);
  }

  private Tensor attend(int layer, Tensor qkv) {
    int time = qkv.shape().dim(1);
    append(keys.get(layer), heads(qkv, 1));
    append(values.get(layer), heads(qkv, 2));
    Tensor k = qkv.scope().borrow(keys.get(layer)).slice(2, 0, length + time);
    Tensor v = qkv.scope().borrow(values.get(layer)).slice(2, 0, length + time);
    Tensor y = heads(qkv, 0).scaledDotProductAttention(k, v, null, true);
    return y.transpose(1, 2).reshape(batch, time, config.channels());
  }

  /** Queries (0), keys (1) or values (2) of a packed projection [B, T, 3C], as a view [B, NH, T, HS]. */
  private Tensor heads(Tensor qkv, int part) {
    int heads = config.heads();
    return qkv.reshape(batch, qkv.shape().dim(1), 3 * heads, config.headSize())
        .slice(2, part * heads, (part + 1) * heads).transpose(1, 2);
  }

  private void append(Tensor held, Tensor more) {
    Tensor place = held.slice(2, length, length + more.shape().dim(2));
    held.kernels().pointwise().copy(Sink.of(place), more);
  }

  /** Gives the memory back; a second call does nothing. */
  @Override
  public void close() {
    scope.close();
  }
}
