package org.gatun.tensor;

import java.util.List;
import java.util.Locale;
import java.util.Locale;
import org.gatun.tensor.Kernels.Sink;

/** y = op(x, scalars), element by element. */
record Unary(UnaryOp op, Tensor x, float[] scalars, Tensor y) implements Node {
  static Tensor apply(UnaryOp op, Tensor x, float... scalars) {
    Checks.floating(op.name().toLowerCase(Locale.ROOT), x);
    Scope scope = Scope.of(x);
    Tensor y = scope.allocate(x.shape(), x.dtype());
    y.kernels().pointwise().map(Sink.of(y), op.value(), List.of(x), scalars);
    scope.record(new Unary(op, x, scalars, y));
    return y;
  }

  @Override
  public String operation() {
    return op.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(x);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    y.kernels().pointwise().map(gradients.sink(x), op.derivative(), List.of(dy, x, y), scalars);
  }
}
