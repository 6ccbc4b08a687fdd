package org.gatun.cuda.cublaslt;

import org.gatun.cuda.ElementType;

/**
 * How a column-major matrix lies in device memory. Element (r, c) of member i of a batch is element
 * {@code r + c * leading + i * batchStride}; a row-major [M, N] tensor is the matrix of N rows and M columns.
 *
 * @param rows length of a column in elements
 * @param leading elements from a column to the next
 * @param batchStride elements from a member of the batch to the next; 0 if all are the same one, or if there is one only
 */
public record Matrix(ElementType type, long rows, long columns, long leading, long batchStride) {
  public Matrix {
    if (rows < 1 || columns < 1 || leading < rows || batchStride < 0) {
      throw new IllegalArgumentException("matrix of " + rows + " rows, " + columns + " columns, leading dimension "
          + leading + " and batch stride " + batchStride
          + ": rows and columns must be positive, the leading dimension at least the rows, the stride not negative");
    }
  }

  /** A matrix without gaps between its columns and with none between the members of a batch. */
  public static Matrix packed(ElementType type, long rows, long columns) {
    return new Matrix(type, rows, columns, rows, Math.multiplyExact(rows, columns));
  }

  /** Bytes from the first element to behind the last one of {@code batch} members. */
  public long byteSize(int batch) {
    long last = Math.addExact(
        Math.multiplyExact(columns - 1, leading),
        Math.addExact(rows, Math.multiplyExact(batch - 1L, batchStride)));
    return Math.multiplyExact(last, type.byteSize());
  }

  @Override
  public String toString() {
    return type + "[" + rows + " x " + columns + ", leading " + leading + ", stride " + batchStride + "]";
  }
}
