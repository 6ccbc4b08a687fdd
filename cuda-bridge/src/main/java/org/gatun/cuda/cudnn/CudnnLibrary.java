package org.gatun.cuda.cudnn;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** The functions of cuDNN that are used here, one method each; {@link CudaLibrary#open} must have succeeded before. */
final class CudnnLibrary {
  private static final NativeLibrary LIBRARY = CudaLibrary.CUDNN.open();
  private static final NativeFunction CREATE = LIBRARY.status("cudnnCreate", JAVA_LONG);
  private static final NativeFunction DESTROY = LIBRARY.status("cudnnDestroy", JAVA_LONG);
  private static final NativeFunction SET_STREAM = LIBRARY.status("cudnnSetStream", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CREATE_DESCRIPTOR =
      LIBRARY.status("cudnnBackendCreateDescriptor", JAVA_INT, JAVA_LONG);
  private static final NativeFunction DESTROY_DESCRIPTOR = LIBRARY.status("cudnnBackendDestroyDescriptor", JAVA_LONG);
  private static final NativeFunction FINALIZE = LIBRARY.status("cudnnBackendFinalize", JAVA_LONG);
  private static final NativeFunction EXECUTE =
      LIBRARY.status("cudnnBackendExecute", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle SET_ATTRIBUTE = LIBRARY.function("cudnnBackendSetAttribute",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle GET_ATTRIBUTE = LIBRARY.function("cudnnBackendGetAttribute",
      FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle VERSION =
      LIBRARY.function("cudnnGetVersion", FunctionDescriptor.of(JAVA_LONG));
  private static final MethodHandle CUDART_VERSION =
      LIBRARY.function("cudnnGetCudartVersion", FunctionDescriptor.of(JAVA_LONG));
  private static final MethodHandle ERROR_STRING =
      LIBRARY.function("cudnnGetErrorString", FunctionDescriptor.of(JAVA_LONG, JAVA_INT));
  private static final MethodHandle LAST_ERROR =
      LIBRARY.function("cudnnGetLastErrorString", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));

  private static final int NOT_SUPPORTED = 3000;
  private static final int LAST_ERROR_BYTES = 4096;

  private CudnnLibrary() {}

  /** {@code size_t cudnnGetVersion(void)}: 92400 is 9.24.0. */
  static long version() {
    try {
      return (long) VERSION.invokeExact();
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** {@code size_t cudnnGetCudartVersion(void)}: of the CUDA that cuDNN was built for, 13000 for 13.0. */
  static long cudartVersion() {
    try {
      return (long) CUDART_VERSION.invokeExact();
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** {@code cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)}: on the device that is current. */
  static long create() {
    Scratch scratch = Scratch.cleared();
    check(CREATE.call(scratch.address()), CREATE);
    return scratch.int64();
  }

  /** {@code cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)} */
  static void destroy(long handle) {
    check(DESTROY.call(handle), DESTROY, handle);
  }

  /** {@code cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)} */
  static void setStream(long handle, long stream) {
    check(SET_STREAM.call(handle, stream), SET_STREAM, handle, stream);
  }

  /**
   * {@code cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)}
   */
  static long createDescriptor(Descriptors.Kind kind) {
    Scratch scratch = Scratch.cleared();
    int status = CREATE_DESCRIPTOR.call(kind.code(), scratch.address());
    if (status != 0) {
      throw failure(status, CREATE_DESCRIPTOR + "(" + kind + ")");
    }
    return scratch.int64();
  }

  /** {@code cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)} */
  static void destroyDescriptor(long descriptor) {
    check(DESTROY_DESCRIPTOR.call(descriptor), DESTROY_DESCRIPTOR, descriptor);
  }

  /** {@code cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)}: here the library checks attributes. */
  static void finalizeDescriptor(long descriptor, String what) {
    int status = FINALIZE.call(descriptor);
    if (status != 0) {
      throw failure(status, FINALIZE + "(" + what + ")");
    }
  }

  /**
   * {@code cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
   * cudnnBackendAttributeType_t type, int64_t count, const void *elements)}
   */
  static void setAttribute(long descriptor, Attribute name, long count, long elements) {
    int status;
    try {
      status = (int) SET_ATTRIBUTE.invokeExact(descriptor, name.code(), name.type().code(), count, elements);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0) {
      throw failure(status, "cudnnBackendSetAttribute(" + name + ", " + count + " of " + name.type() + ")");
    }
  }

  /**
   * {@code cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
   * cudnnBackendAttributeType_t type, int64_t wanted, int64_t *count, void *elements)}
   */
  static void getAttribute(long descriptor, Attribute name, long wanted, long count, long elements) {
    int status;
    try {
      status = (int) GET_ATTRIBUTE.invokeExact(descriptor, name.code(), name.type().code(), wanted, count, elements);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0) {
      throw failure(status, "cudnnBackendGetAttribute(" + name + ", " + wanted + " of " + name.type() + ")");
    }
  }

  /**
   * {@code cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
   * cudnnBackendDescriptor_t variantPack)}
   */
  static void execute(long handle, long plan, long pack) {
    check(EXECUTE.call(handle, plan, pack), EXECUTE, handle, plan, pack);
  }

  /** What is thrown when the heuristics propose nothing: the library itself calls that a success. */
  static CudaException noEngine(int operations, DeviceProperties device) {
    String said = lastError();
    return new CudaException("heuristics for a graph of " + operations + " operations on " + device, NOT_SUPPORTED,
        statusName(NOT_SUPPORTED), "no engine was proposed" + (said.isEmpty() ? "" : ": " + said));
  }

  private static void check(int status, NativeFunction function, long... arguments) {
    if (status != 0) {
      throw failure(status, CudaException.describe(function.name(), arguments));
    }
  }

  private static CudaException failure(int status, String call) {
    return new CudaException(call, status, statusName(status), lastError());
  }

  /** {@code const char *cudnnGetErrorString(cudnnStatus_t status)}: the status' name. */
  private static String statusName(int status) {
    long name;
    try {
      name = (long) ERROR_STRING.invokeExact(status);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    return NativeLibrary.text(name);
  }

  /** {@code void cudnnGetLastErrorString(char *message, size_t max_size)}: this thread's, in one line. */
  private static String lastError() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment message = arena.allocate(LAST_ERROR_BYTES);
      LAST_ERROR.invokeExact(message.address(), message.byteSize());
      return message.getString(0).strip().replaceAll("\\s*\\R\\s*", "; ");
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }
}
