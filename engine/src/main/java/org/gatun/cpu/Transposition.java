package org.gatun.cpu;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * A copy whose source and target run along different axes: tile by tile, so that of each cache line
 * fetched on either side all is used before it is lost.
 *
 * @param across the axis along which the target's elements are neighbours
 * @param down the axis along which the source's are
 */
record Transposition(Tensor y, Tensor x, int across, int down) {
  private static final int SIDE = 64;

  /** Whether there is an axis for each side, both long enough to matter. */
  static boolean fits(Tensor y, Tensor x) {
    int across = unitAxis(y);
    int down = unitAxis(x);
    return across >= 0
        && down >= 0
        && across != down
        && y.shape().dim(across) >= 8
        && y.shape().dim(down) >= 8;
  }

  static Transposition of(Tensor y, Tensor x) {
    return new Transposition(y, x, unitAxis(y), unitAxis(x));
  }

  private static int unitAxis(Tensor x) {
    for (int axis = x.shape().rank() - 1; axis >= 0; axis--) {
      if (x.shape().dim(axis) > 1 && x.stride(axis) == 1) {
        return axis;
      }
    }
    return -1;
  }

  /** Copies, converting between the two types. */
  void run(CpuDevice device) {
    int strips = Math.ceilDiv(y.shape().dim(down), SIDE);
    long others = y.shape().size() / y.shape().dim(across) / y.shape().dim(down);
    boolean bits = y.dtype() == DType.I32 && x.dtype() == DType.I32;
    DType yType = bits ? DType.F32 : y.dtype();
    DType xType = bits ? DType.F32 : x.dtype();
    device
        .workers()
        .run(
            Math.toIntExact(others * strips),
            (task, worker) -> strip(device, worker, task / strips, task % strips * SIDE, yType, xType));
  }

  /** One strip of target rows, all across. */
  private void strip(CpuDevice device, int worker, int other, int row, DType yType, DType xType) {
    float[] read = device.scratch(worker, 0, SIDE * SIDE);
    float[] turned = device.scratch(worker, 1, SIDE);
    MemorySegment to = CpuDevice.bytes(y);
    MemorySegment from = CpuDevice.bytes(x);
    long yStart = start(y, other) + row * y.stride(down);
    long xStart = start(x, other) + row;
    int rows = Math.min(SIDE, y.shape().dim(down) - row);
    int width = y.shape().dim(across);
    for (int column = 0; column < width; column += SIDE) {
      int columns = Math.min(SIDE, width - column);
      for (int j = 0; j < columns; j++) {
        Lanes.load(read, j * SIDE, from, xType, xStart + (column + j) * x.stride(across), rows);
      }
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          turned[j] = read[j * SIDE + i];
        }
        Lanes.store(to, yType, yStart + i * y.stride(down) + column, turned, 0, columns);
      }
    }
  }

  /** The first element of the matrix with a number, counted over the other axes. */
  private long start(Tensor tensor, long other) {
    long place = tensor.offset();
    for (int axis = y.shape().rank() - 1; axis >= 0; axis--) {
      if (axis != across && axis != down) {
        place += other % y.shape().dim(axis) * tensor.stride(axis);
        other /= y.shape().dim(axis);
      }
    }
    return place;
  }
}
