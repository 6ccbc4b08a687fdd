package org.gatun.cuda.nvml;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.gatun.cuda.Cuda;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** What the cards report of themselves. Any thread may read; initialised once for the life of the process. */
public final class Nvml {
  private static final int SUCCESS = 0;
  private static final int NOT_SUPPORTED = 3;
  private static final int SM_CLOCK = 1;
  private static final int MEMORY_CLOCK = 2;
  private static final int GPU_SENSOR = 0;

  /** Bits of {@code nvmlClocksEventReasons}, from the lowest; the first, an idle card, limits nothing. */
  private static final List<String> REASONS =
      List.of("idle", "application clocks", "power cap", "hardware slowdown", "sync boost",
          "software thermal slowdown", "hardware thermal slowdown", "power brake", "display clocks");

  private final NativeFunction systemGetDriverVersion;
  private final NativeFunction deviceGetHandleByPciBusId;
  private final NativeFunction deviceGetPowerUsage;
  private final NativeFunction deviceGetClockInfo;
  private final NativeFunction deviceGetMemoryInfo;
  private final NativeFunction deviceGetTemperature;
  private final NativeFunction deviceGetClocksEventReasons;
  private final MethodHandle errorString;

  private Nvml(NativeLibrary library) {
    systemGetDriverVersion = library.status("nvmlSystemGetDriverVersion", JAVA_LONG, JAVA_INT);
    deviceGetHandleByPciBusId = library.status("nvmlDeviceGetHandleByPciBusId_v2", JAVA_LONG, JAVA_LONG);
    deviceGetPowerUsage = library.status("nvmlDeviceGetPowerUsage", JAVA_LONG, JAVA_LONG);
    deviceGetClockInfo = library.status("nvmlDeviceGetClockInfo", JAVA_LONG, JAVA_INT, JAVA_LONG);
    deviceGetMemoryInfo = library.status("nvmlDeviceGetMemoryInfo", JAVA_LONG, JAVA_LONG);
    deviceGetTemperature = library.status("nvmlDeviceGetTemperature", JAVA_LONG, JAVA_INT, JAVA_LONG);
    // Throttle reasons became event reasons with driver 535; the bits are the same.
    String reasons = library.has("nvmlDeviceGetCurrentClocksEventReasons")
        ? "nvmlDeviceGetCurrentClocksEventReasons"
        : "nvmlDeviceGetCurrentClocksThrottleReasons";
    deviceGetClocksEventReasons = library.status(reasons, JAVA_LONG, JAVA_LONG);
    errorString = library.function("nvmlErrorString", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    // nvmlReturn_t nvmlInit_v2(void)
    NativeFunction init = library.status("nvmlInit_v2");
    check(init.call(), "nvmlInit_v2()");
  }

  /**
   * What a card reports: watts, MHz, bytes, degrees Celsius, and what holds its clocks down now. NaN or -1 stands for what the card, or the
   * way in which it is shared, does not report.
   */
  public record Reading(double watts, int smClockMhz, int memoryClockMhz, long usedBytes, long totalBytes,
      int temperature,
      List<String> throttleReasons) {
    public Reading {
      throttleReasons = List.copyOf(throttleReasons);
    }
  }

  /** The library, if the driver brought it and it answers; {@link #status} tells why it does not. */
  public static Optional<Nvml> load() {
    try {
      return Optional.of(open());
    } catch (UnsupportedOperationException | CudaException _) {
      return Optional.empty();
    }
  }

  /** Where the library is and the driver's release, or what is missing. */
  public static LibraryStatus status() {
    return LibraryStatus.ask(CudaLibrary.NVML, () -> open().driverRelease());
  }

  /** Initialising again is allowed, and counted. */
  private static Nvml open() {
    return new Nvml(CudaLibrary.NVML.open());
  }

  /** {@code nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)}: "580.65.06". */
  public String driverRelease() {
    Scratch scratch = Scratch.cleared();
    int status = systemGetDriverVersion.call(scratch.address(), (int) scratch.memory().byteSize());
    check(status, "nvmlSystemGetDriverVersion()");
    return scratch.memory().getString(0);
  }

  /** What CUDA's device {@code ordinal} reports now, found by its PCI bus: NVML counts devices that CUDA_VISIBLE_DEVICES hides. */
  public Reading read(int ordinal) {
    long device = device(Cuda.gpus().get(ordinal).busId());
    Scratch scratch = Scratch.cleared();
    // nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t, nvmlMemory_t { total, free, used } *)
    check(deviceGetMemoryInfo.call(device, scratch.address()), "nvmlDeviceGetMemoryInfo()");
    long total = scratch.int64();
    long used = scratch.memory().getAtIndex(JAVA_LONG, 2);
    return new Reading(watts(device), clock(device, SM_CLOCK), clock(device, MEMORY_CLOCK), used, total,
        temperature(device),
        throttleReasons(device));
  }

  /** {@code nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *busId, nvmlDevice_t *device)} */
  private long device(String busId) {
    try (Arena arena = Arena.ofConfined()) {
      Scratch scratch = Scratch.cleared();
      int status = deviceGetHandleByPciBusId.call(arena.allocateFrom(busId).address(), scratch.address());
      check(status, "nvmlDeviceGetHandleByPciBusId_v2(" + busId + ")");
      return scratch.int64();
    }
  }

  /** {@code nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)} */
  private double watts(long device) {
    Scratch scratch = Scratch.cleared();
    boolean told = isTold(deviceGetPowerUsage.call(device, scratch.address()), "nvmlDeviceGetPowerUsage()");
    return told ? scratch.int32() / 1e3 : Double.NaN;
  }

  /** {@code nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)} */
  private int clock(long device, int type) {
    Scratch scratch = Scratch.cleared();
    boolean told =
        isTold(deviceGetClockInfo.call(device, type, scratch.address()), "nvmlDeviceGetClockInfo(" + type + ")");
    return told ? scratch.int32() : -1;
  }

  /** {@code nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)} */
  private int temperature(long device) {
    Scratch scratch = Scratch.cleared();
    boolean told =
        isTold(deviceGetTemperature.call(device, GPU_SENSOR, scratch.address()), "nvmlDeviceGetTemperature()");
    return told ? scratch.int32() : -1;
  }

  /** {@code nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *bits)} */
  private List<String> throttleReasons(long device) {
    Scratch scratch = Scratch.cleared();
    String call = deviceGetClocksEventReasons.name() + "()";
    return isTold(deviceGetClocksEventReasons.call(device, scratch.address()), call) ? reasons(scratch.int64())
        : List.of();
  }

  static List<String> reasons(long bits) {
    var reasons = new ArrayList<String>();
    for (int i = 1; i < REASONS.size(); i++) {
      if ((bits >> i & 1) != 0) {
        reasons.add(REASONS.get(i));
      }
    }
    return reasons;
  }

  private boolean isTold(int status, String call) {
    check(status == NOT_SUPPORTED ? SUCCESS : status, call);
    return status == SUCCESS;
  }

  private void check(int status, String call) {
    if (status != SUCCESS) {
      throw new CudaException(call, status, "NVML status", text(status));
    }
  }

  /** {@code const char *nvmlErrorString(nvmlReturn_t status)} */
  private String text(int status) {
    try {
      return NativeLibrary.text((MemorySegment) errorString.invokeExact(status));
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }
}
