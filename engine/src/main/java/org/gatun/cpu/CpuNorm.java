package org.gatun.cpu;

import static org.gatun.cpu.CpuDevice.bytes;

import java.util.Arrays;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Row normalisations. A row is brought into an array once and passed over there, or, by machine code, some rows where
 * they are: two passes for its statistics cost little beside reading it, and do not cancel as a sum of squares would.
 */
final class CpuNorm implements Kernels.Norm {
  /** Elements a forward task takes on, some ten microseconds' worth. */
  private static final int TASK = 16_384;

  /**
   * Rows whose contributions to the gradients of weight and bias are summed by one task, at least.
   */
  private static final int GROUP = 32;

  /** The most such groups: one thread brings their sums together. */
  private static final int MAX_GROUPS = 64;

  // Scratch: rows in work are each worker's own, the rest is worker 0's and read by all.
  private static final int ROW = 0;
  private static final int OTHER_ROW = 1;
  private static final int WEIGHT = 2;
  private static final int BIAS = 3;
  private static final int PARTIAL = 4;
  private static final int NUMBERS = 5;

  /** What machine code is told of a row, and tells. */
  private static final int ROW_NUMBERS = 4;

  private final CpuDevice device;

  CpuNorm(CpuDevice device) {
    this.device = device;
  }

  @Override
  public void layerNorm(
      Tensor y, Tensor mean, Tensor rstd, Tensor x, Tensor weight, Tensor bias, float eps) {
    forward(null, y, mean, rstd, x, null, weight, bias, eps);
  }

  @Override
  public void addLayerNorm(
      Tensor sum, Tensor y, Tensor mean, Tensor rstd, Tensor a, Tensor b, Tensor weight,
      Tensor bias,
      float eps) {
    forward(sum, y, mean, rstd, a, b, weight, bias, eps);
  }

  @Override
  public void layerNormBackward(
      Sink dx, Sink dweight, Sink dbias, Tensor dy, Tensor carried, Tensor x, Tensor weight,
      Tensor mean, Tensor rstd) {
    backward(dx, dweight, dbias, dy, carried, x, weight, mean, rstd);
  }

  @Override
  public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps) {
    forward(null, y, null, rstd, x, null, weight, null, eps);
  }

  @Override
  public void rmsNormBackward(
      Sink dx, Sink dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd) {
    backward(dx, dweight, null, dy, null, x, weight, null, rstd);
  }

  /**
   * {@code b}, null for none, is added to {@code a} first; without {@code mean} rows stay
   * uncentred.
   */
  private void forward(
      Tensor sum, Tensor y, Tensor mean, Tensor rstd, Tensor a, Tensor b, Tensor weight,
      Tensor bias,
      float eps) {
    int size = a.shape().dim(-1);
    int rows = a.shape().rows();
    int rowsPerTask = Math.max(1, TASK / Math.max(1, size));
    float[] weights = shared(WEIGHT, weight, size);
    float[] biases = shared(BIAS, bias, size);
    boolean inPlace = isF32(a, b, sum, y);
    device.workers().run(
        (rows + rowsPerTask - 1) / rowsPerTask,
        (task, worker) -> {
          int end = Math.min(rows, (task + 1) * rowsPerTask);
          if (inPlace) {
            forwardInPlace(sum, y, mean, rstd, a, b, weights, biases, eps, task * rowsPerTask, end, worker);
            return;
          }
          float[] row = device.scratch(worker, ROW, size);
          for (int n = task * rowsPerTask; n < end; n++) {
            load(row, a, n, size);
            if (b != null) {
              addInto(row, sum, b, n, size, device.scratch(worker, OTHER_ROW, size));
            }
            float deviation = normalize(row, size, mean, n, eps);
            set(rstd, n, deviation);
            NormLoops.affine(row, size, deviation, weights, biases);
            Lanes.store(bytes(y), y.dtype(), y.offset() + (long) n * size, row, 0, size);
          }
        });
  }

  /** Whether rows can be passed over where they are. */
  private static boolean isF32(Tensor... tensors) {
    return X86Pass.AVAILABLE && Arrays.stream(tensors).allMatch(x -> x == null || x.dtype() == DType.F32);
  }

  /** Rows from one to before another, all at a time. */
  private void forwardInPlace(
      Tensor sum, Tensor y, Tensor mean, Tensor rstd, Tensor a, Tensor b, float[] weights, float[] biases, float eps,
      int first, int end, int worker) {
    int size = a.shape().dim(-1);
    int rows = end - first;
    Rows x = rows(a, first, size);
    if (b != null) {
      Rows both = rows(sum, first, size);
      X86Pass.ADD.run((long) rows * size, x, rows(b, first, size), both);
      x = both;
    }
    float[] numbers = device.scratch(worker, NUMBERS, rows * ROW_NUMBERS);
    Rows each = Rows.of(numbers, 0, ROW_NUMBERS);
    if (mean != null) {
      X86Pass.NORM_MEAN.runRows(rows, size, x, each);
    }
    for (int i = 0; i < rows; i++) {
      int at = i * ROW_NUMBERS;
      numbers[at] = mean == null ? 0 : numbers[at] / size;
      if (mean != null) {
        set(mean, first + i, numbers[at]);
      }
    }
    X86Pass.NORM_DEVIATION.runRows(rows, size, x, each);
    for (int i = 0; i < rows; i++) {
      int at = i * ROW_NUMBERS + 1;
      numbers[at] = reciprocalDeviation(numbers[at], size, eps);
      set(rstd, first + i, numbers[at]);
    }
    X86Pass.NORMALIZE.runRows(rows, size, x, Rows.of(weights, 0), Rows.of(biases, 0), rows(y, first, size), each);
  }

  private static Rows rows(Tensor x, int first, int size) {
    return Rows.of(bytes(x), (x.offset() + (long) first * size) * Float.BYTES, (long) size * Float.BYTES);
  }

  private static float reciprocalDeviation(double squares, int size, float eps) {
    return (float) (1 / Math.sqrt(squares / size + eps));
  }

  /** row += b's row, kept in {@code sum}; goes on with the sum as its type has rounded it. */
  private static void addInto(float[] row, Tensor sum, Tensor b, int n, int size, float[] other) {
    load(other, b, n, size);
    NormLoops.add(row, other, size);
    Lanes.store(bytes(sum), sum.dtype(), sum.offset() + (long) n * size, row, 0, size);
    if (sum.dtype() != DType.F32) {
      load(row, sum, n, size);
    }
  }

  /** Centres the row if a mean is wanted, and returns the reciprocal of its standard deviation. */
  private static float normalize(float[] row, int size, Tensor mean, int n, float eps) {
    double squares;
    if (mean == null) {
      squares = Lanes.dot(row, 0, row, 0, size);
    } else {
      float average = Lanes.sum(row, 0, size) / size;
      set(mean, n, average);
      squares = NormLoops.center(row, size, average);
    }
    return reciprocalDeviation(squares, size, eps);
  }

  private void backward(
      Sink dx, Sink dweight, Sink dbias, Tensor dy, Tensor carried, Tensor x, Tensor weight,
      Tensor mean, Tensor rstd) {
    int size = x.shape().dim(-1);
    int rows = x.shape().rows();
    int groups = Math.min(MAX_GROUPS, (rows + GROUP - 1) / GROUP);
    float[] weights = shared(WEIGHT, weight, size);
    float[] partial = device.scratch(0, PARTIAL, Math.max(1, 2 * groups) * size);
    boolean inPlace = isF32(dy, carried, x, dx == null ? null : dx.into());
    device.workers().run(
        groups,
        (group, worker) -> {
          int weightAt = 2 * group * size;
          Arrays.fill(partial, weightAt, weightAt + 2 * size, 0);
          int first = (int) ((long) rows * group / groups);
          int end = (int) ((long) rows * (group + 1) / groups);
          if (inPlace) {
            int slice = Math.max(1, TASK / Math.max(1, size));
            for (int n = first; n < end; n += slice) {
              int last = Math.min(end, n + slice);
              backwardInPlace(dx, partial, weightAt, dy, carried, x, weights, mean, rstd, n, last, worker);
            }
            return;
          }
          float[] normed = device.scratch(worker, ROW, size);
          float[] gradient = device.scratch(worker, OTHER_ROW, size);
          for (int n = first; n < end; n++) {
            load(normed, x, n, size);
            load(gradient, dy, n, size);
            float deviation = get(rstd, n);
            NormLoops.standardize(normed, size, mean == null ? 0 : get(mean, n), deviation);
            NormLoops.addParameters(partial, weightAt, gradient, normed, size);
            if (dx != null) {
              NormLoops.differentiate(gradient, normed, weights, size, deviation, mean != null);
              if (carried != null) {
                load(normed, carried, n, size);
                NormLoops.add(gradient, normed, size);
              }
              store(dx, (long) n * size, gradient, size);
            }
          }
        });
    device.workers().run(1, (_, _) -> {
      combine(dweight, partial, 0, groups, size);
      combine(dbias, partial, size, groups, size);
    });
  }

  /** Rows from one to before another, all at a time; dx is neither dy nor x if it is added to beside what is carried. */
  private void backwardInPlace(
      Sink dx, float[] partial, int weightAt, Tensor dy, Tensor carried, Tensor x, float[] weights, Tensor mean,
      Tensor rstd, int first, int end, int worker) {
    int size = x.shape().dim(-1);
    int rows = end - first;
    float[] numbers = device.scratch(worker, NUMBERS, rows * ROW_NUMBERS);
    for (int i = 0; i < rows; i++) {
      numbers[i * ROW_NUMBERS] = mean == null ? 0 : get(mean, first + i);
      numbers[i * ROW_NUMBERS + 1] = get(rstd, first + i);
    }
    Rows each = Rows.of(numbers, 0, ROW_NUMBERS);
    Rows weight = Rows.of(weights, 0);
    Rows from = rows(dy, first, size);
    Rows input = rows(x, first, size);
    X86Pass.NORM_SUMS.runRows(
        rows, size, from, input, weight, Rows.of(partial, weightAt), Rows.of(partial, weightAt + size), each);
    if (dx == null) {
      return;
    }
    for (int i = 0; i < rows; i++) {
      int at = i * ROW_NUMBERS + 2;
      numbers[at] = mean == null ? 0 : numbers[at] / size;
      numbers[at + 1] /= size;
    }
    Rows to = rows(dx.into(), first, size);
    Rows kept = carried != null ? rows(carried, first, size) : dx.add() ? to : zeros(worker, size);
    if (dx.add() && carried != null) {
      X86Pass.ADD.run((long) rows * size, to, kept, to);
      kept = to;
    }
    X86Pass.NORM_GRADIENT.runRows(rows, size, from, input, weight, kept, to, each);
  }

  private Rows zeros(int worker, int size) {
    float[] row = device.scratch(worker, ROW, size);
    Arrays.fill(row, 0, size, 0);
    return Rows.of(row, 0);
  }

  /** Adds up what the groups found, in their order. */
  private void combine(Sink sink, float[] partial, int at, int groups, int size) {
    if (sink == null) {
      return;
    }
    float[] total = device.scratch(0, ROW, size);
    Arrays.fill(total, 0, size, 0);
    for (int group = 0; group < groups; group++) {
      Lanes.axpy(total, 0, 1, partial, 2 * group * size + at, size);
    }
    store(sink, 0, total, size);
  }

  private float[] shared(int slot, Tensor parameter, int size) {
    float[] values = device.scratch(0, slot, size);
    if (parameter == null) {
      Arrays.fill(values, 0, size, 0);
    } else {
      load(values, parameter, 0, size);
    }
    return values;
  }

  private static void load(float[] row, Tensor x, int n, int size) {
    Lanes.load(row, 0, bytes(x), x.dtype(), x.offset() + (long) n * size, size);
  }

  private static void store(Sink sink, long element, float[] row, int size) {
    Tensor into = sink.into();
    Lanes.store(sink.add(), bytes(into), into.dtype(), into.offset() + element, row, 0, size);
  }

  private static float get(Tensor statistic, int n) {
    return Lanes.get(bytes(statistic), DType.F32, statistic.offset() + n);
  }

  private static void set(Tensor statistic, int n, float value) {
    Lanes.set(bytes(statistic), DType.F32, statistic.offset() + n, value);
  }
}
