package org.gatun.cpu;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.DType;

/**
 * [batch,] rows x columns elements of a segment, native order; one of the inner strides is one.
 *
 * @param offset the first element, counted in elements
 * @param batchStride elements from one matrix to the next; zero repeats the same one
 */
record Matrix(
    MemorySegment bytes, DType dtype, long offset,
    int rows, int columns, long rowStride, long columnStride, long batchStride) {
  /** A row-major matrix without gaps. */
  static Matrix of(MemorySegment bytes, DType dtype, long offset, int rows, int columns) {
    return new Matrix(bytes, dtype, offset, rows, columns, columns, 1, (long) rows * columns);
  }

  Matrix transposed() {
    return new Matrix(bytes, dtype, offset, columns, rows, columnStride, rowStride, batchStride);
  }

  Matrix item(int index) {
    return new Matrix(
        bytes, dtype, offset + index * batchStride, rows, columns, rowStride, columnStride, 0);
  }

  /** Rows and columns of it, from a row and a column on. */
  Matrix part(int row, int column, int rows, int columns) {
    return new Matrix(bytes, dtype, at(row, column), rows, columns, rowStride, columnStride, 0);
  }

  long at(long row, long column) {
    return offset + row * rowStride + column * columnStride;
  }

  @Override
  public String toString() {
    return dtype + "[" + rows + ", " + columns + "]";
  }
}
