package org.gatun.train;

import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.gatun.dist.Communicator;
import org.gatun.dist.GradientBuckets;
import org.gatun.model.Gpt2;
import org.gatun.model.Recompute;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.DType;
import org.gatun.tensor.Device;
import org.gatun.tensor.Device.Captured;
import org.gatun.tensor.Device.Reading;
import org.gatun.tensor.FiniteCheck;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/**
 * One optimizer step: gradients averaged over micro-batches and ranks, measured, clipped, applied. All of it is only given to the device;
 * the host waits where it asks for the outcome, and nowhere else.
 *
 * <p>The first steps run; in the next each part is captured as it comes by; from then on parts are replayed. What changes from step to
 * step therefore lies in tensors that stay: tokens, the seed of dropout, the schedule of AdamW. On a CPU a captured part is the part itself.
 */
final class TrainStep implements AutoCloseable {
  /**
   * Loss before the update (mean over all micro-batches of all ranks) and norm of its gradient before clipping.
   *
   * @param stop whether some rank was asked to stop
   */
  record Outcome(float loss, float gradientNorm, boolean stop) {
    Outcome(float loss, float gradientNorm) {
      this(loss, gradientNorm, false);
    }

    boolean isFinite() {
      return Float.isFinite(loss) && Float.isFinite(gradientNorm);
    }
  }

  /** What a step is made of: micro-batches of {@code shape} [B, T], as many as {@code microSteps} on each rank. */
  record Plan(Shape shape, int microSteps, Recompute recompute, long seed, boolean capture) {
    /** Tokens of a step on one rank. */
    long tokens() {
      return shape.size() * microSteps;
    }
  }

  /** Parts that differ in what they do with the gradients there are. */
  private enum Part {
    /** The first micro-batch of several overwrites them. */
    FIRST,
    /** Those between add to them. */
    MIDDLE,
    /** The last completes them, over all ranks too, and measures them. */
    LAST,
    /** One micro-batch alone overwrites and completes. */
    ONLY;

    static Part of(int micro, int microSteps) {
      if (microSteps == 1) {
        return ONLY;
      }
      return micro == 0 ? FIRST : micro == microSteps - 1 ? LAST : MIDDLE;
    }

    boolean completes() {
      return this == LAST || this == ONLY;
    }
  }

  /** clip where loss and norm are finite, else NaN, which makes an update do nothing; see {@link #healthy}. */
  private static final Formula SCALE = Formula.select(
      Formula.operand(1).times(isFinite(2)).times(isFinite(3)), Formula.operand(0), Formula.constant(Double.NaN));

  private static final Formula HEALTHY = Formula.operand(0).times(isFinite(1)).times(isFinite(2));

  /**
   * Steps before one is captured. The first leaves behind what stays for good, such as the optimizer's tables, in blocks that were free; the
   * second has the pool take all that a step needs beside it, since a captured step can take nothing new.
   */
  private static final int STEPS_BEFORE_CAPTURE = 2;

  private final Gpt2 model;
  private final Plan plan;
  private final Communicator ranks;
  private final AdamW adamw;
  private final GradientClip clip;
  private final GradientBuckets buckets;
  private final Scope scope;
  private final Tensor inputs;
  private final Tensor targets;
  private final Tensor salt;
  private final Tensor microLoss;
  /** The loss of each micro-batch; then whether to stop; then the norm. */
  private final Tensor report;
  private final Tensor stop;
  /** 1 until a loss or a norm is not finite; from then on 0, and weights and moments stay as they were before that step. */
  private final Tensor healthy;
  private final Tensor scale;
  private final Map<Part, Captured> captured = new EnumMap<>(Part.class);
  private Captured update;
  private long taken;

  TrainStep(Gpt2 model, OptimizerOptions options, Plan plan, Communicator ranks) {
    Parameters parameters = model.parameters();
    this.model = model;
    this.plan = plan;
    this.ranks = ranks;
    this.adamw = new AdamW(parameters, options.adamw());
    this.clip = new GradientClip(parameters, options.gradClip);
    this.buckets = new GradientBuckets(parameters, ranks);
    this.scope = Scope.on(parameters.device());
    this.inputs = scope.allocate(plan.shape(), DType.I32);
    this.targets = scope.allocate(plan.shape(), DType.I32);
    this.salt = scope.allocate(Shape.of(2), DType.I32);
    this.microLoss = scope.allocate(Shape.of(), DType.F32);
    this.report = scope.full(0f, Shape.of(plan.microSteps() + 2));
    this.stop = scope.full(0f, Shape.of());
    this.healthy = scope.full(1f, Shape.of());
    this.scale = scope.full(1f, Shape.of());
  }

  private static Formula isFinite(int operand) {
    return Formula.operand(operand).abs().lessThan(Formula.constant(Double.POSITIVE_INFINITY));
  }

  /**
   * Has loss and gradients of the step with this number, counted from zero, computed; {@link #update} or {@link #discard} is to follow.
   *
   * @param stopping whether this rank was asked to stop: all ranks will read it in the outcome
   */
  void gradients(Supplier<Batch> batches, long step, boolean stopping) {
    if (ranks.size() > 1) {
      upload(stop, new float[]{stopping ? 1 : 0});
    }
    for (int micro = 0; micro < plan.microSteps(); micro++) {
      Batch batch = batches.get();
      upload(inputs, batch.inputs());
      upload(targets, batch.targets());
      upload(salt, Tape.salt(dropoutSeed(step, micro)));
      Part part = Part.of(micro, plan.microSteps());
      run(part);
      if (part != Part.LAST && part != Part.ONLY) {
        keepLoss(micro);
      }
    }
    model.parameters().recallGradients();
  }

  private void run(Part part) {
    if (taken < STEPS_BEFORE_CAPTURE || !plan.capture()) {
      compute(part);
      return;
    }
    captured.computeIfAbsent(part, _ -> device().capture(() -> compute(part))).run();
  }

  /** A micro-batch, and with the last one all that makes gradients of all of them ready for the update. */
  private void compute(Part part) {
    try (var tape = Tape.on(device(), salt)) {
      Tensor loss = model.loss(tape.borrow(inputs), tape.borrow(targets), plan.recompute());
      microLoss.kernels().pointwise().copy(Sink.of(microLoss), loss);
      Tensor share = plan.microSteps() == 1 ? loss : loss.times(1f / plan.microSteps());
      if (part.completes()) {
        tape.backward(share, buckets::ready);
      } else {
        tape.backward(share);
      }
    }
    if (part.completes()) {
      complete();
    }
  }

  private void complete() {
    int microSteps = plan.microSteps();
    keepLoss(microSteps - 1);
    copy(slot(microSteps), stop);
    ranks.allReduceMean(report.slice(0, 0, microSteps + 1));
    buckets.finish();
    Tensor clipped = clip.measure();
    copy(slot(microSteps + 1), clip.norm());
    var kernels = device().kernels();
    try (var work = Scope.on(device())) {
      Tensor loss = work.borrow(report.slice(0, 0, microSteps)).sum();
      kernels.pointwise().map(Sink.of(scale), SCALE, List.of(clipped, healthy, loss, clip.norm()));
      kernels.pointwise().map(Sink.of(healthy), HEALTHY, List.of(healthy, loss, clip.norm()));
    }
  }

  private void keepLoss(int micro) {
    copy(slot(micro), microLoss);
  }

  private Tensor slot(int index) {
    return report.slice(0, index, index + 1).reshape();
  }

  private static void copy(Tensor to, Tensor from) {
    to.kernels().pointwise().copy(Sink.of(to), from);
  }

  private void upload(Tensor target, int[] values) {
    device().upload(target, MemorySegment.ofArray(values));
  }

  private void upload(Tensor target, float[] values) {
    device().upload(target, MemorySegment.ofArray(values));
  }

  /** Begins to bring the outcome of the gradients to the host; the device goes on meanwhile. */
  Pending outcome() {
    return new Pending(device().readLater(report));
  }

  /** An outcome on its way to the host. */
  final class Pending {
    private final Reading reading;

    private Pending(Reading reading) {
      this.reading = reading;
    }

    /** Waits for it. */
    Outcome await() {
      float[] values = reading.floats();
      double sum = 0;
      for (int micro = 0; micro < plan.microSteps(); micro++) {
        sum += values[micro];
      }
      return new Outcome((float) (sum / plan.microSteps()), values[plan.microSteps() + 1],
          values[plan.microSteps()] > 0);
    }
  }

  /** The loss of each micro-batch; waits for them. */
  float[] losses() {
    return report.slice(0, 0, plan.microSteps()).toArray();
  }

  /** Applies the gradients, unless they or the loss are not finite. */
  void update(float learningRate) {
    adamw.prepare(learningRate);
    if (taken++ < STEPS_BEFORE_CAPTURE || !plan.capture()) {
      adamw.apply(scale);
      return;
    }
    if (update == null) {
      update = device().capture(() -> adamw.apply(scale));
    }
    update.run();
    model.parameters().forgetGradients();
  }

  /** Forgets the gradients. */
  void discard() {
    device().kernels().pointwise().fill(healthy, 1f);
    model.parameters().forgetGradients();
  }

  /**
   * Computes the gradients once more and looks at everything on the way; then forgets them.
   *
   * @return which operation of which layer first made a value that is not finite; null if none did
   */
  String trace(List<Batch> batches, long step) {
    discard();
    var check = new FiniteCheck();
    check.examine(model.parameters());
    for (int micro = 0; micro < batches.size() && check.finding() == null; micro++) {
      upload(salt, Tape.salt(dropoutSeed(step, micro)));
      try (var tape = Tape.on(device(), salt)) {
        tape.observe(check);
        Batch batch = batches.get(micro);
        Tensor loss = model.loss(
            tape.tensor(batch.inputs(), plan.shape()), tape.tensor(batch.targets(), plan.shape()), plan.recompute());
        tape.backward(plan.microSteps() == 1 ? loss : loss.times(1f / plan.microSteps()));
      }
    }
    discard();
    return check.finding();
  }

  /** Another one for each micro-batch of each rank. */
  private long dropoutSeed(long step, int micro) {
    return Philox.derive(plan.seed(), (step * plan.microSteps() + micro) * ranks.size() + ranks.rank());
  }

  private Device device() {
    return model.parameters().device();
  }

  /** The optimizer, for checkpoints. */
  AdamW adamw() {
    return adamw;
  }

  /** Of what it is made. */
  Plan plan() {
    return plan;
  }

  @Override
  public void close() {
    if (update != null) {
      update.close();
    }
    captured.values().forEach(Captured::close);
    scope.close();
    clip.close();
    adamw.close();
  }
}
