package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.Driver.check;
import static org.gatun.cuda.Driver.function;

import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.Scratch;

/** The driver's functions on memory, of the device and page-locked on the host. Copies and fills are asynchronous, in a stream's order. */
final class DriverMemory {
  private static final NativeFunction CU_MEM_GET_INFO = function("cuMemGetInfo_v2", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEM_ALLOC = function("cuMemAlloc_v2", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEM_FREE = function("cuMemFree_v2", JAVA_LONG);
  private static final NativeFunction CU_MEM_ALLOC_ASYNC = function("cuMemAllocAsync", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEM_FREE_ASYNC = function("cuMemFreeAsync", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_DEVICE_GET_DEFAULT_MEM_POOL =
      function("cuDeviceGetDefaultMemPool", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_MEM_POOL_SET_ATTRIBUTE =
      function("cuMemPoolSetAttribute", JAVA_LONG, JAVA_INT, JAVA_LONG);
  private static final NativeFunction CU_MEM_POOL_TRIM_TO = function("cuMemPoolTrimTo", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEM_HOST_ALLOC = function("cuMemHostAlloc", JAVA_LONG, JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_MEM_FREE_HOST = function("cuMemFreeHost", JAVA_LONG);
  private static final NativeFunction CU_MEMCPY_HTOD_ASYNC =
      function("cuMemcpyHtoDAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEMCPY_DTOH_ASYNC =
      function("cuMemcpyDtoHAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEMCPY_DTOD_ASYNC =
      function("cuMemcpyDtoDAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEMSET_D8_ASYNC =
      function("cuMemsetD8Async", JAVA_LONG, JAVA_BYTE, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MEMSET_D32_ASYNC =
      function("cuMemsetD32Async", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);

  private static final int POOL_RELEASE_THRESHOLD = 4;

  private DriverMemory() {}

  /** {@code CUresult cuMemGetInfo_v2(size_t *free, size_t *total)}: the free bytes of the current context's device. */
  static long free() {
    Scratch scratch = Scratch.cleared();
    check(CU_MEM_GET_INFO.call(scratch.address(), scratch.secondAddress()), CU_MEM_GET_INFO);
    return scratch.int64();
  }

  /** {@code CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)} */
  static long allocate(long bytes) {
    Scratch scratch = Scratch.cleared();
    check(CU_MEM_ALLOC.call(scratch.address(), bytes), CU_MEM_ALLOC, bytes);
    return scratch.int64();
  }

  /** {@code CUresult cuMemFree_v2(CUdeviceptr address)}; waits until the device is done with it. */
  static void free(long address) {
    check(CU_MEM_FREE.call(address), CU_MEM_FREE, address);
  }

  /** {@code CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream)} */
  static long allocate(long bytes, long stream) {
    Scratch scratch = Scratch.cleared();
    check(CU_MEM_ALLOC_ASYNC.call(scratch.address(), bytes, stream), CU_MEM_ALLOC_ASYNC, bytes, stream);
    return scratch.int64();
  }

  /** {@code CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream)} */
  static void free(long address, long stream) {
    check(CU_MEM_FREE_ASYNC.call(address, stream), CU_MEM_FREE_ASYNC, address, stream);
  }

  /** {@code CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device)} */
  static long defaultPool(int device) {
    Scratch scratch = Scratch.cleared();
    check(CU_DEVICE_GET_DEFAULT_MEM_POOL.call(scratch.address(), device), CU_DEVICE_GET_DEFAULT_MEM_POOL, device);
    return scratch.int64();
  }

  /**
   * {@code CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)} with the release threshold:
   * up to {@code bytes} the pool keeps when a stream synchronizes. The driver's own default, none, maps memory anew each step.
   */
  static void keepInPool(long pool, long bytes) {
    Scratch scratch = Scratch.cleared();
    scratch.memory().set(JAVA_LONG, 0, bytes);
    int status = CU_MEM_POOL_SET_ATTRIBUTE.call(pool, POOL_RELEASE_THRESHOLD, scratch.address());
    check(status, CU_MEM_POOL_SET_ATTRIBUTE, pool, POOL_RELEASE_THRESHOLD, bytes);
  }

  /** {@code CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t bytesToKeep)} */
  static void trimPool(long pool, long bytesToKeep) {
    check(CU_MEM_POOL_TRIM_TO.call(pool, bytesToKeep), CU_MEM_POOL_TRIM_TO, pool, bytesToKeep);
  }

  /** {@code CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned int flags)} */
  static long allocateHost(long bytes) {
    Scratch scratch = Scratch.cleared();
    check(CU_MEM_HOST_ALLOC.call(scratch.address(), bytes, 0), CU_MEM_HOST_ALLOC, bytes, 0);
    return scratch.int64();
  }

  /** {@code CUresult cuMemFreeHost(void *address)} */
  static void freeHost(long address) {
    check(CU_MEM_FREE_HOST.call(address), CU_MEM_FREE_HOST, address);
  }

  /** {@code CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)} */
  static void upload(long to, long from, long bytes, long stream) {
    check(CU_MEMCPY_HTOD_ASYNC.call(to, from, bytes, stream), CU_MEMCPY_HTOD_ASYNC, to, from, bytes);
  }

  /** {@code CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)} */
  static void download(long to, long from, long bytes, long stream) {
    check(CU_MEMCPY_DTOH_ASYNC.call(to, from, bytes, stream), CU_MEMCPY_DTOH_ASYNC, to, from, bytes);
  }

  /** {@code CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)} */
  static void copy(long to, long from, long bytes, long stream) {
    check(CU_MEMCPY_DTOD_ASYNC.call(to, from, bytes, stream), CU_MEMCPY_DTOD_ASYNC, to, from, bytes);
  }

  /** {@code CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream)} */
  static void fill8(long to, byte value, long bytes, long stream) {
    check(CU_MEMSET_D8_ASYNC.call(to, value, bytes, stream), CU_MEMSET_D8_ASYNC, to, value, bytes);
  }

  /** {@code CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream)} */
  static void fill32(long to, int value, long count, long stream) {
    check(CU_MEMSET_D32_ASYNC.call(to, value, count, stream), CU_MEMSET_D32_ASYNC, to, value, count);
  }
}
