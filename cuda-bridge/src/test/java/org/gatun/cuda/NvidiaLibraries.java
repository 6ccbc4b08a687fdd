package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.LibrarySearch;
import org.gatun.cuda.ffi.MissingLibraryException;
import org.gatun.cuda.ffi.NativeLibrary;

/**
 * NVIDIA's real libraries for tests that need no device: from the folder {@code nvidia} of a Python's site-packages that
 * GATUN_TEST_NVIDIA names, else wherever the product finds them. Tests are skipped where they are missing, and fail where
 * GATUN_REQUIRE_NATIVE is 1.
 */
@SuppressWarnings("exports") // for tests of this module alone
public final class NvidiaLibraries {
  private static final Path DRIVER_SOURCE = Path.of("src/test/native/driver-without-device.c");
  private static final Path DRIVER = Path.of("target/driver-without-device/libcuda.so.1");

  private NvidiaLibraries() {}

  /** Opens {@code libraries}, or skips the test. */
  public static void require(CudaLibrary... libraries) {
    String folder = System.getenv("GATUN_TEST_NVIDIA");
    if (folder != null && System.getProperty(LibrarySearch.FOLDERS) == null) {
      System.setProperty(LibrarySearch.FOLDERS, Stream.of("cu13/lib", "cudnn/lib", "nccl/lib")
          .map(part -> Path.of(folder, part).toString())
          .collect(Collectors.joining(File.pathSeparator)));
    }
    try {
      for (CudaLibrary library : libraries) {
        library.open();
      }
    } catch (MissingLibraryException e) {
      missing(e.getMessage());
    }
  }

  /**
   * As {@link #require}, with a driver behind which there is no device: cuDNN compiles plans only where it can open some
   * libcuda.so.1. One that is here already will do as well.
   */
  public static synchronized void requireWithDriver(CudaLibrary... libraries) {
    try {
      NativeLibrary.open("libcuda.so.1");
    } catch (UnsupportedOperationException _) {
      buildDriver();
      NativeLibrary.open(DRIVER.toAbsolutePath().toString());
    }
    require(libraries);
  }

  private static void buildDriver() {
    try {
      if (Files.exists(DRIVER)
          && Files.getLastModifiedTime(DRIVER).compareTo(Files.getLastModifiedTime(DRIVER_SOURCE)) > 0) {
        return;
      }
      Files.createDirectories(DRIVER.getParent());
      Path built = Files.createTempFile(DRIVER.getParent(), "libcuda", ".so");
      Process compiler =
          new ProcessBuilder("gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", built.toString(),
              DRIVER_SOURCE.toString()).inheritIO().start();
      if (!compiler.waitFor(60, TimeUnit.SECONDS) || compiler.exitValue() != 0) {
        fail("gcc did not build " + DRIVER_SOURCE);
      }
      Files.move(built, DRIVER, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      missing("no gcc to build " + DRIVER_SOURCE + " with: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail("interrupted while gcc ran", e);
    }
  }

  private static void missing(String reason) {
    if ("1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
      fail(reason);
    }
    abort(reason);
  }
}
