package org.gatun.tensor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** A scope that also records, so that one call can carry gradients back to the parameters. */
public final class Tape extends Scope {
  /** Sees every operation as it happens, and may read tensors: for finding out what went wrong. */
  public interface Observer {
    /** An operation was computed and recorded. */
    void recorded(Node node);

    /** An operation has passed its gradients on; those of its inputs are in {@code gradients}. */
    void carriedBack(Node node, Gradients gradients);
  }

  private static final Observer NOBODY = new Observer() {
    @Override
    public void recorded(Node node) {}

    @Override
    public void carriedBack(Node node, Gradients gradients) {}
  };

  /** What a segment made: its results, the operations on the way, and all memory they took. */
  private record Run(List<Tensor> results, List<Node> nodes, List<Storage> taken) {}

  private List<Node> nodes = new ArrayList<>();
  private final Map<Parameter, Integer> pendingUses = new HashMap<>();
  private final long seed;
  private final Tensor salt;
  private long streams;
  private Observer observer = NOBODY;

  private Tape(Device device, long seed, Tensor salt) {
    super(device);
    this.seed = seed;
    this.salt = salt == null ? null : borrow(salt);
  }

  /** A tape whose dropout always falls alike; give a seed where there is dropout. */
  public static Tape on(Device device) {
    return on(device, 0);
  }

  /** A tape whose random operations draw from this seed: another one for every step. */
  public static Tape on(Device device, long seed) {
    return new Tape(device, seed, null);
  }

  /**
   * A tape whose random operations draw from a seed that lies in a longer-lived tensor I32 [2] (see {@link #salt(long)}): a step
   * that a device has recorded draws other numbers each time another seed was written there.
   */
  public static Tape on(Device device, Tensor salt) {
    return new Tape(device, 0, salt);
  }

  /** A seed as the elements of a tensor for {@link #on(Device, Tensor)}: its lower half, its upper half. */
  public static int[] salt(long seed) {
    return new int[]{(int) seed, (int) (seed >>> 32)};
  }

  /** The seed of the next random operation of this step. */
  public long nextSeed() {
    return Philox.derive(seed, streams++);
  }

  /** What the next random operation combines its seed with, I32 [2]; null for nothing. */
  public Tensor salt() {
    return salt;
  }

  /** From here on tells {@code observer} of every operation. */
  public void observe(Observer observer) {
    this.observer = observer;
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
      // Within a segment the operations are not kept; the segment as a whole counts for them.
      if (input.parameter() != null && !isInSegment()) {
        pendingUses.merge(input.parameter(), 1, Integer::sum);
      }
    }
    observer.recorded(node);
  }

  /**
   * Runs {@code segment} and keeps what it returns; all else it makes is given back at once, and made
   * again by running it a second time when its gradients are due (Chen et al., "Training deep nets with
   * sublinear memory cost", 2016). Gradients and random numbers are the same bits as without.
   *
   * <p>The segment must compute the same each time it is run. It may read any tensor made before; other
   * tensors it makes are gone when this returns. Segments may contain segments.
   *
   * @throws IllegalArgumentException if it returns a tensor that it did not make
   */
  @Override
  public List<Tensor> recomputed(Supplier<List<Tensor>> segment) {
    requireOpen();
    long stream = streams;
    Run run = run(segment);
    Set<Tensor> made = Collections.newSetFromMap(new IdentityHashMap<>());
    run.nodes().forEach(node -> made.addAll(node.outputs()));
    for (Tensor result : run.results()) {
      if (result.isTracked() && !made.contains(result)) {
        throw new IllegalArgumentException(
            "recomputed: the segment returned " + result + ", which it did not make; leave it out");
      }
    }
    releaseAllBut(run.results(), run.taken());
    record(new Recomputed(this, segment, stream, inputs(run, made), run.results()));
    return run.results();
  }

  /** What gradients of a segment flow to: tensors once, parameters as often as they were used. */
  private static List<Tensor> inputs(Run run, Set<Tensor> made) {
    var inputs = new ArrayList<Tensor>();
    for (Node node : run.nodes()) {
      for (Tensor input : node.inputs()) {
        if (input.isTracked() && (input.parameter() != null || made.add(input))) {
          inputs.add(input);
        }
      }
    }
    return inputs;
  }

  private Run run(Supplier<List<Tensor>> segment) {
    List<Node> outer = nodes;
    List<Node> inner = new ArrayList<>();
    var results = new ArrayList<Tensor>();
    nodes = inner;
    try {
      List<Storage> memory = memoryOf(() -> results.addAll(segment.get()));
      return new Run(List.copyOf(results), inner, memory);
    } finally {
      nodes = outer;
    }
  }

  /** Runs a segment again and carries the gradients of its results back through it. */
  void recompute(Recomputed node, Gradients gradients) {
    long now = streams;
    streams = node.stream();
    Run run = run(node.segment());
    streams = now;
    node.requireSame(run.results());
    for (int i = 0; i < run.results().size(); i++) {
      gradients.move(node.outputs().get(i), run.results().get(i));
    }
    carryBack(run.nodes(), null, gradients, _ -> {});
    // Donated gradients live in memory of the segment and may be on their way further back.
    run.taken().stream().filter(storage -> !storage.isHeld()).forEach(this::release);
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
    carryBack(nodes, output, gradients, node -> countDown(node, ready));
    nodes.clear();
  }

  private void carryBack(List<Node> recorded, Tensor kept, Gradients gradients, Consumer<Node> passed) {
    for (Node node : recorded.reversed()) {
      if (node.outputs().stream().anyMatch(gradients::has)) {
        node.backward(gradients);
        observer.carriedBack(node, gradients);
      }
      giveBack(node, kept, gradients);
      passed.accept(node);
    }
  }

  private void countDown(Node node, Consumer<Parameter> ready) {
    for (Tensor input : node.inputs()) {
      if (input.parameter() != null && pendingUses.merge(input.parameter(), -1, Integer::sum) == 0) {
        pendingUses.remove(input.parameter());
        ready.accept(input.parameter());
      }
    }
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
