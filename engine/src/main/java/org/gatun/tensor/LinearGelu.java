package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Kernels.Sink;

/** y = gelu(z), z = x Wᵀ + b; keeps z. Shapes as in {@link Linear}. */
record LinearGelu(Tensor x, Tensor weight, Tensor bias, Gelu form, Tensor y, Tensor z)
    implements
      Node {
  static Tensor apply(Tensor x, Tensor weight, Tensor bias, Gelu form) {
    Linear.requireMatch("linearGelu", x, weight, bias);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows, weight, bias);
    Shape shape = rows.shape().withLast(weight.shape().dim(0));
    Tensor y = scope.allocate(shape, rows.dtype());
    Tensor z = scope.allocate(shape, rows.dtype());
    y.kernels().linear().forward(y, rows, weight, new Epilogue.BiasGelu(bias, z, form));
    scope.record(new LinearGelu(rows, weight, bias, form, y, z));
    return y;
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
    return List.of(z);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dz = gradients.temporary(z.shape(), z.dtype());
    UnaryOp op = form == Gelu.TANH ? UnaryOp.GELU : UnaryOp.GELU_ERF;
    z.kernels().pointwise().map(Sink.of(dz), op.derivative(), List.of(gradients.of(y), z, y));
    Linear.backward(gradients, dz, x, weight, bias);
    gradients.release(dz);
  }
}
