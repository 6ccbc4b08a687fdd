package org.gatun.tensor;

import java.util.List;
import java.util.Locale;
import java.util.Locale;
import org.gatun.tensor.Kernels.Sink;

/** y = op(a, b), element by element; the shapes of a and b broadcast to that of y. */
record Binary(BinaryOp op, Tensor a, Tensor b, Tensor y) implements Node {
  static Tensor apply(BinaryOp op, Tensor a, Tensor b) {
    String name = op.name().toLowerCase(Locale.ROOT);
    Checks.sameDType(name, a, b);
    if (op.isDifferentiable()) {
      Checks.floating(name, a);
    }
    Scope scope = Scope.of(a, b);
    Shape shape = Broadcasting.shape(name, a, b);
    Tensor y = scope.allocate(shape, a.dtype());
    List<Tensor> operands = List.of(Broadcasting.expand(a, shape), Broadcasting.expand(b, shape));
    y.kernels().pointwise().map(Sink.of(y), op.value(), operands);
    if (op.isDifferentiable()) {
      scope.record(new Binary(op, a, b, y));
    }
    return y;
  }

  @Override
  public String operation() {
    return op.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(a, b);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    Shape shape = y.shape();
    List<Tensor> operands =
        List.of(dy, Broadcasting.expand(a, shape), Broadcasting.expand(b, shape), y);
    Broadcasting.backward(gradients, a, op.derivativeA(), operands);
    Broadcasting.backward(gradients, b, op.derivativeB(), operands);
  }
}
