package org.gatun.gpu;

import org.gatun.cuda.cublaslt.Matrix;
import org.gatun.tensor.Tensor;

/**
 * A tensor as a batch of row-major matrices [rows, columns] in a product.
 *
 * @param batched whether the tensor is a view of rank 3, else all but its innermost dimension are rows
 * @param swapped whether the matrix is the transpose of what the tensor says
 */
record Factor(
    Tensor x, int batch, long rows, long columns, long rowStride, long columnStride, long batchStride, boolean batched,
    boolean swapped) {

  /** A contiguous tensor [.., C] as one matrix. */
  static Factor rows(Tensor x) {
    int columns = x.shape().dim(-1);
    return new Factor(x, 1, x.shape().rows(), columns, columns, 1, 0, false, false);
  }

  /** A view of rank 3 as a batch of matrices. */
  static Factor batched(Tensor x) {
    int batch = x.shape().dim(0);
    return new Factor(x, batch, x.shape().dim(1), x.shape().dim(2), x.stride(1), x.stride(2),
        batch == 1 ? 0 : x.stride(0), true, false);
  }

  static Factor batchedOrRows(Tensor x, boolean batched) {
    return batched ? batched(x) : rows(x);
  }

  Factor transposed() {
    return new Factor(x, batch, columns, rows, columnStride, rowStride, batchStride, batched, !swapped);
  }

  /** Whether the library takes the matrix as it lies. */
  boolean fits() {
    return CudaDevice.isAligned(x) && (isRowMajor() || isColumnMajor());
  }

  /** Whether neighbours in a row lie side by side and rows do not overlap. The stride of a single row says nothing. */
  private boolean isRowMajor() {
    return (columnStride == 1 || columns == 1) && (rowStride >= columns || rows == 1);
  }

  private boolean isColumnMajor() {
    return (rowStride == 1 || rows == 1) && (columnStride >= rows || columns == 1);
  }

  /** Whether {@link #matrix}, which is column-major, must be transposed to be the transpose of this one. */
  boolean isTransposed() {
    return !isRowMajor();
  }

  Matrix matrix() {
    var type = GpuLinear.elementType(x.dtype());
    return isRowMajor()
        ? new Matrix(type, columns, rows, rows == 1 ? columns : rowStride, batchStride)
        : new Matrix(type, rows, columns, columns == 1 ? rows : columnStride, batchStride);
  }
}
