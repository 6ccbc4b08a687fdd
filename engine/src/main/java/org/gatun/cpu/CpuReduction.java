package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Sums and extremes. Within a chunk sums are F32, one a lane; chunks are brought together in
 * double. Tasks are cut by shape alone, so results do not depend on the number of threads.
 */
final class CpuReduction implements Kernels.Reduction {
  private static final int CHUNK = 1024;

  /** Elements of one task. */
  private static final int TASK = 16 * 1024;

  /** Columns summed together: their partial sums stay in the first-level cache. */
  private static final int COLUMNS = 512;

  /** Rows summed in F32 before they are added to a sum in double. */
  private static final int BLOCK = 32;

  private final CpuDevice device;
  private double[] partial = {};

  CpuReduction(CpuDevice device) {
    this.device = device;
  }

  @Override
  public void reduce(Sink y, Combine combine, Tensor x, int... axes) {
    int[] kept =
        IntStream.range(0, x.shape().rank())
            .filter(axis -> Arrays.binarySearch(axes, axis) < 0)
            .toArray();
    long outputs = product(x, kept);
    long depth = product(x, axes);
    if (outputs == 0) {
      return;
    }
    int fastest = fastest(x);
    if (depth > 1 && kept.length > 0 && fastest == kept[kept.length - 1]) {
      int inner = x.shape().dim(fastest);
      int[] order = concat(Arrays.copyOf(kept, kept.length - 1), concat(axes, fastest));
      reduceColumns(y, combine, HostView.permuted(x, order), outputs / inner, depth, inner);
    } else {
      reduceRows(y, combine, HostView.permuted(x, concat(kept, axes)), outputs, depth);
    }
  }

  private static long product(Tensor x, int... axes) {
    long product = 1;
    for (int axis : axes) {
      product *= x.shape().dim(axis);
    }
    return product;
  }

  private static int[] concat(int[] a, int... b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  /** The axis along which elements lie closest together; -1 if there is none of two or more. */
  private static int fastest(Tensor x) {
    int fastest = -1;
    for (int axis = 0; axis < x.shape().rank(); axis++) {
      boolean moves = x.shape().dim(axis) > 1 && x.stride(axis) > 0;
      if (moves && (fastest < 0 || x.stride(axis) < x.stride(fastest))) {
        fastest = axis;
      }
    }
    return fastest;
  }

  // Rows: the elements of one output follow each other.

  private void reduceRows(Sink y, Combine combine, HostView x, long outputs, long depth) {
    if (depth > TASK) {
      reduceLongRows(y, combine, x, outputs, depth);
      return;
    }
    int rows = (int) Math.min(outputs, Math.max(1, TASK / Math.max(1, depth)));
    device
        .workers()
        .run(
            Math.toIntExact(Math.ceilDiv(outputs, rows)),
            (task, worker) -> {
              long from = (long) task * rows;
              int count = (int) Math.min(rows, outputs - from);
              float[] values = device.scratch(worker, 0, TASK);
              float[] results = device.scratch(worker, 1, TASK);
              x.load(values, 0, from * depth, (int) (count * depth));
              for (int i = 0; i < count; i++) {
                results[i] = (float) combined(combine, values, (int) (i * depth), (int) depth);
              }
              store(y, results, from, count);
            });
  }

  private void reduceLongRows(Sink y, Combine combine, HostView x, long outputs, long depth) {
    int pieces = Math.toIntExact(Math.ceilDiv(depth, TASK));
    double[] sums = partial(Math.multiplyExact(pieces, Math.toIntExact(outputs)));
    device
        .workers()
        .run(
            pieces * (int) outputs,
            (task, worker) -> {
              long start = (long) (task % pieces) * TASK;
              int n = (int) Math.min(TASK, depth - start);
              float[] values = device.scratch(worker, 0, TASK);
              double sum = nothing(combine);
              for (int i = 0; i < n; i += CHUNK) {
                int count = Math.min(CHUNK, n - i);
                x.load(values, 0, task / pieces * depth + start + i, count);
                sum = combine(combine, sum, combined(combine, values, 0, count));
              }
              sums[task] = sum;
            });
    float[] results = new float[(int) outputs];
    for (int i = 0; i < outputs; i++) {
      double sum = nothing(combine);
      for (int piece = 0; piece < pieces; piece++) {
        sum = combine(combine, sum, sums[i * pieces + piece]);
      }
      results[i] = (float) sum;
    }
    device.workers().run(1, (_, _) -> store(y, results, 0, (int) outputs));
  }

  /** Elements of an array brought together, a chunk at a time. */
  private static double combined(Combine combine, float[] x, int at, int n) {
    double result = nothing(combine);
    for (int i = 0; i < n; i += CHUNK) {
      int count = Math.min(CHUNK, n - i);
      result =
          combine(
              combine,
              result,
              switch (combine) {
                case SUM -> Lanes.sum(x, at + i, count);
                case MAX -> Lanes.max(x, at + i, count);
                case MIN -> Lanes.min(x, at + i, count);
              });
    }
    return result;
  }

  private static double nothing(Combine combine) {
    return switch (combine) {
      case SUM -> 0;
      case MAX -> Double.NEGATIVE_INFINITY;
      case MIN -> Double.POSITIVE_INFINITY;
    };
  }

  private static double combine(Combine combine, double a, double b) {
    return switch (combine) {
      case SUM -> a + b;
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
    };
  }

  private static void store(Sink y, float[] results, long from, int n) {
    Tensor into = y.into();
    Lanes.store(y.add(), CpuDevice.bytes(into), into.dtype(), into.offset() + from, results, 0, n);
  }

  // Columns: neighbours in memory belong to different outputs.

  /** x is [outer, depth, inner]. */
  private void reduceColumns(
      Sink y, Combine combine, HostView x, long outer, long depth, int inner) {
    int tiles = Math.ceilDiv(inner, COLUMNS);
    int rows = rowsOfTask(depth, inner);
    int pieces = Math.toIntExact(Math.ceilDiv(depth, rows));
    long outputs = outer * inner;
    double[] sums = partial(pieces == 1 ? 0 : Math.toIntExact(pieces * outputs));
    device
        .workers()
        .run(
            Math.toIntExact(outer * tiles * pieces),
            (task, worker) -> {
              int column = task % tiles * COLUMNS;
              int piece = task / tiles % pieces;
              long slab = task / tiles / pieces;
              long first = slab * depth + (long) piece * rows;
              int count = (int) Math.min(rows, depth - (long) piece * rows);
              int columns = Math.min(COLUMNS, inner - column);
              long output = slab * inner + column;
              if (pieces == 1) {
                var own = new double[columns];
                columns(combine, own, 0, x, first, count, inner, column, columns, worker);
                finish(y, combine, own, 1, output, columns);
              } else {
                int at = (int) (piece * outputs + output);
                columns(combine, sums, at, x, first, count, inner, column, columns, worker);
              }
            });
    if (pieces > 1) {
      device.workers().run(1, (_, _) -> finish(y, combine, sums, pieces, 0, (int) outputs));
    }
  }

  /** By shape alone: about a task's worth of elements, and not more than 16 pieces to keep. */
  private static int rowsOfTask(long depth, int inner) {
    long rows = Math.max(TASK / Math.min(inner, COLUMNS), Math.ceilDiv(depth, 16));
    return (int) Math.min(depth, Math.ceilDiv(rows, BLOCK) * BLOCK);
  }

  private void columns(
      Combine combine,
      double[] sums,
      int at,
      HostView x,
      long first,
      int rows,
      int inner,
      int column,
      int columns,
      int worker) {
    float[] row = device.scratch(worker, 0, COLUMNS);
    float[] block = device.scratch(worker, 1, COLUMNS);
    Arrays.fill(sums, at, at + columns, nothing(combine));
    for (int i = 0; i < rows; i += BLOCK) {
      x.load(block, 0, (first + i) * inner + column, columns);
      int end = Math.min(rows, i + BLOCK);
      if (combine == Combine.SUM) {
        x.addRows(block, (first + i + 1) * inner + column, inner, end - i - 1, columns);
      }
      for (int k = i + 1; combine != Combine.SUM && k < end; k++) {
        x.load(row, 0, (first + k) * inner + column, columns);
        choose(combine, block, row, columns);
      }
      for (int j = 0; j < columns; j++) {
        sums[at + j] = combine(combine, sums[at + j], block[j]);
      }
    }
  }

  private static void choose(Combine combine, float[] y, float[] x, int n) {
    for (int j = 0; j < n; j++) {
      y[j] = combine == Combine.MAX ? Math.max(y[j], x[j]) : Math.min(y[j], x[j]);
    }
  }

  /** Brings pieces of {@code outputs} sums each together and stores them from an output on. */
  private static void finish(
      Sink y, Combine combine, double[] sums, int pieces, long first, int outputs) {
    float[] results = new float[Math.min(outputs, TASK)];
    for (int from = 0; from < outputs; from += TASK) {
      int n = Math.min(TASK, outputs - from);
      for (int j = 0; j < n; j++) {
        double sum = sums[from + j];
        for (int piece = 1; piece < pieces; piece++) {
          sum = combine(combine, sum, sums[piece * outputs + from + j]);
        }
        results[j] = (float) sum;
      }
      store(y, results, first + from, n);
    }
  }

  private double[] partial(int length) {
    if (partial.length < length) {
      partial = new double[length];
    }
    return partial;
  }

  @Override
  public void argMax(Tensor y, Tensor x) {
    int columns = x.shape().dim(-1);
    int rows = Math.toIntExact(y.shape().size());
    HostView from = HostView.of(x);
    MemorySegment to = CpuDevice.bytes(y);
    int group = Math.max(1, TASK / columns);
    device
        .workers()
        .run(
            Math.ceilDiv(rows, group),
            (task, worker) -> {
              float[] values = device.scratch(worker, 0, columns);
              for (int row = task * group; row < Math.min(rows, (task + 1) * group); row++) {
                from.load(values, 0, (long) row * columns, columns);
                to.setAtIndex(JAVA_INT, y.offset() + row, first(values, columns));
              }
            });
  }

  /** The first of the largest; a NaN counts as larger than all. */
  private static int first(float[] x, int n) {
    float max = Lanes.max(x, 0, n);
    int i = 0;
    while (x[i] != max && (max == max || x[i] == x[i])) {
      i++;
    }
    return i;
  }
}
