package org.gatun.cuda.cublaslt;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** The functions of cuBLASLt that are used here, one method each; {@link CudaLibrary#open} must have succeeded before. */
final class CublasLtLibrary {
  static final int NOT_SUPPORTED = 15;

  private static final NativeLibrary LIBRARY = CudaLibrary.CUBLAS_LT.open();
  private static final NativeFunction CREATE = LIBRARY.status("cublasLtCreate", JAVA_LONG);
  private static final NativeFunction DESTROY = LIBRARY.status("cublasLtDestroy", JAVA_LONG);
  private static final NativeFunction OPERATION_CREATE =
      LIBRARY.status("cublasLtMatmulDescCreate", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction OPERATION_DESTROY = LIBRARY.status("cublasLtMatmulDescDestroy", JAVA_LONG);
  private static final NativeFunction OPERATION_SET =
      LIBRARY.status("cublasLtMatmulDescSetAttribute", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle LAYOUT_CREATE = LIBRARY.function("cublasLtMatrixLayoutCreate",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final NativeFunction LAYOUT_DESTROY = LIBRARY.status("cublasLtMatrixLayoutDestroy", JAVA_LONG);
  private static final NativeFunction LAYOUT_SET =
      LIBRARY.status("cublasLtMatrixLayoutSetAttribute", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction PREFERENCE_CREATE = LIBRARY.status("cublasLtMatmulPreferenceCreate", JAVA_LONG);
  private static final NativeFunction PREFERENCE_DESTROY = LIBRARY.status("cublasLtMatmulPreferenceDestroy", JAVA_LONG);
  private static final NativeFunction PREFERENCE_SET =
      LIBRARY.status("cublasLtMatmulPreferenceSetAttribute", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle HEURISTIC = LIBRARY.function("cublasLtMatmulAlgoGetHeuristic",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
          JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle MATMUL = LIBRARY.function("cublasLtMatmul",
      FunctionDescriptor.of(JAVA_INT, Collections.nCopies(16, JAVA_LONG).toArray(MemoryLayout[]::new)));
  private static final MethodHandle VERSION = LIBRARY.function("cublasLtGetVersion", FunctionDescriptor.of(JAVA_LONG));
  private static final MethodHandle STATUS_NAME =
      LIBRARY.function("cublasLtGetStatusName", FunctionDescriptor.of(JAVA_LONG, JAVA_INT));
  private static final MethodHandle STATUS_STRING =
      LIBRARY.function("cublasLtGetStatusString", FunctionDescriptor.of(JAVA_LONG, JAVA_INT));

  private CublasLtLibrary() {}

  /** {@code size_t cublasLtGetVersion(void)}: 130101 is 13.1.1. */
  static long version() {
    try {
      return (long) VERSION.invokeExact();
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** {@code cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)} */
  static long create() {
    Scratch scratch = Scratch.cleared();
    check(CREATE.call(scratch.address()), CREATE);
    return scratch.int64();
  }

  /** {@code cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)} */
  static void destroy(long handle) {
    check(DESTROY.call(handle), DESTROY, handle);
  }

  /**
   * {@code cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *operation, cublasComputeType_t computeType,
   * cudaDataType_t scaleType)}
   */
  static long createOperation(int computeType, int scaleType) {
    Scratch scratch = Scratch.cleared();
    check(OPERATION_CREATE.call(scratch.address(), computeType, scaleType), OPERATION_CREATE, computeType, scaleType);
    return scratch.int64();
  }

  /** {@code cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)} */
  static void destroyOperation(long operation) {
    check(OPERATION_DESTROY.call(operation), OPERATION_DESTROY, operation);
  }

  /**
   * {@code cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
   * cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)}
   */
  static void setOperation(long operation, int attribute, long value, long bytes) {
    check(OPERATION_SET.call(operation, attribute, value, bytes), OPERATION_SET, operation, attribute, value, bytes);
  }

  /**
   * {@code cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows,
   * uint64_t columns, int64_t leading)}
   */
  static long createLayout(int type, long rows, long columns, long leading) {
    Scratch scratch = Scratch.cleared();
    int status;
    try {
      status = (int) LAYOUT_CREATE.invokeExact(scratch.address(), type, rows, columns, leading);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0) {
      throw failure(status, CudaException.describe("cublasLtMatrixLayoutCreate", type, rows, columns, leading));
    }
    return scratch.int64();
  }

  /** {@code cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)} */
  static void destroyLayout(long layout) {
    check(LAYOUT_DESTROY.call(layout), LAYOUT_DESTROY, layout);
  }

  /**
   * {@code cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
   * cublasLtMatrixLayoutAttribute_t attribute, const void *value, size_t bytes)}
   */
  static void setLayout(long layout, int attribute, long value, long bytes) {
    check(LAYOUT_SET.call(layout, attribute, value, bytes), LAYOUT_SET, layout, attribute, value, bytes);
  }

  /** {@code cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)} */
  static long createPreference() {
    Scratch scratch = Scratch.cleared();
    check(PREFERENCE_CREATE.call(scratch.address()), PREFERENCE_CREATE);
    return scratch.int64();
  }

  /** {@code cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)} */
  static void destroyPreference(long preference) {
    check(PREFERENCE_DESTROY.call(preference), PREFERENCE_DESTROY, preference);
  }

  /**
   * {@code cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
   * cublasLtMatmulPreferenceAttributes_t attribute, const void *value, size_t bytes)}
   */
  static void setPreference(long preference, int attribute, long value, long bytes) {
    check(PREFERENCE_SET.call(preference, attribute, value, bytes), PREFERENCE_SET, preference, attribute, value,
        bytes);
  }

  /**
   * {@code cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
   * cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
   * cublasLtMatmulPreference_t preference, int wanted, cublasLtMatmulHeuristicResult_t *results, int *count)}: how many
   * were written; none where nothing supports the problem.
   */
  static int heuristic(long handle, MatmulDescriptors descriptors, int wanted, long results) {
    Scratch scratch = Scratch.cleared();
    int status;
    try {
      status = (int) HEURISTIC.invokeExact(handle, descriptors.operation(), descriptors.a(), descriptors.b(),
          descriptors.d(), descriptors.d(), descriptors.preference(), wanted, results, scratch.address());
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0 && status != NOT_SUPPORTED) {
      throw failure(status, "cublasLtMatmulAlgoGetHeuristic(" + descriptors.problem() + ")");
    }
    return status == 0 ? scratch.int32() : 0;
  }

  /**
   * {@code cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha,
   * const void *A, cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b, const void *beta, const void *C,
   * cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, void *workspace,
   * size_t workspaceBytes, cudaStream_t stream)}
   */
  static void matmul(long handle, MatmulDescriptors descriptors, long alpha, long a, long b, long beta, long c, long d,
      long algo, long workspace, long workspaceBytes, long stream) {
    int status;
    try {
      status = (int) MATMUL.invokeExact(handle, descriptors.operation(), alpha, a, descriptors.a(), b, descriptors.b(),
          beta, c, descriptors.d(), d, descriptors.d(), algo, workspace, workspaceBytes, stream);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0) {
      throw failure(status, "cublasLtMatmul(" + descriptors.problem() + ")");
    }
  }

  /** What is thrown when no kernel computes {@code problem} with its epilogue. */
  static CudaException notSupported(MatmulProblem problem, String reason) {
    return new CudaException("plan of " + problem, NOT_SUPPORTED, statusName(NOT_SUPPORTED), reason);
  }

  private static void check(int status, NativeFunction function, long... arguments) {
    if (status != 0) {
      throw failure(status, CudaException.describe(function.name(), arguments));
    }
  }

  private static CudaException failure(int status, String call) {
    return new CudaException(call, status, statusName(status), text(STATUS_STRING, status));
  }

  private static String statusName(int status) {
    return text(STATUS_NAME, status);
  }

  /** {@code const char *cublasLtGetStatusName(cublasStatus_t status)} and its like for the sentence. */
  private static String text(MethodHandle function, int status) {
    long address;
    try {
      address = (long) function.invokeExact(status);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    return NativeLibrary.text(address);
  }
}
