package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.Driver.check;
import static org.gatun.cuda.Driver.failure;
import static org.gatun.cuda.Driver.function;
import static org.gatun.cuda.Driver.functionOrNull;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.Scratch;

/** The driver's functions on compiled modules, their kernels, and launches. */
final class DriverModules {
  private static final NativeFunction CU_MODULE_LOAD_DATA = function("cuModuleLoadData", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_MODULE_UNLOAD = function("cuModuleUnload", JAVA_LONG);
  private static final NativeFunction CU_MODULE_GET_FUNCTION =
      function("cuModuleGetFunction", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_FUNC_SET_ATTRIBUTE =
      function("cuFuncSetAttribute", JAVA_LONG, JAVA_INT, JAVA_INT);
  private static final NativeFunction CU_FUNC_GET_ATTRIBUTE =
      function("cuFuncGetAttribute", JAVA_LONG, JAVA_INT, JAVA_LONG);
  /** Since CUDA 12.4. */
  private static final NativeFunction CU_FUNC_GET_PARAM_INFO =
      functionOrNull("cuFuncGetParamInfo", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_LAUNCH_KERNEL =
      function("cuLaunchKernel", JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
          JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private static final int MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

  private DriverModules() {}

  /** {@code CUresult cuModuleLoadData(CUmodule *module, const void *image)} */
  static long load(byte[] image) {
    try (Arena arena = Arena.ofConfined()) {
      // Padded: an image of text would be read up to a zero.
      var copy = arena.allocate(image.length + 16L, 16);
      copy.asSlice(0, image.length).copyFrom(MemorySegment.ofArray(image));
      Scratch scratch = Scratch.cleared();
      int status = CU_MODULE_LOAD_DATA.call(scratch.address(), copy.address());
      if (status != Driver.SUCCESS) {
        throw failure(status, "cuModuleLoadData(an image of " + image.length + " bytes)");
      }
      return scratch.int64();
    }
  }

  /** {@code CUresult cuModuleUnload(CUmodule module)} */
  static void unload(long module) {
    check(CU_MODULE_UNLOAD.call(module), CU_MODULE_UNLOAD, module);
  }

  /** {@code CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)} */
  static long kernel(long module, String name) {
    try (Arena arena = Arena.ofConfined()) {
      Scratch scratch = Scratch.cleared();
      int status = CU_MODULE_GET_FUNCTION.call(scratch.address(), module, arena.allocateFrom(name).address());
      if (status != Driver.SUCCESS) {
        throw failure(status, "cuModuleGetFunction(\"" + name + "\")");
      }
      return scratch.int64();
    }
  }

  /** {@code CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value)} */
  static void allowSharedBytes(long function, int bytes) {
    int status = CU_FUNC_SET_ATTRIBUTE.call(function, MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
    check(status, CU_FUNC_SET_ATTRIBUTE, function, MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
  }

  /** {@code CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)} */
  static int attribute(long function, int attribute) {
    Scratch scratch = Scratch.cleared();
    int status = CU_FUNC_GET_ATTRIBUTE.call(scratch.address(), attribute, function);
    check(status, CU_FUNC_GET_ATTRIBUTE, attribute, function);
    return scratch.int32();
  }

  /**
   * {@code CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *bytes)} up to the first index that it
   * refuses: the size of each argument; null where the driver cannot say.
   */
  static List<Integer> argumentBytesOrNull(long function) {
    if (CU_FUNC_GET_PARAM_INFO == null) {
      return null;
    }
    var bytes = new ArrayList<Integer>();
    Scratch scratch = Scratch.cleared();
    while (CU_FUNC_GET_PARAM_INFO.call(function, (long) bytes.size(), scratch.address(), scratch.secondAddress())
        == 0) {
      bytes.add((int) scratch.secondInt64());
    }
    return bytes;
  }

  /**
   * {@code CUresult cuLaunchKernel(CUfunction f, unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, CUstream stream,
   * void **arguments, void **extra)}; blocks have one dimension here. Returns the status: the caller knows the kernel's name.
   */
  static int launch(long function, int gx, int gy, int gz, int threads, int sharedBytes, long stream, long arguments) {
    try {
      return (int) CU_LAUNCH_KERNEL.handle()
          .invokeExact(function, gx, gy, gz, threads, 1, 1, sharedBytes, stream, arguments, 0L);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }
}
