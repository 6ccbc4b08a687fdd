package org.gatun.cuda.cublaslt;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.util.ArrayList;
import java.util.List;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.ffi.Scratch;

/** A problem in the library's words: the operation, the layouts of A, B and D, and what to prefer. Needs no device. */
final class MatmulDescriptors implements AutoCloseable {
  // cublas_api.h, library_types.h, cublasLt.h
  private static final int COMPUTE_32F = 68;
  private static final int COMPUTE_32F_FAST_TF32 = 77;
  private static final int REAL_32F = 0;
  private static final int REAL_16BF = 14;

  private static final int OPERATION_TRANSPOSE_A = 3;
  private static final int OPERATION_TRANSPOSE_B = 4;
  private static final int OPERATION_EPILOGUE = 7;
  private static final int OPERATION_BIAS = 8;
  private static final int OPERATION_AUX = 11;
  private static final int OPERATION_AUX_LEADING = 12;
  private static final int OPERATION_AUX_BATCH_STRIDE = 13;
  private static final int OPERATION_AUX_TYPE = 22;
  private static final int OPERATION_BIAS_TYPE = 26;
  private static final int LAYOUT_BATCH = 5;
  private static final int LAYOUT_BATCH_STRIDE = 6;
  private static final int PREFERENCE_WORKSPACE_BYTES = 1;
  private static final List<Integer> PREFERENCE_ALIGNMENTS = List.of(5, 6, 7, 8);

  private final MatmulProblem problem;
  private final List<Runnable> ends = new ArrayList<>();
  private final long operation;
  private final long a;
  private final long b;
  private final long d;
  private final long preference;

  /** Proposals may use {@code workspaceLimit} bytes of scratch memory. */
  MatmulDescriptors(MatmulProblem problem, long workspaceLimit) {
    this.problem = problem;
    try {
      operation = makeOperation();
      a = makeLayout(problem.a());
      b = makeLayout(problem.b());
      d = makeLayout(problem.d());
      preference = makePreference(workspaceLimit);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  MatmulProblem problem() {
    return problem;
  }

  long operation() {
    return operation;
  }

  long a() {
    return a;
  }

  long b() {
    return b;
  }

  /** The layout of C, too. */
  long d() {
    return d;
  }

  long preference() {
    return preference;
  }

  /** Sets the addresses of the epilogue's vector and matrix; what it has none of is left alone. */
  void setEpilogue(long bias, long aux) {
    if (problem.epilogue().hasBias()) {
      setOperation(OPERATION_BIAS, bias);
    }
    if (problem.epilogue().hasAux()) {
      setOperation(OPERATION_AUX, aux);
    }
  }

  @Override
  public void close() {
    while (!ends.isEmpty()) {
      ends.removeLast().run();
    }
  }

  private long makeOperation() {
    long made = CublasLtLibrary.createOperation(problem.tf32() ? COMPUTE_32F_FAST_TF32 : COMPUTE_32F, REAL_32F);
    ends.add(() -> CublasLtLibrary.destroyOperation(made));
    setOperation(made, OPERATION_TRANSPOSE_A, problem.transposeA() ? 1 : 0);
    setOperation(made, OPERATION_TRANSPOSE_B, problem.transposeB() ? 1 : 0);
    setOperation(made, OPERATION_EPILOGUE, problem.epilogue().code());
    Matrix result = problem.d();
    // The heuristics read the alignment of the epilogue's memory off its address: these stand for any that is as aligned as promised.
    if (problem.epilogue().hasBias()) {
      setOperation(made, OPERATION_BIAS_TYPE, code(result.type()));
      setOperation(made, OPERATION_BIAS, (long) problem.alignment());
    }
    if (problem.epilogue().hasAux()) {
      setOperation(made, OPERATION_AUX_TYPE, code(result.type()));
      setOperation(made, OPERATION_AUX_LEADING, result.leading());
      setOperation(made, OPERATION_AUX, (long) problem.alignment());
      if (problem.batch() > 1) {
        setOperation(made, OPERATION_AUX_BATCH_STRIDE, result.batchStride());
      }
    }
    return made;
  }

  private long makeLayout(Matrix x) {
    long made = CublasLtLibrary.createLayout(code(x.type()), x.rows(), x.columns(), x.leading());
    ends.add(() -> CublasLtLibrary.destroyLayout(made));
    if (problem.batch() > 1) {
      CublasLtLibrary.setLayout(made, LAYOUT_BATCH, int32(problem.batch()), Integer.BYTES);
      CublasLtLibrary.setLayout(made, LAYOUT_BATCH_STRIDE, int64(x.batchStride()), Long.BYTES);
    }
    return made;
  }

  private long makePreference(long workspaceLimit) {
    long made = CublasLtLibrary.createPreference();
    ends.add(() -> CublasLtLibrary.destroyPreference(made));
    CublasLtLibrary.setPreference(made, PREFERENCE_WORKSPACE_BYTES, int64(workspaceLimit), Long.BYTES);
    for (int attribute : PREFERENCE_ALIGNMENTS) {
      CublasLtLibrary.setPreference(made, attribute, int32(problem.alignment()), Integer.BYTES);
    }
    return made;
  }

  private void setOperation(int attribute, long value) {
    setOperation(operation, attribute, value);
  }

  private static void setOperation(long operation, int attribute, int value) {
    CublasLtLibrary.setOperation(operation, attribute, int32(value), Integer.BYTES);
  }

  private static void setOperation(long operation, int attribute, long value) {
    CublasLtLibrary.setOperation(operation, attribute, int64(value), Long.BYTES);
  }

  private static int code(ElementType type) {
    return switch (type) {
      case F32 -> REAL_32F;
      case BF16 -> REAL_16BF;
    };
  }

  /** The address of {@code value}, until the thread's scratch memory is used again. */
  private static long int32(int value) {
    Scratch scratch = Scratch.cleared();
    scratch.memory().set(JAVA_INT, 0, value);
    return scratch.address();
  }

  private static long int64(long value) {
    Scratch scratch = Scratch.cleared();
    scratch.memory().set(JAVA_LONG, 0, value);
    return scratch.address();
  }
}
