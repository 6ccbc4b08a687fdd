package org.gatun.tensor;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Kernels.Sink;

/**
 * y = gelu(x W₁ᵀ + b₁) W₂ᵀ + b₂, GPT-2's feed-forward layer: both products in one node, so that the
 * derivative of the GELU rides on the product that makes its argument. Keeps z = x W₁ᵀ + b₁ and, if the device does
 * not compute it again, h = gelu(z), both [.., hidden]. Biases may be null for none.
 */
record Mlp(
    Tensor x, Tensor w1, Tensor b1, Tensor w2, Tensor b2, Gelu form, Tensor y, Tensor z, Tensor h)
    implements
      Node {
  static Tensor apply(Tensor x, Tensor w1, Tensor b1, Tensor w2, Tensor b2, Gelu form) {
    Linear.requireMatch("mlp", x, w1, b1);
    Tensor rows = x.contiguous();
    Scope scope = Scope.of(rows, w1, b1, w2, b2);
    Shape hidden = rows.shape().withLast(w1.shape().dim(0));
    Tensor z = scope.allocate(hidden, rows.dtype());
    Tensor h = scope.allocate(hidden, rows.dtype());
    Linear.requireMatch("mlp", h, w2, b2);
    Tensor y = scope.allocate(rows.shape().withLast(w2.shape().dim(0)), rows.dtype());
    Kernels.Linear linear = y.kernels().linear();
    linear.forward(h, rows, w1, new Epilogue.BiasGelu(b1, z, form));
    linear.forward(y, h, w2, b2 == null ? new Epilogue.None() : new Epilogue.Bias(b2));
    boolean again = y.device().recomputesGelu();
    if (again) {
      scope.release(h);
    }
    scope.record(new Mlp(rows, w1, b1, w2, b2, form, y, z, again ? null : h));
    return y;
  }

  @Override
  public List<Tensor> inputs() {
    return Stream.of(x, w1, b1, w2, b2).filter(Objects::nonNull).toList();
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public List<Tensor> saved() {
    return h == null ? List.of(z) : List.of(z, h);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = gradients.of(y);
    Kernels.Linear linear = y.kernels().linear();
    Tensor dz = gradients.temporary(z.shape(), z.dtype());
    Tensor again = h == null ? gradients.temporary(z.shape(), z.dtype()) : null;
    linear.backwardInput(Sink.of(dz), dy, w2, new Epilogue.GeluGradient(z, form, again));
    if (gradients.wants(w2) || gradients.wants(b2)) {
      linear.backwardWeight(gradients.sink(w2), gradients.sink(b2), dy, h == null ? again : h);
    }
    if (again != null) {
      gradients.release(again);
    }
    Linear.backward(gradients, dz, x, w1, b1);
    gradients.release(dz);
  }
}
