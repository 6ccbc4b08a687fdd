package org.gatun.nn;

import java.util.List;
import org.gatun.tensor.Tensor;

/** A function of one tensor, usually with parameters of its own. */
@FunctionalInterface
public interface Layer {
  /** The layer's output for x, in x's scope. */
  Tensor forward(Tensor x);

  /** This layer, and then another on its output. */
  default Layer then(Layer next) {
    return x -> next.forward(forward(x));
  }

  /** Layers one after the other, the first on the input. */
  static Layer sequence(Layer... layers) {
    return List.of(layers).stream().reduce(Layer::then).orElse(x -> x);
  }
}
