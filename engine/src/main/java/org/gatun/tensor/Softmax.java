package org.gatun.tensor;

import java.util.List;

/** y = softmax(x) over the innermost dimension, or its logarithm. */
record Softmax(Tensor x, boolean log, Tensor y) implements Node {
  static Tensor apply(Tensor x, boolean log) {
    String op = log ? "logSoftmax" : "softmax";
    Checks.floating(op, x);
    Checks.atLeast(op, 1, x);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows);
    Tensor y = scope.allocate(rows.shape(), rows.dtype());
    if (log) {
      y.kernels().softmax().logSoftmax(y, rows);
    } else {
      y.kernels().softmax().softmax(y, rows);
    }
    scope.record(new Softmax(rows, log, y));
    return y;
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
    if (log) {
      y.kernels().softmax().logSoftmaxBackward(gradients.sink(x), dy, y);
    } else {
      y.kernels().softmax().softmaxBackward(gradients.sink(x), dy, y);
    }
  }
}
