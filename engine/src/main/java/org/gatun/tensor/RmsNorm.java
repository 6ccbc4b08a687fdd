package org.gatun.tensor;

import java.util.List;

/** y = x / √(mean(x²) + eps) · weight over rows (Zhang and Sennrich, 2019); keeps one rstd a row. */
record RmsNorm(Tensor x, Tensor weight, Tensor y, Tensor rstd) implements Node {
  static Tensor apply(Tensor x, Tensor weight, float eps) {
    LayerNorm.requireMatch("rmsNorm", x, weight, null);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows, weight);
    Tensor y = scope.allocate(rows.shape(), rows.dtype());
    Tensor rstd = scope.allocate(rows.shape().rowShape(), DType.F32);
    y.kernels().norm().rmsNorm(y, rstd, rows, weight, eps);
    scope.record(new RmsNorm(rows, weight, y, rstd));
    return y;
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(x, weight);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public List<Tensor> saved() {
    return List.of(rstd);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    y.kernels().norm().rmsNormBackward(gradients.sink(x), gradients.sink(weight), dy, x, weight, rstd);
  }
}
