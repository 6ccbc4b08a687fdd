package org.gatun.tensor;

/** What operations ask of their arguments, with the sentence said when they do not get it. */
final class Checks {
  private Checks() {}

  static void floating(String op, Tensor x) {
    if (!x.dtype().isFloating()) {
      throw new IllegalArgumentException(
          op + ": needs F32 or BF16, got " + x + "; cast() converts");
    }
  }

  static void indices(String op, Tensor x) {
    if (x.dtype() != DType.I32) {
      throw new IllegalArgumentException(op + ": indices must be I32, got " + x);
    }
  }

  /** Arguments of one operation compute in one type; null stands for an argument left out. */
  static void sameDType(String op, Tensor first, Tensor... others) {
    for (Tensor other : others) {
      if (other != null && other.dtype() != first.dtype()) {
        throw new IllegalArgumentException(
            op + ": dtypes differ: " + first + " and " + other + "; cast() one of them");
      }
    }
  }

  static void atLeast(String op, int rank, Tensor x) {
    if (x.shape().rank() < rank) {
      throw new IllegalArgumentException(
          op + ": needs at least " + rank + " dimensions, got " + x);
    }
  }

  /** A vector as long as the rows of x; null stands for one left out. */
  static void fitsRows(String op, Tensor vector, Tensor x) {
    if (vector != null && !vector.shape().equals(Shape.of(x.shape().dim(-1)))) {
      throw new IllegalArgumentException(op + ": " + vector + " does not fit the rows of " + x);
    }
  }
}
