package org.gatun.train;

import org.gatun.cpu.CpuDevice;
import org.gatun.cuda.Cuda;
import org.gatun.cuda.CudaContext;
import org.gatun.gpu.CudaDevice;
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

  @Option(names = "--tune", defaultValue = "false", description = "On a GPU, time the candidates for each matrix product when it is first met; what is found is kept for the next start.")
  boolean tune;

  @Option(names = "--deterministic", defaultValue = "false", description = "On a GPU, the same bits at every run, also of attention in bf16, whose backward pass then takes more memory. On the CPU it"
      + " is so in any case.")
  boolean deterministic;

  void validate() {
    if (threads != null) {
      WrongUse.unlessAtLeast("--threads", 1, threads);
    }
    if (!device.matches("cpu|cuda(:\\d+)?")) {
      throw new WrongUse("--device " + device + ": there are cpu and cuda[:N]");
    }
  }

  /** Whether a GPU is asked for. */
  boolean isCuda() {
    return device.startsWith("cuda");
  }

  /**
   * The GPU of a rank.
   *
   * @throws WrongUse if the options name another device
   */
  void useGpu(int ordinal, Origins origins) {
    if (origins.isChosen("device") && !device.equals("cuda")) {
      throw new WrongUse("--device " + device + ": several ranks train on a GPU each; leave --device out");
    }
    device = "cuda:" + ordinal;
  }

  /** The number of the GPU asked for. */
  int ordinal() {
    int colon = device.indexOf(':');
    return colon < 0 ? 0 : Integer.parseInt(device.substring(colon + 1));
  }

  /** The device asked for, computing in F32 where nothing else is said. */
  Device open() {
    return open(Arithmetic.F32);
  }

  /**
   * The device asked for.
   *
   * @throws UnsupportedOperationException if the machine lacks it
   */
  Device open(Arithmetic arithmetic) {
    return open(arithmetic, false);
  }

  /** As {@link #open(Arithmetic)}; a GPU sums all gradients in a fixed order where {@code deterministic} asks for it. */
  Device open(Arithmetic arithmetic, boolean deterministic) {
    if (!isCuda()) {
      int team = threads == null ? CpuDevice.physicalCores() : threads;
      return new CpuDevice(team, blas.equals("java") ? null : blas);
    }
    requireCuda();
    return new CudaDevice(
        ordinal(),
        CudaDevice.Options.defaults().withTf32(arithmetic == Arithmetic.TF32).withTune(tune)
            .withDeterministic(deterministic));
  }

  /** Counts what the device asked for would take. */
  Device rehearsal() {
    return isCuda() ? CudaDevice.rehearsal() : CpuDevice.rehearsal();
  }

  private void requireCuda() {
    Cuda.whyNot().ifPresent(reason -> {
      throw new UnsupportedOperationException(
          "--device " + device + ": " + reason + "; gatun doctor tells more, --device cpu does without");
    });
  }

  /** Bytes that the device can still give. */
  long available() {
    if (!isCuda()) {
      return new MachineMemory().available();
    }
    requireCuda();
    try (var context = CudaContext.open(ordinal())) {
      return context.freeMemory();
    }
  }
}
