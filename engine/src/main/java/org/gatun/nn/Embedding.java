package org.gatun.nn;

import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Tensor;

/** Rows by index: the parameter {@code weight} [rows, C]. */
public final class Embedding implements Layer {
  private final Parameter weight;

  /** Standard normal. */
  public Embedding(Parameters parameters, int rows, int channels) {
    this(parameters, rows, channels, Initializer.normal(1f));
  }

  /** With initial values of one's own. */
  public Embedding(Parameters parameters, int rows, int channels, Initializer weight) {
    this.weight = parameters.add("weight", weight, rows, channels);
  }

  /** Indices I32 [..] to [.., C]. */
  @Override
  public Tensor forward(Tensor indices) {
    return weight.value().embedding(indices);
  }

  /** As {@link #forward(Tensor)}, where only the first {@code rows} may be named: the rest is padding. */
  public Tensor forward(Tensor indices, int rows) {
    return weight.value().embedding(indices, rows);
  }

  /** Logits x Wᵀ [.., rows] of a head that shares this table. */
  public Tensor logits(Tensor x) {
    return x.linear(weight.value(), null);
  }

  /** [rows, C]. */
  public Parameter weight() {
    return weight;
  }
}
