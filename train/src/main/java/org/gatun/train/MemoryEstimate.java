package org.gatun.train;

import java.util.Locale;
import java.util.function.Supplier;
import org.gatun.cpu.CpuDevice;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/**
 * The bytes that training will take outside of the heap, found by rehearsing a step and an evaluation
 * on a device that only counts: it knows the rounding of the pool and every tensor an operation makes.
 *
 * @param weights values and masters
 * @param activations what the forward pass keeps, without the logits
 * @param work what comes and goes during the backward pass, and blocks that fit nothing else
 * @param snapshot the copy that checkpoints are written from; 0 where training waits for them
 */
record MemoryEstimate(
    int layers, long weights, long gradients, long moments, long activations, long logits, long work,
    long snapshot) {
  /**
   * What decides how much it is.
   *
   * @param rehearsal makes a device that counts as the one does that will be used
   */
  record Plan(
      Supplier<Device> rehearsal, Gpt2Config config, Precision precision, AdamW.Config adamw, Shape shape,
      Recompute recompute,
      boolean snapshot) {
    Plan withRows(int rows) {
      return new Plan(
          rehearsal, config, precision, adamw, Shape.of(rows, shape.dim(1)), recompute, snapshot);
    }

    Plan with(Recompute other) {
      return new Plan(rehearsal, config, precision, adamw, shape, other, snapshot);
    }

    Plan withoutSnapshot() {
      return new Plan(rehearsal, config, precision, adamw, shape, recompute, false);
    }
  }

  /** Tokens that an evaluation computes at once; see {@link Evaluation}. */
  private static final int EVALUATED_TOKENS = 1024;

  static MemoryEstimate of(Plan plan) {
    try (Device device = plan.rehearsal().get();
        var parameters = new Parameters(device, plan.precision())) {
      var gpt2 = new Gpt2(parameters, plan.config());
      parameters.initializeToZero();
      long weights = device.bytesInUse();
      parameters.gradients();
      long gradients = device.bytesInUse() - weights;
      try (var adamw = new AdamW(parameters, plan.adamw()); var clip = new GradientClip(parameters, 1)) {
        long fixed = device.bytesInUse();
        long[] forward = step(gpt2, plan);
        adamw.step(0, clip.measure());
        evaluate(gpt2, plan.shape().dim(1));
        return new MemoryEstimate(
            plan.config().layers(),
            weights,
            gradients,
            fixed - weights - gradients,
            forward[0] - forward[1],
            forward[1],
            device.bytesReserved() - fixed - forward[0],
            plan.snapshot() ? snapshot(plan) : 0);
      }
    }
  }

  /** Bytes that the forward pass keeps, and those of the logits among them. */
  private static long[] step(Gpt2 gpt2, Plan plan) {
    Device device = gpt2.parameters().device();
    long before = device.bytesInUse();
    try (var tape = Tape.on(device)) {
      var tokens = new int[(int) plan.shape().size()];
      Tensor inputs = tape.tensor(tokens, plan.shape());
      Tensor loss = gpt2.loss(inputs, tape.tensor(tokens, plan.shape()), plan.recompute());
      long kept = device.bytesInUse() - before;
      tape.backward(loss);
      long logits =
          plan.shape().size() * plan.config().paddedVocabulary() * plan.precision().compute().byteSize();
      return new long[]{kept, Math.min(kept, logits)};
    }
  }

  private static void evaluate(Gpt2 gpt2, int context) {
    try (var scope = Scope.on(gpt2.parameters().device())) {
      Shape shape = Shape.of(Math.max(1, EVALUATED_TOKENS / context), context);
      var tokens = new int[(int) shape.size()];
      gpt2.loss(scope.tensor(tokens, shape), scope.tensor(tokens, shape));
    }
  }

  private static long snapshot(Plan plan) {
    try (Device device = CpuDevice.rehearsal();
        var parameters = new Parameters(device, Precision.F32);
        var scope = Scope.on(device)) {
      new Gpt2(parameters, plan.config());
      parameters.initializeToZero();
      for (int moment = 0; moment < 2; moment++) {
        scope.allocate(parameters.masters().shape(), plan.adamw().moments());
      }
      return device.bytesReserved();
    }
  }

  /** What the device's pool will have taken. */
  long onDevice() {
    return weights + gradients + moments + activations + logits + work;
  }

  /** All of it. */
  long total() {
    return onDevice() + snapshot;
  }

  /** One line. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s: weights %s, gradients %s, moments %s, activations %s (%s a layer), logits %s, work %s%s",
        text(total()),
        text(weights),
        text(gradients),
        text(moments),
        text(activations),
        text(activations / layers),
        text(logits),
        text(work),
        snapshot == 0 ? "" : ", copy for checkpoints " + text(snapshot));
  }

  /** Bytes in a unit that suits them. */
  static String text(long bytes) {
    return bytes >= 1_000_000_000
        ? String.format(Locale.ROOT, "%.1f GB", bytes / 1e9)
        : String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
  }

  /**
   * @throws IllegalArgumentException if the plan takes more than is available: says what would fit
   */
  static MemoryEstimate requireFit(Plan plan, long available) {
    MemoryEstimate estimate = of(plan);
    if (estimate.total() > available) {
      throw new IllegalArgumentException(
          "training would take %s, but %s are available; %s"
              .formatted(estimate, text(available), advice(plan, available)));
    }
    return estimate;
  }

  private static String advice(Plan plan, long available) {
    for (Recompute recompute : Recompute.values()) {
      if (of(plan.with(recompute)).total() <= available) {
        return "--recompute " + recompute + " would fit";
      }
    }
    if (of(plan.withoutSnapshot()).total() <= available) {
      return "--checkpoint-write sync would fit";
    }
    Plan least = plan.with(Recompute.BLOCK).withoutSnapshot();
    for (int rows = plan.shape().dim(0) / 2; rows >= 1; rows /= 2) {
      if (of(least.withRows(rows)).total() <= available) {
        return "--micro-batch %s --recompute block --checkpoint-write sync would fit".formatted(rows);
      }
    }
    return "not even --micro-batch 1 --recompute block --checkpoint-write sync would fit: take a smaller"
        + " model, a shorter --context, or --moments bf16";
  }
}
