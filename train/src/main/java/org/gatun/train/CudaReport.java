package org.gatun.train;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import org.gatun.cuda.Cuda;
import org.gatun.cuda.GpuProperties;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.cublaslt.CublasLt;
import org.gatun.cuda.cudnn.Cudnn;
import org.gatun.cuda.nccl.NcclComm;
import org.gatun.cuda.nvml.Nvml;
import org.gatun.cuda.nvrtc.Nvrtc;

/** What {@code gatun doctor} says of GPUs and NVIDIA's libraries: where each is, or what is missing, what was tried and how to get it. */
final class CudaReport {
  private CudaReport() {}

  /** The lines, each a subject of at most ten letters, or none where it goes on, and what there is to say of it. */
  record Line(String subject, String text) {
  }

  static List<Line> lines() {
    var lines = new ArrayList<Line>();
    lines.add(new Line("cuda", Cuda.whyNot().orElseGet(CudaReport::devices)));
    Cuda.gpus().forEach(gpu -> lines.add(new Line("gpu " + gpu.ordinal(), describe(gpu))));
    lines.addAll(describe(libraries()));
    return lines;
  }

  private static List<LibraryStatus> libraries() {
    var libraries = new ArrayList<>(Cuda.libraries());
    libraries.add(Nvrtc.status());
    libraries.add(CublasLt.status());
    libraries.add(Cudnn.status());
    libraries.add(NcclComm.status());
    libraries.add(Nvml.status());
    return libraries;
  }

  private static String devices() {
    int version = Cuda.driverVersion();
    return String.format(Locale.ROOT, "%d GPU%s, driver%s for CUDA %d.%d", Cuda.deviceCount(),
        Cuda.deviceCount() == 1 ? "" : "s",
        Nvml.load().map(nvml -> " " + nvml.driverRelease()).orElse(""), version / 1000, version % 1000 / 10);
  }

  private static String describe(GpuProperties gpu) {
    return String.format(Locale.ROOT, "%s, %.1f GB, compute capability %d.%d, %d multiprocessors, PCI bus %s",
        gpu.name(),
        gpu.totalMemory() / 1e9, gpu.computeCapability() / 10, gpu.computeCapability() % 10, gpu.multiprocessors(),
        gpu.busId());
  }

  /** What is missing for several libraries is explained once. */
  static List<Line> describe(List<LibraryStatus> libraries) {
    var lines = new ArrayList<Line>();
    var explained = new HashSet<String>();
    for (LibraryStatus status : libraries) {
      List<Line> all = describe(status);
      lines.addAll(status.isUsable() || explained.add(status.whyNot()) ? all : all.subList(0, 1));
    }
    return lines;
  }

  private static List<Line> describe(LibraryStatus status) {
    String name = status.library().replaceFirst("^the NVIDIA ", "");
    if (status.isUsable()) {
      return List.of(new Line(name, status.version() + ", " + status.path()));
    }
    var lines = new ArrayList<Line>();
    lines.add(new Line(name, status.whyNot()));
    status.tried().forEach(tried -> lines.add(new Line("", "tried: " + tried)));
    lines.add(new Line("", "to do: " + status.remedy()));
    return lines;
  }
}
