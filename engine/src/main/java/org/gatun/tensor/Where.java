package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Sink;

/** y = condition ? a : b, element by element; all three broadcast. No gradient for the condition. */
record Where(Tensor condition, Tensor a, Tensor b, Tensor y) implements Node {
  private static final Formula VALUE =
      Formula.select(Formula.operand(0), Formula.operand(1), Formula.operand(2));
  private static final Formula DERIVATIVE_A =
      Formula.select(Formula.operand(1), Formula.operand(0), Formula.constant(0));
  private static final Formula DERIVATIVE_B =
      Formula.select(Formula.operand(1), Formula.constant(0), Formula.operand(0));

  static Tensor apply(Tensor condition, Tensor a, Tensor b) {
    Checks.floating("where", a);
    Checks.sameDType("where", a, b);
    Scope scope = Scope.of(condition, a, b);
    Shape shape = Broadcasting.shape("where", a, b, condition);
    Tensor y = scope.allocate(shape, a.dtype());
    y.kernels().pointwise().map(Sink.of(y), VALUE, List.of(Broadcasting.expand(condition, shape),
        Broadcasting.expand(a, shape), Broadcasting.expand(b, shape)));
    condition.countUse();
    scope.record(new Where(condition, a, b, y));
    return y;
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
    List<Tensor> operands =
        List.of(gradients.of(y), Broadcasting.expand(condition, y.shape()));
    Broadcasting.backward(gradients, a, DERIVATIVE_A, operands);
    Broadcasting.backward(gradients, b, DERIVATIVE_B, operands);
  }
}
