package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Sink;

/** y = x / (1 - p) for elements that stay, 0 with probability p (Srivastava et al., 2014). */
record Dropout(Tensor x, float p, long seed, Tensor salt, Tensor y) implements Node {
  static Tensor apply(Tensor x, float p, long seed, Tensor salt) {
    Checks.floating("dropout", x);
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException("dropout: a probability is at least 0 and below 1, got " + p);
    }
    if (p == 0) {
      return x;
    }
    Scope scope = Scope.of(x);
    Tensor y = scope.allocate(x.shape(), x.dtype());
    y.kernels().pointwise().dropout(Sink.of(y), x, p, seed, salt);
    scope.record(new Dropout(x, p, seed, salt, y));
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
    y.kernels().pointwise().dropout(gradients.sink(x), gradients.of(y), p, seed, salt);
  }
}
