package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.util.Optional;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** The driver's functions on itself, its devices and their contexts, and what its status codes mean. */
final class Driver {
  static final int SUCCESS = 0;
  static final int OUT_OF_MEMORY = 2;
  static final int NOT_READY = 600;

  private static final NativeLibrary LIBRARY = CudaLibrary.DRIVER.open();

  private static final NativeFunction CU_INIT = function("cuInit", JAVA_INT);
  private static final NativeFunction CU_GET_ERROR_NAME = function("cuGetErrorName", JAVA_INT, JAVA_LONG);
  private static final NativeFunction CU_GET_ERROR_STRING = function("cuGetErrorString", JAVA_INT, JAVA_LONG);
  private static final NativeFunction CU_DEVICE_GET_COUNT = function("cuDeviceGetCount", JAVA_LONG);
  private static final NativeFunction CU_DEVICE_GET = function("cuDeviceGet", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_DEVICE_GET_NAME = function("cuDeviceGetName", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction CU_DEVICE_TOTAL_MEM = function("cuDeviceTotalMem_v2", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_DEVICE_GET_ATTRIBUTE =
      function("cuDeviceGetAttribute", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction CU_DEVICE_GET_PCI_BUS_ID =
      function("cuDeviceGetPCIBusId", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction CU_DEVICE_CAN_ACCESS_PEER =
      function("cuDeviceCanAccessPeer", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction CU_CTX_ENABLE_PEER_ACCESS =
      function("cuCtxEnablePeerAccess", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_DEVICE_PRIMARY_CTX_RETAIN =
      function("cuDevicePrimaryCtxRetain", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_DEVICE_PRIMARY_CTX_RELEASE =
      function("cuDevicePrimaryCtxRelease_v2", JAVA_INT);
  private static final NativeFunction CU_CTX_SET_CURRENT = function("cuCtxSetCurrent", JAVA_LONG);
  private static final NativeFunction CU_CTX_SYNCHRONIZE = function("cuCtxSynchronize");

  private Driver() {}

  static NativeFunction function(String symbol, MemoryLayout... arguments) {
    return LIBRARY.status(symbol, arguments);
  }

  /** A function that came with a later driver than the oldest that will do; null where this one lacks it. */
  static NativeFunction functionOrNull(String symbol, MemoryLayout... arguments) {
    return LIBRARY.has(symbol) ? LIBRARY.status(symbol, arguments) : null;
  }

  /** {@code CUresult cuInit(unsigned int flags)} */
  static void init() {
    check(CU_INIT.call(0), CU_INIT, 0);
  }

  /** {@code CUresult cuDeviceGetCount(int *count)} */
  static int deviceCount() {
    Scratch scratch = Scratch.cleared();
    check(CU_DEVICE_GET_COUNT.call(scratch.address()), CU_DEVICE_GET_COUNT);
    return scratch.int32();
  }

  /** {@code CUresult cuDeviceGet(CUdevice *device, int ordinal)} */
  static int device(int ordinal) {
    Scratch scratch = Scratch.cleared();
    check(CU_DEVICE_GET.call(scratch.address(), ordinal), CU_DEVICE_GET, ordinal);
    return scratch.int32();
  }

  /** {@code CUresult cuDeviceGetName(char *name, int length, CUdevice device)} */
  static String deviceName(int device) {
    Scratch scratch = Scratch.cleared();
    int length = (int) scratch.memory().byteSize();
    check(CU_DEVICE_GET_NAME.call(scratch.address(), length, device), CU_DEVICE_GET_NAME, length, device);
    return scratch.memory().getString(0);
  }

  /** {@code CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice device)} */
  static String devicePciBusId(int device) {
    Scratch scratch = Scratch.cleared();
    int length = (int) scratch.memory().byteSize();
    check(CU_DEVICE_GET_PCI_BUS_ID.call(scratch.address(), length, device), CU_DEVICE_GET_PCI_BUS_ID, length, device);
    return scratch.memory().getString(0);
  }

  /** {@code CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)} */
  static long deviceTotalMemory(int device) {
    Scratch scratch = Scratch.cleared();
    check(CU_DEVICE_TOTAL_MEM.call(scratch.address(), device), CU_DEVICE_TOTAL_MEM, device);
    return scratch.int64();
  }

  /** {@code CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)} */
  static int deviceAttribute(DeviceAttribute attribute, int device) {
    Scratch scratch = Scratch.cleared();
    int status = CU_DEVICE_GET_ATTRIBUTE.call(scratch.address(), attribute.number(), device);
    check(status, CU_DEVICE_GET_ATTRIBUTE, attribute.number(), device);
    return scratch.int32();
  }

  /** {@code CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)} */
  static boolean canAccessPeer(int device, int peer) {
    Scratch scratch = Scratch.cleared();
    int status = CU_DEVICE_CAN_ACCESS_PEER.call(scratch.address(), device, peer);
    check(status, CU_DEVICE_CAN_ACCESS_PEER, device, peer);
    return scratch.int32() != 0;
  }

  /** {@code CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags)}, for the current context; fine if it was before. */
  static void enablePeerAccess(long peer) {
    int status = CU_CTX_ENABLE_PEER_ACCESS.call(peer, 0);
    final int alreadyEnabled = 704;
    check(status == alreadyEnabled ? SUCCESS : status, CU_CTX_ENABLE_PEER_ACCESS, peer, 0);
  }

  /** {@code CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)} */
  static long retainPrimaryContext(int device) {
    Scratch scratch = Scratch.cleared();
    check(CU_DEVICE_PRIMARY_CTX_RETAIN.call(scratch.address(), device), CU_DEVICE_PRIMARY_CTX_RETAIN, device);
    return scratch.int64();
  }

  /** {@code CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)} */
  static void releasePrimaryContext(int device) {
    check(CU_DEVICE_PRIMARY_CTX_RELEASE.call(device), CU_DEVICE_PRIMARY_CTX_RELEASE, device);
  }

  /** {@code CUresult cuCtxSetCurrent(CUcontext context)} */
  static void setCurrentContext(long context) {
    check(CU_CTX_SET_CURRENT.call(context), CU_CTX_SET_CURRENT, context);
  }

  /** {@code CUresult cuCtxSynchronize(void)} */
  static void synchronizeContext() {
    check(CU_CTX_SYNCHRONIZE.call(), CU_CTX_SYNCHRONIZE);
  }

  static void check(int status, NativeFunction function) {
    if (status != SUCCESS) {
      throw failure(status, function.name() + "()");
    }
  }

  static void check(int status, NativeFunction function, long a) {
    if (status != SUCCESS) {
      throw failure(status, CudaException.describe(function.name(), a));
    }
  }

  static void check(int status, NativeFunction function, long a, long b) {
    if (status != SUCCESS) {
      throw failure(status, CudaException.describe(function.name(), a, b));
    }
  }

  static void check(int status, NativeFunction function, long a, long b, long c) {
    if (status != SUCCESS) {
      throw failure(status, CudaException.describe(function.name(), a, b, c));
    }
  }

  /** What to throw when {@code call} has returned {@code status}. */
  static CudaException failure(int status, String call) {
    String name = text(CU_GET_ERROR_NAME, status).orElse("an unknown status");
    String meaning = text(CU_GET_ERROR_STRING, status).orElse("");
    String advice = DriverAdvice.on(status);
    String sentence = advice.isEmpty() ? meaning : meaning.isEmpty() ? advice : meaning + "; " + advice;
    return status == OUT_OF_MEMORY
        ? new OutOfDeviceMemoryException(call, status, name, sentence)
        : new CudaException(call, status, name, sentence);
  }

  /** {@code CUresult cuGetErrorName(CUresult error, const char **text)} and its like for the sentence. */
  private static Optional<String> text(NativeFunction function, int status) {
    Scratch scratch = Scratch.cleared();
    int found = function.call(status, scratch.address());
    return found == SUCCESS && scratch.int64() != 0
        ? Optional.of(NativeLibrary.text(scratch.memory().get(ADDRESS, 0)))
        : Optional.empty();
  }
}
