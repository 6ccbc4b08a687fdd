package org.gatun.nn;

import org.gatun.tensor.Initializer;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Tensor;

/** y = x Wᵀ + b: the parameters {@code weight} [out, in] and {@code bias} [out]. */
public final class Linear implements Layer {
  private final Parameter weight;
  private final Parameter bias;

  /** With a bias, both uniform in ±1/√in. */
  public Linear(Parameters parameters, int in, int out) {
    this(parameters, in, out, true);
  }

  /** Uniform in ±1/√in, with or without a bias. */
  public Linear(Parameters parameters, int in, int out, boolean bias) {
    this(parameters, in, out, uniform(in), bias ? uniform(in) : null);
  }

  /** With initial values of one's own; a null {@code bias} makes a layer without one. */
  public Linear(Parameters parameters, int in, int out, Initializer weight, Initializer bias) {
    this.weight = parameters.add("weight", weight, out, in);
    this.bias = bias == null ? null : parameters.add("bias", bias, out);
  }

  private static Initializer uniform(int in) {
    return Initializer.uniform((float) (1 / Math.sqrt(in)));
  }

  /** [.., in] to [.., out]. */
  @Override
  public Tensor forward(Tensor x) {
    return x.linear(weight.value(), biasValue());
  }

  /** gelu(x Wᵀ + b) with the GELU in its tanh form, fused. */
  public Tensor forwardGelu(Tensor x) {
    return x.linearGelu(weight.value(), biasValue(), Gelu.TANH);
  }

  /** {@code down} on the GELU of this layer's output, all in one: [.., in] to [.., down's out]. */
  public Tensor forwardMlp(Tensor x, Gelu form, Linear down) {
    return x.mlp(weight.value(), biasValue(), down.weight.value(), down.biasValue(), form);
  }

  private Tensor biasValue() {
    return bias == null ? null : bias.value();
  }

  /** [out, in]. */
  public Parameter weight() {
    return weight;
  }

  /** [out]; null if the layer has none. */
  public Parameter bias() {
    return bias;
  }
}
