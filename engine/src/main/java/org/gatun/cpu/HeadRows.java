package org.gatun.cpu;

import static org.gatun.cpu.Tiles.AREA;
import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * The rows [T, HS] of one head of a view [B, NH, T, HS]. In arrays they lie as {@link Tiles}, each
 * of {@code SIDE} of the columns.
 */
record HeadRows(MemorySegment segment, DType dtype, long start, long stride, int size) {
  static HeadRows of(Tensor view, int batch, int head) {
    long start = view.offset() + batch * view.stride(0) + head * view.stride(1);
    return new HeadRows(
        CpuDevice.bytes(view), view.dtype(), start, view.stride(2), view.shape().dim(3));
  }

  /** Reads rows from {@code first} on. */
  void load(float[] tiles, int first, int rows) {
    if (size == SIDE && stride == SIDE) {
      Lanes.load(tiles, 0, segment, dtype, start + first * stride, rows * SIDE);
      return;
    }
    for (int from = 0, at = 0; from < size; from += SIDE, at += AREA) {
      int columns = Math.min(SIDE, size - from);
      for (int i = 0; i < rows; i++) {
        long element = start + (first + i) * stride + from;
        Lanes.load(tiles, at + i * SIDE, segment, dtype, element, columns);
      }
    }
  }

  /** Writes or adds rows, found in {@code tiles} at a position, from {@code first} on. */
  void store(boolean add, float[] tiles, int tilesAt, int first, int rows) {
    for (int from = 0, at = tilesAt; from < size; from += SIDE, at += AREA) {
      int columns = Math.min(SIDE, size - from);
      for (int i = 0; i < rows; i++) {
        long element = start + (first + i) * stride + from;
        Lanes.store(add, segment, dtype, element, tiles, at + i * SIDE, columns);
      }
    }
  }
}
