package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/** Whether this machine has NVIDIA's driver and a GPU that it can use. Training on one is not part of this version. */
public final class Cuda {
  private Cuda() {}

  /** True if the driver loads, initialises and counts at least one device. Asked once for each process. */
  public static boolean isAvailable() {
    return Answer.WHY_NOT.isEmpty();
  }

  /** Why there is no usable GPU, in one sentence with the loader's or the driver's own words; empty if there is one. */
  public static Optional<String> whyNot() {
    return Answer.WHY_NOT.isEmpty() ? Optional.empty() : Optional.of(Answer.WHY_NOT);
  }

  private static final class Answer {
    private static final String WHY_NOT = ask();

    private static String ask() {
      try {
        NativeLibrary driver = NativeLibrary.open("libcuda.so.1");
        // CUresult cuInit(unsigned int flags)
        MethodHandle cuInit = driver.function("cuInit", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
        // CUresult cuDeviceGetCount(int *count)
        MethodHandle cuDeviceGetCount =
            driver.function("cuDeviceGetCount", FunctionDescriptor.of(JAVA_INT, ADDRESS));
        return count(driver, cuInit, cuDeviceGetCount);
      } catch (UnsupportedOperationException e) {
        return "no CUDA: " + e.getMessage();
      } catch (IllegalCallerException e) {
        return "no CUDA: native access is denied; start java with --enable-native-access=org.gatun.cuda";
      }
    }

    private static String count(NativeLibrary driver, MethodHandle cuInit, MethodHandle cuDeviceGetCount) {
      String call = "cuInit";
      int status;
      int devices = 0;
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment counted = arena.allocate(JAVA_INT);
        status = (int) cuInit.invokeExact(0);
        if (status == 0) {
          call = "cuDeviceGetCount";
          status = (int) cuDeviceGetCount.invokeExact(counted);
          devices = counted.get(JAVA_INT, 0);
        }
      } catch (Throwable t) {
        throw NativeLibrary.unexpected(t);
      }
      if (status != 0) {
        return "no CUDA: " + call + " failed: " + statusName(driver, status);
      }
      return devices > 0 ? "" : "no CUDA: the driver sees no device";
    }

    private static String statusName(NativeLibrary driver, int status) {
      // CUresult cuGetErrorName(CUresult error, const char **name)
      MethodHandle cuGetErrorName =
          driver.function("cuGetErrorName", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
      int found;
      String name;
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment pointer = arena.allocate(ADDRESS);
        found = (int) cuGetErrorName.invokeExact(status, pointer);
        name = found == 0 ? NativeLibrary.text(pointer.get(ADDRESS, 0)) : "unknown";
      } catch (Throwable t) {
        throw NativeLibrary.unexpected(t);
      }
      return name + " (" + status + ")";
    }
  }
}
