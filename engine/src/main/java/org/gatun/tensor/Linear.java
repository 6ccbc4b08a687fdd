package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Sink;

/** y = x Wᵀ + b: x is [.., in], W is [out, in], b is [out] or null for none, y is [.., out]. */
record Linear(Tensor x, Tensor weight, Tensor bias, Tensor y) implements Node {
  static Tensor apply(Tensor x, Tensor weight, Tensor bias) {
    requireMatch("linear", x, weight, bias);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows, weight, bias);
    Tensor y = scope.allocate(rows.shape().withLast(weight.shape().dim(0)), rows.dtype());
    Epilogue epilogue = bias == null ? new Epilogue.None() : new Epilogue.Bias(bias);
    y.kernels().linear().forward(y, rows, weight, epilogue);
    scope.record(new Linear(rows, weight, bias, y));
    return y;
  }

  static void requireMatch(String op, Tensor x, Tensor weight, Tensor bias) {
    Checks.floating(op, x);
    Checks.sameDType(op, x, weight, bias);
    Checks.atLeast(op, 1, x);
    if (weight.shape().rank() != 2 || x.shape().dim(-1) != weight.shape().dim(1)) {
      throw new IllegalArgumentException(
          op + ": inner dimensions differ: " + x + " by " + weight + " transposed");
    }
    if (bias != null && !bias.shape().equals(Shape.of(weight.shape().dim(0)))) {
      throw new IllegalArgumentException(op + ": bias " + bias + " does not fit weight " + weight);
    }
    requireContiguous(op, weight);
    requireContiguous(op, bias);
  }

  private static void requireContiguous(String op, Tensor tensor) {
    if (tensor != null && !tensor.isContiguous()) {
      throw new IllegalArgumentException(
          op + ": " + tensor + " is a strided view; call contiguous() first");
    }
  }

  @Override
  public List<Tensor> inputs() {
    return bias == null ? List.of(x, weight) : List.of(x, weight, bias);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public boolean readsOutputs() {
    return false;
  }

  @Override
  public void backward(Gradients gradients) {
    backward(gradients, gradients.of(y), x, weight, bias);
  }

  static void backward(Gradients gradients, Tensor dy, Tensor x, Tensor weight, Tensor bias) {
    Kernels.Linear linear = dy.kernels().linear();
    if (gradients.wants(weight) || gradients.wants(bias)) {
      linear.backwardWeight(gradients.sink(weight), gradients.sink(bias), dy, x);
    }
    Sink dx = gradients.sink(x);
    if (dx != null) {
      linear.backwardInput(dx, dy, weight, new Epilogue.None());
    }
  }
}
