package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * A tensor's elements by their place in row-major order, wherever they lie in memory. Dimensions
 * that can be walked as one are one.
 */
final class HostView {
  private final MemorySegment segment;
  private final DType dtype;
  private final long offset;
  private final long size;
  private final int rank;
  private final long[] dims;
  private final long[] strides;

  private HostView(Tensor x, DType dtype, int[] order) {
    segment = CpuDevice.bytes(x);
    offset = x.offset();
    size = x.shape().size();
    this.dtype = dtype;
    dims = new long[Math.max(1, order.length)];
    strides = new long[dims.length];
    dims[0] = 1;
    strides[0] = 1;
    int last = 0;
    for (int axis : order) {
      long dim = x.shape().dim(axis);
      long stride = x.stride(axis);
      if (dims[last] == 1) {
        dims[last] = dim;
        strides[last] = dim == 1 ? 1 : stride;
      } else if (dim != 1 && strides[last] == stride * dim) {
        dims[last] *= dim;
        strides[last] = stride;
      } else if (dim != 1) {
        last++;
        dims[last] = dim;
        strides[last] = stride;
      }
    }
    rank = last + 1;
  }

  /** All elements of a tensor. */
  static HostView of(Tensor x) {
    return as(x, x.dtype());
  }

  /** All elements of a tensor, their bits taken for another type's of the same size. */
  static HostView as(Tensor x, DType dtype) {
    int[] order = new int[x.shape().rank()];
    Arrays.setAll(order, axis -> axis);
    return new HostView(x, dtype, order);
  }

  /** All elements of a tensor with its axes in another order. */
  static HostView permuted(Tensor x, int... order) {
    return new HostView(x, x.dtype(), order);
  }

  long size() {
    return size;
  }

  /** Whether the elements lie side by side. */
  boolean isContiguous() {
    return rank == 1 && strides[0] == 1;
  }

  /** Whether there is one element, seen in every place. */
  boolean isUniform() {
    return rank == 1 && (strides[0] == 0 || size == 1);
  }

  /** Reads n elements as floats. */
  void load(float[] into, int at, long position, int n) {
    if (n == 0) {
      return;
    }
    long inner = dims[rank - 1];
    long stride = strides[rank - 1];
    if (rank == 1) {
      loadRow(into, at, offset + position * stride, stride, n);
      return;
    }
    long row = position / inner;
    long column = position - row * inner;
    for (int done = 0; done < n; row++) {
      int count = (int) Math.min(n - done, inner - column);
      loadRow(into, at + done, start(row) + column * stride, stride, count);
      done += count;
      column = 0;
    }
  }

  /** y += n elements from a position on, then from {@code step} later, and so on: so many times. */
  void addRows(float[] y, long position, int step, int rows, int n) {
    boolean regular = rank == 1 || rank == 2 && step == dims[1];
    if (X86Pass.AVAILABLE && dtype == DType.F32 && regular && strides[rank - 1] == 1) {
      long distance = rank == 1 ? step : strides[0];
      Rows sum = Rows.of(y, 0);
      Rows added = Rows.of(segment, element(position) * Float.BYTES, distance * Float.BYTES);
      X86Pass.ADD.runRows(rows, n, sum, added, sum);
      return;
    }
    for (int i = 0; i < rows; i++) {
      addTo(y, position + (long) i * step, n);
    }
  }

  /** y += n elements of one innermost row. */
  private void addTo(float[] y, long position, int n) {
    long stride = strides[rank - 1];
    long element = element(position);
    if (stride == 1) {
      Lanes.addElements(y, 0, segment, dtype, element, n);
      return;
    }
    for (int i = 0; i < n; i++) {
      y[i] += Lanes.get(segment, dtype, element + i * stride);
    }
  }

  private long element(long position) {
    long inner = dims[rank - 1];
    long row = rank == 1 ? 0 : position / inner;
    return (rank == 1 ? offset : start(row)) + (position - row * inner) * strides[rank - 1];
  }

  /** Writes n floats as elements, or adds them. */
  void store(boolean add, float[] from, int at, long position, int n) {
    if (n == 0) {
      return;
    }
    long inner = dims[rank - 1];
    long stride = strides[rank - 1];
    if (rank == 1) {
      storeRow(add, from, at, offset + position * stride, stride, n);
      return;
    }
    long row = position / inner;
    long column = position - row * inner;
    for (int done = 0; done < n; row++) {
      int count = (int) Math.min(n - done, inner - column);
      storeRow(add, from, at + done, start(row) + column * stride, stride, count);
      done += count;
      column = 0;
    }
  }

  /** The place of a row of innermost elements. */
  private long start(long row) {
    long place = offset;
    for (int axis = rank - 2; axis > 0; axis--) {
      long outer = row / dims[axis];
      place += (row - outer * dims[axis]) * strides[axis];
      row = outer;
    }
    return place + row * strides[0];
  }

  private void loadRow(float[] into, int at, long element, long stride, int n) {
    if (stride == 1) {
      Lanes.load(into, at, segment, dtype, element, n);
    } else if (stride == 0) {
      Arrays.fill(into, at, at + n, Lanes.get(segment, dtype, element));
    } else {
      switch (dtype) {
        case F32 -> {
          for (int i = 0; i < n; i++) {
            into[at + i] = segment.getAtIndex(JAVA_FLOAT, element + i * stride);
          }
        }
        case BF16 -> {
          for (int i = 0; i < n; i++) {
            into[at + i] = Bf16.toFloat(segment.getAtIndex(JAVA_SHORT, element + i * stride));
          }
        }
        case I32 -> {
          for (int i = 0; i < n; i++) {
            into[at + i] = Lanes.get(segment, DType.I32, element + i * stride);
          }
        }
      }
    }
  }

  private void storeRow(boolean add, float[] from, int at, long element, long stride, int n) {
    if (stride == 1) {
      Lanes.store(add, segment, dtype, element, from, at, n);
      return;
    }
    for (int i = 0; i < n; i++) {
      long place = element + i * stride;
      float value = from[at + i];
      Lanes.set(segment, dtype, place, add ? Lanes.get(segment, dtype, place) + value : value);
    }
  }
}
