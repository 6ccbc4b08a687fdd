package org.gatun.cuda.ffi;

import java.util.Locale;
import java.util.Optional;

/** Releases of NVIDIA's libraries that are known not to do, and why: asked when a library is opened, not when a result is wrong. */
public final class VersionWindow {
  /** The first cuDNN that describes a device by a descriptor of its own. */
  private static final long OLDEST_CUDNN = 90800;

  private VersionWindow() {}

  /**
   * Why bf16 attention cannot be had of cuDNN {@code version} (92400 for 9.24.0), in one sentence; empty if it can. Releases from NVIDIA's
   * cudnn-frontend, {@code sdpa_support_surface.h}.
   */
  public static Optional<String> whyNotCudnn(long version) {
    if (version < OLDEST_CUDNN) {
      return refuse(version, "is older than 9.8, which attention needs");
    }
    if (version == 91000 || version == 91001) {
      return refuse(version, "computes attention in bf16 wrongly, a bug of that release");
    }
    return Optional.empty();
  }

  /**
   * Why cuDNN cannot work with the cuBLASLt that was opened: built for CUDA {@code cudartVersion} (13000 for 13.0), it looks for that major
   * version's and <em>ends the process</em> where it does not find it. {@code cublasLtMajor} is {@link CudaLibrary#cudaMajor}; 0 where the
   * file's name does not tell.
   */
  public static Optional<String> whyNotTogether(long cudartVersion, int cublasLtMajor) {
    long built = cudartVersion / 1000;
    return cublasLtMajor == 0 || built == cublasLtMajor
        ? Optional.empty()
        : Optional
            .of("cuDNN is built for CUDA " + built + " and the cuBLASLt found before it is of CUDA " + cublasLtMajor
                + "; install both for one of them, or name the folders in GATUN_CUDA_LIBRARIES");
  }

  /** 9.24.0 for 92400. */
  public static String cudnnVersion(long version) {
    return String.format(Locale.ROOT, "%d.%d.%d", version / 10000, version % 10000 / 100, version % 100);
  }

  private static Optional<String> refuse(long version, String reason) {
    return Optional
        .of("cuDNN " + cudnnVersion(version) + " " + reason + "; install 9.11 or later: " + CudaLibrary.CUDNN.remedy());
  }
}
