package org.gatun.cuda.ffi;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** NVIDIA's libraries that are used here: their file names by CUDA's major version, where pip keeps them, and where to get them. */
public enum CudaLibrary {
  DRIVER("the NVIDIA driver", "libcuda.so.1", List.of(),
      "install NVIDIA's driver, 580 or later for CUDA 13 (Debian and Ubuntu: "
          + "apt install nvidia-driver-580; in a container: start it with --gpus all)"),
  NVRTC("NVRTC", "libnvrtc.so.%d", List.of("cu%d/lib", "cuda_nvrtc/lib"), "nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12",
      "cuda-nvrtc-13-0"),
  CUBLAS_LT("cuBLASLt", "libcublasLt.so.%d", List.of("cu%d/lib", "cublas/lib"), "nvidia-cublas", "nvidia-cublas-cu12",
      "libcublas-13-0"),
  CUDNN("cuDNN", "libcudnn.so.9", List.of("cudnn/lib"), "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "libcudnn9-cuda-13"),
  NCCL("NCCL", "libnccl.so.2", List.of("nccl/lib"), "nvidia-nccl-cu13", "nvidia-nccl-cu12", "libnccl2"),
  NVML("NVML", "libnvidia-ml.so.1", List.of(), "it comes with NVIDIA's driver: install that");

  private static final List<Integer> MAJORS = List.of(13, 12);

  private final String title;
  private final String soname;
  private final List<String> wheelFolders;
  private final String remedy;
  private NativeLibrary opened;
  private MissingLibraryException missing;

  CudaLibrary(String title, String soname, List<String> wheelFolders, String remedy) {
    this.title = title;
    this.soname = soname;
    this.wheelFolders = wheelFolders;
    this.remedy = remedy;
  }

  CudaLibrary(String title, String soname, List<String> wheelFolders, String wheel13, String wheel12,
      String debianPackage) {
    this(title, soname, wheelFolders, "get it with pip install " + wheel13 + " (CUDA 12: " + wheel12
        + ") in the environment that VIRTUAL_ENV names, with NVIDIA's apt package " + debianPackage
        + ", or name its folder in GATUN_CUDA_LIBRARIES");
  }

  /** Its name among people. */
  public String title() {
    return title;
  }

  /** One sentence on how to get it. */
  public String remedy() {
    return remedy;
  }

  /** True if the driver brings it: then the system's loader knows best where it is. */
  boolean comesWithDriver() {
    return wheelFolders.isEmpty();
  }

  /** File names to look for, the best first. */
  List<String> fileNames(List<Integer> majors) {
    return majors.stream().map(major -> String.format(Locale.ROOT, soname, major)).distinct().toList();
  }

  /** Folders below {@code site-packages/nvidia} in which pip's wheels keep it. */
  List<String> wheelFolders(List<Integer> majors) {
    var folders = new ArrayList<String>();
    for (int major : majors) {
      wheelFolders.forEach(folder -> folders.add(String.format(Locale.ROOT, folder, major)));
    }
    return folders.stream().distinct().toList();
  }

  /**
   * The library, searched for on the first call and kept for the life of the process, after the libraries that it cannot do without. Throws
   * {@link MissingLibraryException} if it cannot be had.
   */
  public synchronized NativeLibrary open() {
    if (missing != null) {
      throw missing;
    }
    if (opened == null) {
      try {
        preload();
        opened = LibrarySearch.ofThisProcess().open(this, majors());
        if (this == NVRTC) {
          LibrarySearch.openBeside(opened.path(), "libnvrtc-builtins.so.");
        }
      } catch (MissingLibraryException e) {
        missing = e;
        throw e;
      }
    }
    return opened;
  }

  /** The major version of CUDA in the name of the file that was opened: 13 for {@code libcublasLt.so.13}; 0 where the name has none. */
  public int cudaMajor() {
    String file = open().path().getFileName().toString();
    return MAJORS.stream().filter(major -> soname.contains("%d") && file.contains(".so." + major)).findFirst()
        .orElse(0);
  }

  /**
   * NVIDIA's libraries look for the driver, and cuDNN for cuBLASLt, by bare name, and find what was opened by its path before; cuDNN
   * <em>ends the process</em> where it does not find cuBLASLt (seen with 9.24).
   */
  private void preload() {
    if (this != DRIVER) {
      try {
        DRIVER.open();
      } catch (MissingLibraryException _) {
        // Compiling and planning work without one; what does not says so itself.
      }
    }
    if (this == CUDNN) {
      CUBLAS_LT.open();
    }
  }

  /** A driver runs libraries of its own and of older major versions of CUDA; without one all are good to look at. */
  private static List<Integer> majors() {
    int newest = DRIVER.opened == null ? Integer.MAX_VALUE : driverVersion() / 1000;
    return MAJORS.stream().filter(major -> major <= newest).toList();
  }

  /** The newest CUDA that the driver can run, 13000 for 13.0; throws as {@link #open} where there is none. */
  public static int driverVersion() {
    // CUresult cuDriverGetVersion(int *version)
    NativeFunction cuDriverGetVersion = DRIVER.open().status("cuDriverGetVersion", JAVA_LONG);
    Scratch scratch = Scratch.cleared();
    int status = cuDriverGetVersion.call(scratch.address());
    if (status != 0) {
      throw new UnsupportedOperationException(
          "cuDriverGetVersion() failed with status " + status + "; install NVIDIA's driver again");
    }
    return scratch.int32();
  }
}
