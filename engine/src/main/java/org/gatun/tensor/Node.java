package org.gatun.tensor;

import java.util.List;
import java.util.Locale;

/**
 * One recorded operation: what went in, what came out, what was kept, and how gradients pass back.
 *
 * <p>An operation of your own is a record that implements this interface: a static {@code apply}
 * checks its arguments, allocates the result from {@link Scope#of}, computes, and calls {@link
 * Scope#record}.
 */
public interface Node {
  /** What the operation is called in messages. */
  default String operation() {
    String name = getClass().getSimpleName();
    return name.substring(0, 1).toLowerCase(Locale.ROOT) + name.substring(1);
  }

  /** The tensors a gradient may flow to. */
  List<Tensor> inputs();

  /** The tensors this operation made; given back once {@link #backward} has passed. */
  List<Tensor> outputs();

  /** What forward kept beyond inputs and outputs; given back once {@link #backward} has passed. */
  default List<Tensor> saved() {
    return List.of();
  }

  /**
   * Whether {@link #backward} reads the values of the outputs. Where it does not, whoever uses an output
   * last may turn its memory into its gradient.
   */
  default boolean readsOutputs() {
    return true;
  }

  /**
   * Sends the gradients of the outputs on to the inputs that want one. A gradient read here may be
   * shared: do not write it.
   */
  void backward(Gradients gradients);
}
