package org.gatun.cuda;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.MissingLibraryException;

/** Whether this machine has NVIDIA's driver and a GPU that it can use, and which. */
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

  /** How many devices the driver shows to this process; 0 where {@link #whyNot} has a reason. */
  public static int deviceCount() {
    return isAvailable() ? Driver.deviceCount() : 0;
  }

  /**
   * The newest CUDA that the driver can run, 13000 for CUDA 13.0; 0 where there is no driver.
   */
  public static int driverVersion() {
    return DriverFile.STATUS.isUsable() ? CudaLibrary.driverVersion() : 0;
  }

  /** The devices, without opening them; none where {@link #whyNot} has a reason. */
  public static List<GpuProperties> gpus() {
    return IntStream.range(0, deviceCount()).mapToObj(GpuProperties::of).toList();
  }

  /** The state of the driver's library; each of the others is told by its own package's {@code status()}. */
  public static List<LibraryStatus> libraries() {
    return List.of(DriverFile.STATUS);
  }

  /** Throws {@code UnsupportedOperationException} with {@link #whyNot} where there is no usable GPU. */
  static void require() {
    if (!isAvailable()) {
      throw new UnsupportedOperationException(Answer.WHY_NOT);
    }
  }

  private static String dotted(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }

  private static final class DriverFile {
    private static final LibraryStatus STATUS =
        LibraryStatus.ask(CudaLibrary.DRIVER, () -> "for CUDA " + dotted(CudaLibrary.driverVersion()));
  }

  private static final class Answer {
    private static final int OLDEST_DRIVER = 12000;
    private static final String WHY_NOT = ask();

    private static String ask() {
      try {
        int version = CudaLibrary.driverVersion();
        if (version < OLDEST_DRIVER) {
          // Asked before any other function: an older driver lacks some.
          return "no CUDA: the driver is for CUDA " + dotted(version)
              + "; update it to one for CUDA 12.0 (525) or later";
        }
        Driver.init();
        return Driver.deviceCount() > 0 ? "" : "no CUDA: the driver sees no device";
      } catch (MissingLibraryException e) {
        String loader = e.tried().stream().filter(tried -> tried.startsWith("cannot load")).findFirst()
            .orElse(e.reason() + " (" + String.join(", ", e.tried()) + ")");
        return "no CUDA: " + loader + "; " + e.remedy();
      } catch (UnsupportedOperationException | CudaException e) {
        return "no CUDA: " + e.getMessage();
      } catch (IllegalCallerException e) {
        return "no CUDA: native access is denied; start java with --enable-native-access=org.gatun.cuda";
      }
    }
  }
}
