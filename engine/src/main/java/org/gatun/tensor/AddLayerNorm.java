package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Sink;

/**
 * sum = a + b and y = layerNorm(sum): the residual stream [.., C] and its normed rows in one pass.
 * The bias may be null for none.
 */
record AddLayerNorm(
    Tensor a, Tensor b, Tensor weight, Tensor bias, Tensor sum, Tensor y, Tensor mean, Tensor rstd)
    implements
      Node {
  static Residual apply(Tensor a, Tensor b, Tensor weight, Tensor bias, float eps) {
    LayerNorm.requireMatch("addLayerNorm", a, weight, bias);
    Checks.sameDType("addLayerNorm", a, b);
    if (!a.shape().equals(b.shape())) {
      throw new IllegalArgumentException("addLayerNorm: shapes differ: " + a + " and " + b);
    }
    Tensor left = a.contiguous();
    Tensor right = b.contiguous();
    Scope scope = Scope.of(left, right, weight, bias);
    Tensor sum = scope.allocate(a.shape(), a.dtype());
    Tensor y = scope.allocate(a.shape(), a.dtype());
    Tensor mean = scope.allocate(a.shape().rowShape(), DType.F32);
    Tensor rstd = scope.allocate(a.shape().rowShape(), DType.F32);
    y.kernels().norm().addLayerNorm(sum, y, mean, rstd, left, right, weight, bias, eps);
    scope.record(new AddLayerNorm(left, right, weight, bias, sum, y, mean, rstd));
    return new Residual(sum, y);
  }

  @Override
  public List<Tensor> inputs() {
    return bias == null ? List.of(a, b, weight) : List.of(a, b, weight, bias);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(sum, y);
  }

  @Override
  public List<Tensor> saved() {
    return List.of(mean, rstd);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    Tensor carried = gradients.has(sum) ? gradients.of(sum) : null;
    Tensor dsum = gradients.temporary(sum.shape(), sum.dtype());
    y.kernels().norm().layerNormBackward(Sink.of(dsum), gradients.sink(weight), gradients.sink(bias),
        dy, carried, sum, weight, mean, rstd);
    gradients.spread(dsum, a, b);
  }
}
