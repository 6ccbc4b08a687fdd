package org.gatun.tensor;

import java.util.IdentityHashMap;
import java.util.Map;
import org.gatun.tensor.Kernels.Sink;

/** The gradients under way during one backward pass, as a {@link Node} sees them. */
public final class Gradients {
  private final Tape tape;
  private final Map<Tensor, Slot> slots = new IdentityHashMap<>();

  Gradients(Tape tape) {
    this.tape = tape;
  }

  void seed(Tensor output, Tensor gradient) {
    hold(output, gradient, false);
  }

  /** Whether a gradient has reached this tensor. */
  public boolean has(Tensor output) {
    return slots.containsKey(output);
  }

  /** Whether this input's gradient is of use to anyone. */
  public boolean wants(Tensor input) {
    return input != null && input.isTracked();
  }

  /** The gradient of an output, contiguous, read only; zeros where nothing used that output. */
  public Tensor of(Tensor output) {
    if (!has(output)) {
      Tensor zero = temporary(output.shape(), output.dtype());
      tape.device().kernels().pointwise().fill(zero, 0f);
      hold(output, zero, true);
    }
    return slots.get(output).tensor;
  }

  /** An uninitialised tensor for the work of a backward pass; give it back with {@link #release}. */
  public Tensor temporary(Shape shape, DType dtype) {
    return tape.allocate(shape, dtype);
  }

  /** Gives a {@link #temporary} back. */
  public void release(Tensor temporary) {
    tape.release(temporary);
  }

  /**
   * Where the gradient of an input goes, contiguous; null if it is not wanted. The first contribution
   * overwrites, later ones add; a parameter's lands in its flat buffer, as F32.
   */
  public Sink sink(Tensor input) {
    if (!wants(input)) {
      return null;
    }
    if (input.parameter() != null) {
      return input.parameter().gradientSink();
    }
    Slot slot = slots.get(input);
    if (slot == null) {
      slot = hold(input, temporary(input.shape(), input.dtype()), true);
      return new Sink(slot.tensor, false);
    }
    if (!slot.owned) {
      Tensor shared = slot.tensor;
      slot = hold(input, copy(shared), true);
      unhold(shared);
    }
    return new Sink(slot.tensor, true);
  }

  /** The gradient of an input is {@code dy} itself: shares it, and copies only if more is added. */
  public void pass(Tensor input, Tensor dy) {
    if (!wants(input)) {
      return;
    }
    if (input.parameter() == null && !has(input) && dy.dtype() == input.dtype()) {
      hold(input, dy, false);
      return;
    }
    tape.device().kernels().pointwise().copy(sink(input), dy);
  }

  /** As {@link #pass} to several inputs at once; takes the temporary over. */
  public void spread(Tensor temporary, Tensor... inputs) {
    temporary.storage().addHolder();
    for (Tensor input : inputs) {
      pass(input, temporary);
    }
    unhold(temporary);
  }

  /**
   * Takes over a buffer the backward pass has filled, such as logits turned into their gradient; it
   * must be the input's only contribution (see {@link Tensor#uses}).
   */
  public void donate(Tensor input, Tensor gradient) {
    if (has(input)) {
      throw new IllegalStateException("a donated gradient must be the only one: " + input);
    }
    hold(input, gradient, true);
  }

  /** The gradient of an output is that of the same output made a second time. */
  void move(Tensor output, Tensor again) {
    Slot slot = slots.remove(output);
    if (slot != null) {
      slots.put(again, slot);
    }
  }

  /** An output's gradient has been used. */
  void done(Tensor output) {
    Slot slot = slots.remove(output);
    if (slot != null) {
      unhold(slot.tensor);
    }
  }

  private Slot hold(Tensor input, Tensor gradient, boolean owned) {
    gradient.storage().addHolder();
    var slot = new Slot(gradient, owned);
    slots.put(input, slot);
    return slot;
  }

  /** One gradient this tensor stood for has been used; the last one gives its memory back. */
  private void unhold(Tensor gradient) {
    if (gradient.storage().dropHolder()) {
      tape.release(gradient.storage());
    }
  }

  private Tensor copy(Tensor tensor) {
    Tensor copy = temporary(tensor.shape(), tensor.dtype());
    tape.device().kernels().pointwise().copy(Sink.of(copy), tensor);
    return copy;
  }

  /** {@code owned} is false while others share the tensor and it must not be written. */
  private record Slot(Tensor tensor, boolean owned) {}
}
