package org.gatun.tensor;

import java.util.List;

/**
 * Layer normalisation over the innermost dimension [C] of x [.., C] (Ba et al., 2016); keeps one mean
 * and one rstd a row. The bias may be null for none.
 */
record LayerNorm(Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd)
    implements
      Node {
  static Tensor apply(Tensor x, Tensor weight, Tensor bias, float eps) {
    requireMatch("layerNorm", x, weight, bias);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows, weight, bias);
    Tensor y = scope.allocate(rows.shape(), rows.dtype());
    Tensor mean = scope.allocate(rows.shape().rowShape(), DType.F32);
    Tensor rstd = scope.allocate(rows.shape().rowShape(), DType.F32);
    y.kernels().norm().layerNorm(y, mean, rstd, rows, weight, bias, eps);
    scope.record(new LayerNorm(rows, weight, bias, y, mean, rstd));
    return y;
  }

  static void requireMatch(String op, Tensor x, Tensor weight, Tensor bias) {
    Checks.floating(op, x);
    Checks.sameDType(op, x, weight, bias);
    Checks.atLeast(op, 1, x);
    Checks.fitsRows(op, weight, x);
    Checks.fitsRows(op, bias, x);
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
  public List<Tensor> saved() {
    return List.of(mean, rstd);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    y.kernels().norm().layerNormBackward(gradients.sink(x), gradients.sink(weight), gradients.sink(bias),
        dy, null, x, weight, mean, rstd);
  }
}
