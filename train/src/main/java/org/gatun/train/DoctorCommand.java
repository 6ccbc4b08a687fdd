package org.gatun.train;

import java.util.Locale;
import java.util.concurrent.Callable;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.DType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code gatun doctor}: what this machine offers. */
@Command(name = "doctor", description = "Show what this machine offers: Java, processor, memory, GPU.", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class DoctorCommand implements Callable<Integer> {
  @Mixin
  DeviceOptions deviceOptions;

  @Override
  public Integer call() {
    deviceOptions.validate();
    line("gatun", Versions.gatun());
    line(
        "java",
        Runtime.version()
            + ", "
            + System.getProperty("java.vm.name")
            + ", "
            + System.getProperty("java.home"));
    line("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    try (var device = deviceOptions.open()) {
      line(
          "processor",
          device.name()
              + " of "
              + Runtime.getRuntime().availableProcessors()
              + " hardware threads");
      if (device instanceof CpuDevice cpu) {
        line("loops", cpu.loops());
      }
      line(
          "speed",
          String.format(
              Locale.ROOT, "%.0f GFLOP/s, multiplying matrices", PeakMeter.products(device, DType.F32) / 1e9));
    }
    line(
        "heap",
        gigabytes(Runtime.getRuntime().maxMemory()) + " at most; tensors live outside of it");
    if (java.lang.management.ManagementFactory
        .getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system) {
      line(
          "memory",
          gigabytes(system.getTotalMemorySize())
              + ", "
              + gigabytes(system.getFreeMemorySize())
              + " free");
    }
    CudaReport.lines().forEach(line -> line(line.subject(), line.text()));
    return 0;
  }

  private static String gigabytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
  }

  private static void line(String name, String value) {
    System.out.printf(Locale.ROOT, "%-10s %s%n", name, value);
  }
}
