package org.gatun.nn;

import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Tensor;

/** Layer normalisation of rows: the parameters {@code weight} [C], ones, and {@code bias} [C], zeros. */
public final class LayerNorm implements Layer {
  private static final float EPS = 1e-5f;

  private final Parameter weight;
  private final Parameter bias;
  private final float eps;

  /** With a bias. */
  public LayerNorm(Parameters parameters, int channels) {
    this(parameters, channels, true);
  }

  /** With or without a bias; eps is 1e-5. */
  public LayerNorm(Parameters parameters, int channels, boolean bias) {
    this(parameters, channels, bias, EPS);
  }

  /** With or without a bias; {@code eps} is added to the variance. */
  public LayerNorm(Parameters parameters, int channels, boolean bias, float eps) {
    this.weight = parameters.add("weight", Initializer.constant(1f), channels);
    this.bias = bias ? parameters.add("bias", Initializer.constant(0f), channels) : null;
    this.eps = eps;
  }

  @Override
  public Tensor forward(Tensor x) {
    return x.layerNorm(weight.value(), biasValue(), eps);
  }

  /** The sum of a residual stream and a branch, and that sum normalised, in one pass. */
  public Residual forward(Tensor stream, Tensor branch) {
    return stream.addLayerNorm(branch, weight.value(), biasValue(), eps);
  }

  private Tensor biasValue() {
    return bias == null ? null : bias.value();
  }
}
