package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Look-ups by index and their transposes. */
final class CpuIndex implements Kernels.Index {
  /** Elements of one task. */
  private static final int TASK = 16 * 1024;

  /**
   * The fewest columns of a table a task adds to: all walk all indices, each in its own columns.
   */
  private static final int COLUMNS = 64;

  private final CpuDevice device;

  CpuIndex(CpuDevice device) {
    this.device = device;
  }

  /** Rows from one to before another. */
  @FunctionalInterface
  private interface Rows {
    void run(int from, int to, int worker);
  }

  private void split(long rows, int columns, Rows work) {
    int count = Math.toIntExact(rows);
    int group = Math.max(1, TASK / Math.max(1, columns));
    device
        .workers()
        .run(
            Math.ceilDiv(count, group),
            (task, worker) -> work.run(task * group, Math.min(count, (task + 1) * group), worker));
  }

  /** The indices, each checked. */
  private static int[] checked(String operation, Tensor indices, int bound, String what) {
    MemorySegment from = CpuDevice.bytes(indices);
    int[] values = new int[Math.toIntExact(indices.shape().size())];
    MemorySegment.copy(from, JAVA_INT, indices.offset() * Integer.BYTES, values, 0, values.length);
    for (int i = 0; i < values.length; i++) {
      if (values[i] < 0 || values[i] >= bound) {
        throw new IllegalArgumentException(
            operation
                + ": index "
                + values[i]
                + " at position "
                + i
                + " is outside of the "
                + what.formatted(bound));
      }
    }
    return values;
  }

  @Override
  public void embedding(Tensor y, Tensor table, Tensor indices) {
    int[] index = checked("embedding", indices, table.shape().dim(0), "table's %d rows");
    int columns = table.shape().dim(1);
    MemorySegment to = CpuDevice.bytes(y);
    MemorySegment from = CpuDevice.bytes(table);
    boolean plain = y.dtype() == table.dtype();
    long width = y.dtype().byteSize();
    split(
        index.length,
        columns,
        (first, end, worker) -> {
          float[] row = device.scratch(worker, 0, columns);
          for (int n = first; n < end; n++) {
            long source = table.offset() + (long) index[n] * columns;
            long target = y.offset() + (long) n * columns;
            if (plain) {
              MemorySegment.copy(from, source * width, to, target * width, columns * width);
            } else {
              Lanes.load(row, 0, from, table.dtype(), source, columns);
              Lanes.store(to, y.dtype(), target, row, 0, columns);
            }
          }
        });
  }

  @Override
  public void embeddingBackward(Sink dtable, Tensor dy, Tensor indices) {
    Tensor into = dtable.into();
    int columns = into.shape().dim(1);
    int[] index = checked("embeddingBackward", indices, into.shape().dim(0), "table's %d rows");
    clearUnlessAdded(dtable);
    MemorySegment to = CpuDevice.bytes(into);
    MemorySegment from = CpuDevice.bytes(dy);
    // An element is summed in the order of n however the columns are shared out.
    int share = Math.max(COLUMNS, Math.ceilDiv(columns, device.workers().threads()));
    device
        .workers()
        .run(
            Math.ceilDiv(columns, share),
            (task, worker) -> {
              float[] row = device.scratch(worker, 0, share);
              int column = task * share;
              int width = Math.min(share, columns - column);
              for (int n = 0; n < index.length; n++) {
                long source = dy.offset() + (long) n * columns + column;
                long target = into.offset() + (long) index[n] * columns + column;
                Lanes.load(row, 0, from, dy.dtype(), source, width);
                Lanes.storeAdd(to, into.dtype(), target, row, 0, width);
              }
            });
  }

  @Override
  public void gather(Tensor y, Tensor x, Tensor indices) {
    int columns = x.shape().dim(-1);
    int width = y.shape().dim(-1);
    int[] index = checked("gather", indices, columns, "rows' %d elements");
    MemorySegment to = CpuDevice.bytes(y);
    MemorySegment from = CpuDevice.bytes(x);
    split(
        rows(y),
        width,
        (first, end, _) -> {
          for (int n = first; n < end; n++) {
            for (int j = n * width; j < (n + 1) * width; j++) {
              long source = x.offset() + (long) n * columns + index[j];
              Lanes.set(to, y.dtype(), y.offset() + j, Lanes.get(from, x.dtype(), source));
            }
          }
        });
  }

  @Override
  public void gatherBackward(Sink dx, Tensor dy, Tensor indices) {
    Tensor into = dx.into();
    int columns = into.shape().dim(-1);
    int width = dy.shape().dim(-1);
    int[] index = checked("gatherBackward", indices, columns, "rows' %d elements");
    clearUnlessAdded(dx);
    MemorySegment to = CpuDevice.bytes(into);
    MemorySegment from = CpuDevice.bytes(dy);
    DType type = into.dtype();
    split(
        rows(dy),
        width,
        (first, end, _) -> {
          for (int n = first; n < end; n++) {
            for (int j = n * width; j < (n + 1) * width; j++) {
              long target = into.offset() + (long) n * columns + index[j];
              float value = Lanes.get(from, dy.dtype(), dy.offset() + j);
              Lanes.set(to, type, target, Lanes.get(to, type, target) + value);
            }
          }
        });
  }

  @Override
  public void oneHot(Tensor y, Tensor indices) {
    int columns = y.shape().dim(-1);
    int[] index = checked("oneHot", indices, columns, "%d classes");
    clearUnlessAdded(Sink.of(y));
    MemorySegment to = CpuDevice.bytes(y);
    for (int n = 0; n < index.length; n++) {
      Lanes.set(to, y.dtype(), y.offset() + (long) n * columns + index[n], 1f);
    }
  }

  private static long rows(Tensor x) {
    int width = x.shape().dim(-1);
    return width == 0 ? 0 : x.shape().size() / width;
  }

  private void clearUnlessAdded(Sink sink) {
    if (!sink.add()) {
      device.kernels().pointwise().fill(sink.into(), 0f);
    }
  }
}
