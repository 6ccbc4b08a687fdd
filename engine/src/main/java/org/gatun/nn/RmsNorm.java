package org.gatun.nn;

import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Tensor;

/** Root-mean-square normalisation of rows: the parameter {@code weight} [C], ones. */
public final class RmsNorm implements Layer {
  private final Parameter weight;
  private final float eps;

  /** {@code eps} is added to the mean square. */
  public RmsNorm(Parameters parameters, int channels, float eps) {
    this.weight = parameters.add("weight", Initializer.constant(1f), channels);
    this.eps = eps;
  }

  @Override
  public Tensor forward(Tensor x) {
    return x.rmsNorm(weight.value(), eps);
  }
}
