package org.gatun.optim;

import java.util.List;
import org.gatun.tensor.Kernels.Update.Range;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Stochastic gradient descent with momentum and weight decay of matrices; owns the velocity. */
public final class Sgd implements AutoCloseable {
  private final Parameters parameters;
  private final float momentum;
  private final List<Range> ranges;
  private final Scope scope;
  private final Tensor velocity;
  private final Tensor one;

  /** {@code momentum} zero keeps no velocity. */
  public Sgd(Parameters parameters, float momentum, float weightDecay) {
    this.parameters = parameters;
    this.momentum = momentum;
    this.ranges = AdamW.ranges(parameters, AdamW.matricesDecay(weightDecay));
    this.scope = Scope.on(parameters.device());
    this.velocity = momentum == 0 ? null : scope.full(0f, parameters.masters().shape());
    this.one = scope.full(1f, Shape.of());
  }

  /** One step on the gradients as they are; then forgets them. */
  public void step(float learningRate) {
    step(learningRate, one);
  }

  /** One step on the gradients times {@code scale} F32 [] (see {@link GradientClip}); then forgets them. */
  public void step(float learningRate, Tensor scale) {
    parameters.device().kernels().update().sgd(parameters.values(), parameters.masters(),
        parameters.gradients(), velocity, scale, learningRate, momentum, ranges);
    parameters.forgetGradients();
  }

  @Override
  public void close() {
    scope.close();
  }
}
