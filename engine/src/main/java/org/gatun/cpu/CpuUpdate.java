package org.gatun.cpu;

import static org.gatun.cpu.CpuDevice.bytes;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Tensor;

/** Optimizer steps: one pass over flat buffers, as fast as memory is read and written. */
final class CpuUpdate implements Kernels.Update {
  /** Elements of a task. */
  private static final int TASK = 65_536;

  /**
   * Elements stepped before their values are converted from the master, while that is in the cache.
   */
  private static final int PIECE = 4096;

  private final CpuDevice device;
  private double[] partial = new double[0];

  CpuUpdate(CpuDevice device) {
    this.device = device;
  }

  @Override
  public void norm(Tensor norm, Tensor x) {
    long size = x.shape().size();
    int tasks = tasks(size);
    if (partial.length < tasks) {
      partial = new double[tasks];
    }
    double[] sums = partial;
    device.workers().run(
        tasks,
        (task, worker) -> {
          float[] piece = device.scratch(worker, 0, PIECE);
          long end = Math.min(size, (task + 1L) * TASK);
          double sum = 0;
          for (long from = (long) task * TASK; from < end; from += PIECE) {
            int n = (int) Math.min(PIECE, end - from);
            if (X86Pass.AVAILABLE && x.dtype() == DType.F32) {
              sum += UpdateLoops.squares(bytes(x), x.offset() + from, n);
            } else {
              Lanes.load(piece, 0, bytes(x), x.dtype(), x.offset() + from, n);
              sum += UpdateLoops.squares(piece, n);
            }
          }
          sums[task] = sum;
        });
    double sum = 0;
    for (int task = 0; task < tasks; task++) {
      sum += sums[task];
    }
    Lanes.set(bytes(norm), norm.dtype(), norm.offset(), (float) Math.sqrt(sum));
  }

  @Override
  public void adamw(
      Tensor value, Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, Tensor schedule,
      AdamW constants, List<Range> ranges) {
    float factor = Lanes.get(bytes(scale), DType.F32, scale.offset());
    if (Float.isNaN(factor)) {
      return;
    }
    var step = new UpdateLoops.Schedule(
        Lanes.get(bytes(schedule), DType.F32, schedule.offset()),
        Lanes.get(bytes(schedule), DType.F32, schedule.offset() + 1),
        Lanes.get(bytes(schedule), DType.F32, schedule.offset() + 2));
    forEachPiece(
        value, master, ranges,
        (range, from, n, worker) -> {
          var coefficients = UpdateLoops.AdamW.of(constants, step, range.weightDecay(), factor);
          if (m.dtype() == DType.F32) {
            UpdateLoops.adamw(
                bytes(master), byteOffset(master, from), bytes(gradient), byteOffset(gradient, from),
                bytes(m), byteOffset(m, from), bytes(v), byteOffset(v, from), n, coefficients);
            return;
          }
          float[] first = moment(m, from, n, device.scratch(worker, 1, PIECE));
          float[] second = moment(v, from, n, device.scratch(worker, 2, PIECE));
          UpdateLoops.adamw(
              bytes(master), byteOffset(master, from), bytes(gradient), byteOffset(gradient, from),
              MemorySegment.ofArray(first), 0, MemorySegment.ofArray(second), 0, n, coefficients);
          Lanes.store(bytes(m), m.dtype(), m.offset() + from, first, 0, n);
          Lanes.store(bytes(v), v.dtype(), v.offset() + from, second, 0, n);
        });
  }

  private static float[] moment(Tensor moment, long from, int n, float[] piece) {
    Lanes.load(piece, 0, bytes(moment), moment.dtype(), moment.offset() + from, n);
    return piece;
  }

  @Override
  public void sgd(
      Tensor value, Tensor master, Tensor gradient, Tensor velocity, Tensor scale,
      float learningRate, float momentum, List<Range> ranges) {
    float factor = Lanes.get(bytes(scale), DType.F32, scale.offset());
    if (Float.isNaN(factor)) {
      return;
    }
    forEachPiece(
        value, master, ranges,
        (range, from, n, _) -> {
          var coefficients =
              new UpdateLoops.Sgd(factor, range.weightDecay(), momentum, -learningRate);
          MemorySegment p = bytes(master);
          MemorySegment g = bytes(gradient);
          long pAt = byteOffset(master, from);
          long gAt = byteOffset(gradient, from);
          if (velocity == null) {
            UpdateLoops.sgd(p, pAt, g, gAt, n, coefficients);
          } else {
            long at = byteOffset(velocity, from);
            UpdateLoops.momentum(p, pAt, g, gAt, bytes(velocity), at, n, coefficients);
          }
        });
  }

  private interface Step {
    /** Steps n elements of the master from one of a range on, in a worker's thread. */
    void run(Range range, long from, int n, int worker);
  }

  private void forEachPiece(Tensor value, Tensor master, List<Range> ranges, Step step) {
    int tasks = 0;
    for (Range range : ranges) {
      tasks = Math.addExact(tasks, tasks(range));
    }
    boolean separate = !isSameMemory(value, master);
    device.workers().run(
        tasks,
        (task, worker) -> {
          int before = 0;
          int index = 0;
          while (before + tasks(ranges.get(index)) <= task) {
            before += tasks(ranges.get(index++));
          }
          Range range = ranges.get(index);
          long first = range.start() + (long) (task - before) * TASK;
          long end = Math.min(range.end(), first + TASK);
          for (long from = first; from < end; from += PIECE) {
            int n = (int) Math.min(PIECE, end - from);
            step.run(range, from, n, worker);
            if (separate) {
              convert(value, master, from, n, device.scratch(worker, 0, PIECE));
            }
          }
        });
  }

  private static void convert(Tensor value, Tensor master, long from, int n, float[] piece) {
    Lanes.load(piece, 0, bytes(master), DType.F32, master.offset() + from, n);
    Lanes.store(bytes(value), value.dtype(), value.offset() + from, piece, 0, n);
  }

  private static boolean isSameMemory(Tensor value, Tensor master) {
    return value.dtype() == master.dtype()
        && bytes(value).address() + byteOffset(value, 0)
            == bytes(master).address() + byteOffset(master, 0);
  }

  private static int tasks(Range range) {
    return tasks(range.end() - range.start());
  }

  private static int tasks(long size) {
    return Math.toIntExact((size + TASK - 1) / TASK);
  }

  private static long byteOffset(Tensor x, long element) {
    return (x.offset() + element) * Float.BYTES;
  }
}
