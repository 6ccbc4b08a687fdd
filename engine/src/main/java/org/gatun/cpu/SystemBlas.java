package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.gatun.tensor.DType;

/** The single-precision matrix product of a BLAS that is installed on this machine, by choice of the user. */
@SuppressWarnings("restricted")
final class SystemBlas {
  // https://www.netlib.org/blas/cblas.h
  private static final int ROW_MAJOR = 101;
  private static final int AS_IS = 111;
  private static final int TRANSPOSED = 112;

  private static final String MKL_REMEDY =
      "install it (pip install mkl, or the package intel-oneapi-mkl) and set MKLROOT to the folder"
          + " that has it under lib, or give the path of libmkl_rt";
  private static final Path ACCELERATE =
      Path.of("/System/Library/Frameworks/Accelerate.framework/Accelerate");

  private final MethodHandle sgemm;
  private final MethodHandle setThreads;

  /** Binds the functions of {@code library}, which messages call {@code name}. */
  SystemBlas(SymbolLookup library, String name) {
    Linker linker = Linker.nativeLinker();
    MemorySegment function =
        library
            .find("cblas_sgemm")
            .orElseThrow(
                () -> new IllegalArgumentException(
                    "BLAS " + name + ": has no function cblas_sgemm; give a library with the CBLAS interface"));
    sgemm =
        linker.downcallHandle(
            function,
            FunctionDescriptor.ofVoid(
                JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_FLOAT,
                ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_FLOAT, ADDRESS, JAVA_INT));
    // Both take the count by value; MKL's returns the old one, which a void descriptor drops.
    setThreads =
        Stream.of("MKL_Set_Num_Threads_Local", "openblas_set_num_threads")
            .flatMap(symbol -> library.find(symbol).stream())
            .findFirst()
            .map(symbol -> linker.downcallHandle(symbol, FunctionDescriptor.ofVoid(JAVA_INT)))
            .orElse(null);
  }

  /**
   * Binds a library for the rest of the process.
   *
   * @param name {@code mkl}, {@code accelerate}, or the path of a library with the CBLAS interface
   * @throws UnsupportedOperationException if {@code mkl} or {@code accelerate} is not installed
   * @throws IllegalArgumentException if there is no such library, or it has no {@code cblas_sgemm}
   */
  static SystemBlas open(String name) {
    SymbolLookup library =
        switch (name) {
          case "mkl" -> mkl();
          case "accelerate" -> accelerate();
          default -> atPath(name);
        };
    return new SystemBlas(library, name);
  }

  /** Whether {@link #multiply} takes these: F32, with something to sum, and with strides that BLAS can express. */
  static boolean takes(Matrix c, Matrix a, Matrix b) {
    return a.columns() > 0 && c.columnStride() == 1 && fits(c) && (fits(a) || fits(a.transposed()))
        && (fits(b) || fits(b.transposed()));
  }

  private static boolean fits(Matrix x) {
    return x.dtype() == DType.F32
        && x.columnStride() == 1
        && x.rowStride() >= Math.max(1, x.columns())
        && x.rowStride() <= Integer.MAX_VALUE;
  }

  /** c = a·b, or c += a·b, by the calling thread alone where the library lets one say so. */
  void multiply(Matrix c, Matrix a, Matrix b, boolean add) {
    boolean plainA = fits(a);
    boolean plainB = fits(b);
    int strideA = (int) (plainA ? a.rowStride() : a.columnStride());
    int strideB = (int) (plainB ? b.rowStride() : b.columnStride());
    try {
      if (setThreads != null) {
        setThreads.invokeExact(1);
      }
      sgemm.invokeExact(
          ROW_MAJOR, plainA ? AS_IS : TRANSPOSED, plainB ? AS_IS : TRANSPOSED,
          c.rows(), c.columns(), a.columns(), 1f,
          start(a), strideA, start(b), strideB, add ? 1f : 0f, start(c), (int) c.rowStride());
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // native functions throw nothing
      throw new IllegalStateException("cblas_sgemm", t);
    }
  }

  private static MemorySegment start(Matrix x) {
    return x.bytes().asSlice(x.offset() * Float.BYTES);
  }

  private static SymbolLookup mkl() {
    List<String> names =
        System.getProperty("os.name").startsWith("Windows")
            ? List.of("mkl_rt.3.dll", "mkl_rt.2.dll", "mkl_rt.dll")
            : List.of("libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so", "libmkl_rt.2.dylib", "libmkl_rt.dylib");
    List<Path> folders = mklFolders();
    for (Path folder : folders) {
      for (String name : names) {
        if (Files.exists(folder.resolve(name))) {
          return SymbolLookup.libraryLookup(folder.resolve(name), Arena.global());
        }
      }
    }
    for (String name : names) {
      try {
        return SymbolLookup.libraryLookup(name, Arena.global());
      } catch (IllegalArgumentException _) { // not on the loader's path under this name
        continue;
      }
    }
    throw new UnsupportedOperationException(
        "BLAS mkl: found none of " + names + " in " + folders + " or on the library path; " + MKL_REMEDY);
  }

  /** Where oneAPI, Debian, Conda and pip put MKL. */
  private static List<Path> mklFolders() {
    var folders = new ArrayList<Path>();
    Stream.of("MKLROOT", "CONDA_PREFIX", "VIRTUAL_ENV")
        .map(System::getenv)
        .filter(Objects::nonNull)
        .map(root -> Path.of(root, "lib"))
        .forEach(folders::add);
    folders.add(Path.of(System.getProperty("user.home"), ".local", "lib"));
    folders.add(Path.of("/opt/intel/oneapi/mkl/latest/lib"));
    folders.add(Path.of("/usr/local/lib"));
    folders.add(Path.of("/usr/lib/x86_64-linux-gnu"));
    return folders;
  }

  private static SymbolLookup accelerate() {
    if (!System.getProperty("os.name").startsWith("Mac")) {
      throw new UnsupportedOperationException(
          "BLAS accelerate: it is part of macOS, and this is "
              + System.getProperty("os.name") + "; use mkl, the path of a library, or none");
    }
    // The file is in the loader's cache rather than on the disk: it cannot be looked for.
    return SymbolLookup.libraryLookup(ACCELERATE, Arena.global());
  }

  private static SymbolLookup atPath(String name) {
    if (!Files.isRegularFile(Path.of(name))) {
      throw new IllegalArgumentException(
          "BLAS " + name + ": no such file; give mkl, accelerate, or the path of a library with the CBLAS interface");
    }
    return SymbolLookup.libraryLookup(Path.of(name), Arena.global());
  }
}
