package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;
import static org.gatun.cpu.Tiles.AREA;
import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * The rows [T, HS] of one head of a view [B, NH, T, HS]. In arrays they lie as {@link Tiles}, each
 * of {@code SIDE} of the columns.
 */
record HeadRows(MemorySegment segment, DType dtype, long start, long stride, int size) {
  private static final int LANES = SPECIES.length();
  private static final X86Kernels CODE = X86Kernels.orNull();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

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
      int whole = dtype == DType.F32 ? SPECIES.loopBound(columns) : 0;
      if (CODE != null && whole > 0 && rows > 0) {
        long place = (start + first * stride + from) * Float.BYTES;
        CODE.copy(Rows.of(segment, place, stride * Float.BYTES), rows, whole, Rows.of(tiles, at, SIDE));
      }
      for (int j = 0; CODE == null && j < whole; j += LANES) {
        loadVectors(tiles, at + j, segment, start + first * stride + from + j, stride, rows);
      }
      for (int i = 0; whole < columns && i < rows; i++) {
        long element = start + (first + i) * stride + from + whole;
        Lanes.load(tiles, at + i * SIDE + whole, segment, dtype, element, columns - whole);
      }
    }
  }

  /** Writes or adds rows, found in {@code tiles} at a position, from {@code first} on. */
  void store(boolean add, float[] tiles, int tilesAt, int first, int rows) {
    for (int from = 0, at = tilesAt; from < size; from += SIDE, at += AREA) {
      int columns = Math.min(SIDE, size - from);
      int whole = dtype == DType.F32 && !add ? SPECIES.loopBound(columns) : 0;
      if (CODE != null && whole > 0 && rows > 0) {
        long place = (start + first * stride + from) * Float.BYTES;
        CODE.copy(Rows.of(tiles, at, SIDE), rows, whole, Rows.of(segment, place, stride * Float.BYTES));
      }
      for (int j = 0; CODE == null && j < whole; j += LANES) {
        storeVectors(segment, start + first * stride + from + j, stride, tiles, at + j, rows);
      }
      for (int i = 0; whole < columns && i < rows; i++) {
        long element = start + (first + i) * stride + from + whole;
        Lanes.store(add, segment, dtype, element, tiles, at + i * SIDE + whole, columns - whole);
      }
    }
  }

  // The rows of a head are short: a call for each would cost more than the copy.

  private static void loadVectors(float[] tiles, int at, MemorySegment source, long element, long stride, int rows) {
    for (int i = 0; i < rows; i++) {
      FloatVector.fromMemorySegment(SPECIES, source, element * Float.BYTES, ORDER).intoArray(tiles, at);
      element += stride;
      at += SIDE;
    }
  }

  private static void storeVectors(MemorySegment target, long element, long stride, float[] tiles, int at, int rows) {
    for (int i = 0; i < rows; i++) {
      FloatVector.fromArray(SPECIES, tiles, at).intoMemorySegment(target, element * Float.BYTES, ORDER);
      element += stride;
      at += SIDE;
    }
  }
}
