package org.gatun.tensor;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A scope that also records, so that one call can carry gradients back to the parameters. */
public final class Tape extends Scope {
  private final List<Node> nodes = new ArrayList<>();
  private final Map<Parameter, Integer> pendingUses = new HashMap<>();
  private final long seed;
  private long streams;

  private Tape(Device device, long seed) {
    super(device);
    this.seed = seed;
  }

  /** A tape whose dropout always falls alike; give a seed where there is dropout. */
  public static Tape on(Device device) {
    return on(device, 0);
  }

  /** A tape whose random operations draw from this seed: another one for every step. */
  public static Tape on(Device device, long seed) {
    return new Tape(device, seed);
  }

  /** The seed of the next random operation of this step. */
  public long nextSeed() {
    return Philox.derive(seed, streams++);
  }

  @Override
  public boolean isRecording() {
    return true;
  }

  @Override
  public void record(Node node) {
    if (node.inputs().stream().noneMatch(Tensor::isTracked)) {
      return;
    }
    nodes.add(node);
    for (Tensor output : node.outputs()) {
      if (output.dtype().isFloating()) {
        output.track();
      }
      if (node.readsOutputs()) {
        output.countUse();
      }
    }
    for (Tensor input : node.inputs()) {
      input.countUse();
      if (input.parameter() != null) {
        pendingUses.merge(input.parameter(), 1, Integer::sum);
      }
    }
  }

  /** Adds the gradient of a scalar loss to every parameter it depends on, and forgets the step. */
  public void backward(Tensor loss) {
    backward(loss, _ -> {});
  }

  /**
   * As {@link #backward(Tensor)}, and tells when a parameter's gradient is final, so that it can be
   * reduced across processes while earlier layers are still at work.
   */
  public void backward(Tensor loss, Consumer<Parameter> ready) {
    if (loss.shape().size() != 1) {
      throw new IllegalArgumentException(
          "backward: a loss has one element, got " + loss + "; give its gradient, or reduce it first");
    }
    requireOpen();
    Tensor one = allocate(loss.shape(), loss.dtype());
    device().kernels().pointwise().fill(one, 1f);
    backward(loss, one, ready);
  }

  /**
   * Carries a gradient of {@code output} (same shape and dtype, of this tape) back to every parameter
   * it depends on. All tensors of the step but {@code output} are given back on the way.
   */
  public void backward(Tensor output, Tensor gradient, Consumer<Parameter> ready) {
    requireOpen();
    if (output.scope() != this || !output.isTracked()) {
      throw new IllegalArgumentException("backward: " + output + " does not depend on a parameter through"
          + " this tape (comparisons, argMax, oneHot and detach() carry no gradient)");
    }
    if (!gradient.shape().equals(output.shape()) || gradient.dtype() != output.dtype()) {
      throw new IllegalArgumentException("backward: gradient " + gradient + " does not fit " + output);
    }
    if (nodes.stream().noneMatch(node -> node.outputs().contains(output))) {
      throw new IllegalArgumentException("backward: no operation recorded since the last backward() made " + output
          + "; a step is carried back once");
    }
    var gradients = new Gradients(this);
    gradients.seed(output, gradient.contiguous());
    for (Node node : nodes.reversed()) {
      if (node.outputs().stream().anyMatch(gradients::has)) {
        node.backward(gradients);
      }
      giveBack(node, output, gradients);
      for (Tensor input : node.inputs()) {
        if (input.parameter() != null && pendingUses.merge(input.parameter(), -1, Integer::sum) == 0) {
          pendingUses.remove(input.parameter());
          ready.accept(input.parameter());
        }
      }
    }
    nodes.clear();
  }

  private void giveBack(Node node, Tensor kept, Gradients gradients) {
    for (Tensor output : node.outputs()) {
      gradients.done(output);
      // A donated gradient lives in the output's own memory and may have been passed on.
      if (output != kept && !output.storage().isHeld()) {
        release(output);
      }
    }
    node.saved().forEach(this::release);
  }
}
