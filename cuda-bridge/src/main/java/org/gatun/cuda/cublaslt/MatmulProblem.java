package org.gatun.cuda.cublaslt;

import java.util.Optional;
import org.gatun.cuda.ElementType;

/**
 * D = epilogue(alpha * op(A) op(B) + beta * C), where C has D's layout and op transposes or not; products are summed in
 * single precision. A row-major linear layer y[M, N] = x[M, K] W[N, K]ᵀ is A = W (K x N), transposed; B = x (K x M);
 * D = y (N x M).
 *
 * @param tf32 allows F32 inputs to be cut to ten bits of fraction for the tensor cores
 * @param batch how many products of the same shape are made, {@code batchStride} elements apart
 * @param alignment of every address in bytes: a power of two from the element's size to 256
 */
public record MatmulProblem(Matrix a, boolean transposeA, Matrix b, boolean transposeB, Matrix d,
    MatmulEpilogue epilogue, boolean tf32, int batch, int alignment) {

  // Vector loads of the kernels are 16 bytes wide and so is TMA's alignment: more is never asked for.
  private static final int USUAL_ALIGNMENT = 16;

  public MatmulProblem {
    String rule = brokenRule(rowsOf(a, transposeA), columnsOf(a, transposeA), rowsOf(b, transposeB),
        columnsOf(b, transposeB), d);
    if (rule == null) {
      rule = brokenRule(a.type(), b.type(), d, epilogue, tf32, batch, alignment);
    }
    if (rule != null) {
      throw new IllegalArgumentException("matmul: " + rule + ": A " + a + (transposeA ? " transposed" : "") + ", B " + b
          + (transposeB ? " transposed" : "") + ", D " + d);
    }
  }

  /** A problem whose addresses are multiples of 16 bytes. */
  public MatmulProblem(Matrix a, boolean transposeA, Matrix b, boolean transposeB, Matrix d, MatmulEpilogue epilogue,
      boolean tf32, int batch) {
    this(a, transposeA, b, transposeB, d, epilogue, tf32, batch, USUAL_ALIGNMENT);
  }

  /** The inner dimension: how many products are summed for an element of D. */
  public long k() {
    return columnsOf(a, transposeA);
  }

  /** Bytes of the bias or bias gradient; 0 if the epilogue has none. */
  public long biasBytes() {
    long length = epilogue == MatmulEpilogue.BGRADB ? d.columns() : d.rows();
    return epilogue.hasBias() ? length * d.type().byteSize() : 0;
  }

  /** Bytes of the matrix of pre-activations, which has D's layout; 0 if the epilogue has none. */
  public long auxBytes() {
    return epilogue.hasAux() ? d.byteSize(batch) : 0;
  }

  /** Why no kernel has this epilogue at this shape, as far as that is known without asking: cublasLt.h on the auxiliary matrix. */
  Optional<String> whyNotFused() {
    boolean uneven = d.leading() % 8 != 0 || batch > 1 && d.batchStride() % 8 != 0;
    return epilogue.hasAux() && uneven
        ? Optional.of(epilogue + " wants a leading dimension and a batch stride of D that are multiples of 8, not "
            + d.leading() + " and " + d.batchStride())
        : Optional.empty();
  }

  private static long rowsOf(Matrix x, boolean transposed) {
    return transposed ? x.columns() : x.rows();
  }

  private static long columnsOf(Matrix x, boolean transposed) {
    return transposed ? x.rows() : x.columns();
  }

  private static String brokenRule(long m, long k, long rowsOfB, long n, Matrix d) {
    if (k != rowsOfB) {
      return "inner dimensions differ, " + k + " and " + rowsOfB;
    }
    return m == d.rows() && n == d.columns() ? null : "D must be " + m + " x " + n;
  }

  private static String brokenRule(ElementType a, ElementType b, Matrix d, MatmulEpilogue epilogue, boolean tf32,
      int batch, int alignment) {
    if (a != b || a == ElementType.F32 && d.type() != ElementType.F32) {
      return "A and B must have one type, and F32 gives F32 only";
    }
    if (tf32 && a != ElementType.F32) {
      return "tf32 is for F32 inputs";
    }
    if (batch < 1 || batch > 1 && d.batchStride() < d.byteSize(1) / d.type().byteSize()) {
      return "a batch of " + batch + " must be positive and its members must not overlap in D";
    }
    if (batch > 1 && epilogue.writesBias()) {
      return "the " + batch + " members of a batch would overwrite one bias gradient";
    }
    int largest = Math.max(a.byteSize(), d.type().byteSize());
    return alignment >= largest && alignment <= 256 && Integer.bitCount(alignment) == 1
        ? null
        : "the alignment of " + alignment + " must be a power of two from " + largest + " to 256 bytes";
  }
}
