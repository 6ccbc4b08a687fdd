package org.gatun.tensor;

import java.util.Arrays;

/** The dimensions of a tensor, outermost first; a scalar has none. */
public final class Shape {
  private final int[] dims;
  private final long size;

  private Shape(int[] dims) {
    this.dims = dims;
    long product = 1;
    for (int dim : dims) {
      product = Math.multiplyExact(product, (long) dim);
    }
    this.size = product;
  }

  /** A shape of these dimensions, none of which may be negative. */
  public static Shape of(int... dims) {
    for (int dim : dims) {
      if (dim < 0) {
        throw new IllegalArgumentException(
            "shape: negative dimension in " + Arrays.toString(dims));
      }
    }
    return new Shape(dims.clone());
  }

  /** The number of dimensions. */
  public int rank() {
    return dims.length;
  }

  /** The size of one dimension; a negative axis counts from the end, so -1 is the innermost. */
  public int dim(int axis) {
    return dims[axis(axis)];
  }

  /** An axis counted from the front, whichever end it was counted from. */
  public int axis(int axis) {
    int counted = axis < 0 ? axis + dims.length : axis;
    if (counted < 0 || counted >= dims.length) {
      throw new IllegalArgumentException("axis " + axis + " is outside of shape " + this);
    }
    return counted;
  }

  /** The number of elements. */
  public long size() {
    return size;
  }

  /** The number of rows when all but the innermost dimension are folded into one. */
  public int rows() {
    int rows = 1;
    for (int i = 0; i < dims.length - 1; i++) {
      rows = Math.multiplyExact(rows, dims[i]);
    }
    return rows;
  }

  /** This shape without its innermost dimension: one element a row. */
  public Shape rowShape() {
    return dims.length == 0 ? this : new Shape(Arrays.copyOf(dims, dims.length - 1));
  }

  /** This shape with another size of the innermost dimension. */
  public Shape withLast(int dim) {
    return with(-1, dim);
  }

  /** This shape with another size of one dimension. */
  public Shape with(int axis, int dim) {
    int[] copy = dims.clone();
    copy[axis(axis)] = dim;
    return of(copy);
  }

  /** The dimensions, outermost first, as a copy. */
  public int[] toArray() {
    return dims.clone();
  }

  /** Row-major strides in elements. */
  long[] strides() {
    long[] strides = new long[dims.length];
    long stride = 1;
    for (int i = dims.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= dims[i];
    }
    return strides;
  }

  /**
   * The shape two operands broadcast to: aligned at the innermost dimension, a dimension of one
   * stretches (NumPy's rule).
   */
  public static Shape broadcast(Shape a, Shape b) {
    int rank = Math.max(a.rank(), b.rank());
    int[] dims = new int[rank];
    for (int i = 1; i <= rank; i++) {
      int da = i <= a.rank() ? a.dim(-i) : 1;
      int db = i <= b.rank() ? b.dim(-i) : 1;
      if (da != db && da != 1 && db != 1) {
        throw new IllegalArgumentException("shapes " + a + " and " + b + " do not broadcast");
      }
      dims[rank - i] = da == 1 ? db : da;
    }
    return new Shape(dims);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape that && Arrays.equals(dims, that.dims);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  @Override
  public String toString() {
    return Arrays.toString(dims);
  }
}
