package org.gatun.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.gatun.cuda.nvml.Nvml;
import org.gatun.gpu.CudaDevice;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.tensor.Device;
import org.gatun.tensor.Device.Moment;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.train.TimedDevice.Work;

/** Training steps on random tokens, and how long they take. */
record Bench(Gpt2Config config, Precision precision, Recompute recompute, int context, int steps, boolean graph) {
  /** A step that runs, one that is captured, one that is replayed for the first time. */
  private static final int WARM_UP = 3;

  /** Steps whose kernels are timed one by one. */
  private static final int TIMED_STEPS = 3;

  /**
   * What was measured.
   *
   * @param milliseconds of each step, by the device's own clock, from the least to the greatest
   * @param hostMilliseconds what the host takes to give a step to the device: half of the steps take less
   * @param kernels the work of one step, timed kernel by kernel in steps that are not captured
   */
  record Result(
      long tokens, double[] milliseconds, double hostMilliseconds, long memory, Optional<Nvml.Reading> card,
      Map<String, Work> kernels) {
    double median() {
      return milliseconds[milliseconds.length / 2];
    }

    double tokensPerSecond() {
      return tokens / median() * 1e3;
    }
  }

  private TrainStep.Plan plan(int rows, boolean capture) {
    return new TrainStep.Plan(Shape.of(rows, context), 1, recompute, 1, capture);
  }

  /** Times steps of so many rows; {@code card} is asked while the device is at work. */
  Result measure(Device device, int rows, Supplier<Optional<Nvml.Reading>> card) {
    Result steps = measureSteps(device, rows, card);
    var timed = new TimedDevice(device);
    return new Result(steps.tokens, steps.milliseconds, steps.hostMilliseconds, steps.memory, steps.card,
        kernels(timed, rows, true, TIMED_STEPS));
  }

  private Result measureSteps(Device device, int rows, Supplier<Optional<Nvml.Reading>> card) {
    TrainStep.Plan plan = plan(rows, graph);
    try (var run = new SyntheticRun(device, config, precision, plan)) {
      for (int step = 0; step < WARM_UP; step++) {
        run.step().await();
      }
      var moments = new ArrayList<Moment>(List.of(device.mark()));
      var host = new double[steps];
      TrainStep.Pending before = null;
      for (int step = 0; step < steps; step++) {
        long start = System.nanoTime();
        TrainStep.Pending pending = run.step();
        moments.add(device.mark());
        host[step] = (System.nanoTime() - start) / 1e6;
        if (before != null) {
          before.await(); // one step behind, as in training
        }
        before = pending;
      }
      Optional<Nvml.Reading> reading = card.get();
      requireFinite(before.await());
      var milliseconds = new double[steps];
      Arrays.setAll(milliseconds, i -> moments.get(i + 1).millisecondsSince(moments.get(i)));
      Arrays.sort(milliseconds);
      Arrays.sort(host);
      return new Result(
          plan.tokens(), milliseconds, host[steps / 2], device.bytesReserved(), reading, Map.of());
    }
  }

  private static void requireFinite(TrainStep.Outcome outcome) {
    if (!outcome.isFinite()) {
      throw new IllegalStateException(
          "the loss became " + outcome.loss()
              + ": times of a step that computes nonsense mean nothing; see gatun selftest");
    }
  }

  /** A step's work, kernel by kernel: the mean over some steps that come after one that makes all it needs. */
  private Map<String, Work> kernels(TimedDevice timed, int rows, boolean drawn, int count) {
    try (var run = new SyntheticRun(timed, config, precision, plan(rows, false), drawn)) {
      run.step().await();
      timed.take();
      for (int step = 0; step < count; step++) {
        run.step().await();
      }
      var mean = new TreeMap<String, Work>();
      timed.take().forEach((kernel, work) -> mean.put(kernel, new Work(work.calls() / count,
          work.milliseconds() / count, work.bytes() / count, work.flops() / count)));
      return mean;
    }
  }

  /** The same step on a card that only counts; without times. */
  Result predict(int rows) {
    try (Device device = CudaDevice.rehearsal()) {
      Map<String, Work> kernels = kernels(new TimedDevice(device), rows, false, 1);
      return new Result(plan(rows, false).tokens(), new double[]{0}, 0, device.bytesReserved(), Optional.empty(),
          kernels);
    }
  }
}
