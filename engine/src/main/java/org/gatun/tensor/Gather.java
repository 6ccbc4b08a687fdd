package org.gatun.tensor;

import java.util.List;

/** y[.., j] = x[.., indices[.., j]]: chosen elements of each row. */
record Gather(Tensor x, Tensor indices, Tensor y) implements Node {
  static Tensor apply(Tensor x, Tensor indices) {
    Checks.floating("gather", x);
    Checks.indices("gather", indices);
    Checks.atLeast("gather", 1, x);
    Checks.atLeast("gather", 1, indices);
    if (!x.shape().rowShape().equals(indices.shape().rowShape())) {
      throw new IllegalArgumentException(
          "gather: indices " + indices + " do not have the rows of " + x);
    }
    Tensor rows = x.contiguous();
    Tensor packed = indices.contiguous();
    Scope scope = Scope.of(rows, packed);
    Tensor y = scope.allocate(indices.shape(), x.dtype());
    y.kernels().index().gather(y, rows, packed);
    scope.record(new Gather(rows, packed, y));
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
    y.kernels().index().gatherBackward(gradients.sink(x), gradients.of(y), indices);
  }
}
