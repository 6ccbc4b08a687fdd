package org.gatun.train;

import org.gatun.cpu.CpuDevice;
import org.gatun.cuda.Cuda;
import org.gatun.tensor.Device;
import picocli.CommandLine.Option;

/** Where to compute. */
final class DeviceOptions {
  @Option(names = "--device", paramLabel = "cpu|cuda[:N]", defaultValue = "cpu", description = "Where to compute.")
  String device;

  @Option(names = "--threads", paramLabel = "N", description = "CPU threads; one a physical core if not given.")
  Integer threads;

  @Option(names = "--blas", paramLabel = "java|mkl|accelerate|PATH", defaultValue = "java", description = "What multiplies matrices on the CPU: Gatun's own code, or a library of the system.")
  String blas;

  void validate() {
    if (threads != null) {
      WrongUse.unlessAtLeast("--threads", 1, threads);
    }
    if (!device.matches("cpu|cuda(:\\d+)?")) {
      throw new WrongUse("--device " + device + ": there are cpu and cuda[:N]");
    }
  }

  /**
   * The device asked for.
   *
   * @throws UnsupportedOperationException if the machine lacks it
   */
  Device open() {
    if (device.startsWith("cuda")) {
      throw new UnsupportedOperationException(
          "--device "
              + device
              + ": "
              + Cuda.whyNot().map(reason -> reason + "; ").orElse("")
              + "this version trains on the CPU only, use --device cpu");
    }
    int team = threads == null ? CpuDevice.physicalCores() : threads;
    return new CpuDevice(team, blas.equals("java") ? null : blas);
  }
}
