package org.gatun.optim;

import java.util.List;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.DType;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * Clipping by the global norm (Pascanu et al., 2013): gradients longer than {@code maxNorm}, all taken
 * as one vector, are scaled to it. Norm and scale stay on the device.
 */
public final class GradientClip implements AutoCloseable {
  /** min(1, s0 / (norm + 1e-6)): the small number is PyTorch's. */
  private static final Formula SCALE =
      Formula.constant(1).minimum(
          Formula.scalar(0).dividedBy(Formula.operand(0).plus(Formula.constant(1e-6))));

  private final Parameters parameters;
  private final float maxNorm;
  private final Scope scope;
  private final Tensor norm;
  private final Tensor scale;

  /** Clips to {@code maxNorm}; zero measures without clipping. */
  public GradientClip(Parameters parameters, float maxNorm) {
    if (!(maxNorm >= 0)) {
      throw new IllegalArgumentException("gradient clip: a norm is at least 0, got " + maxNorm);
    }
    this.parameters = parameters;
    this.maxNorm = maxNorm;
    this.scope = Scope.on(parameters.device());
    this.norm = scope.allocate(Shape.of(), DType.F32);
    this.scale = scope.full(1f, Shape.of());
  }

  /** Measures the gradients; returns what an optimizer is to multiply them with, F32 []. */
  public Tensor measure() {
    Kernels kernels = parameters.device().kernels();
    kernels.update().norm(norm, parameters.gradients());
    if (maxNorm > 0) {
      kernels.pointwise().map(Sink.of(scale), SCALE, List.of(norm), maxNorm);
    }
    return scale;
  }

  /** The global norm before clipping, F32 [], as last measured. */
  public Tensor norm() {
    return norm;
  }

  @Override
  public void close() {
    scope.close();
  }
}
