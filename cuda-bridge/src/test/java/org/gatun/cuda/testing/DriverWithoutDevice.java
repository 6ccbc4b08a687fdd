package org.gatun.cuda.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;
import org.gatun.cuda.ffi.NativeLibrary;

/** A driver behind which there is no device: cuDNN compiles plans only where it can open some libcuda.so.1. */
public final class DriverWithoutDevice {
  private static final Path SOURCE = Path.of("src/test/native/driver-without-device.c");
  private static final Path LIBRARY = Path.of("target/driver-without-device/libcuda.so.1");

  private DriverWithoutDevice() {}

  /** Opens it for the life of the process, or a real one where there is one; skips the test where there is no compiler. */
  public static synchronized void open() {
    try {
      NativeLibrary.open("libcuda.so.1");
    } catch (UnsupportedOperationException _) {
      build();
      NativeLibrary.open(LIBRARY.toAbsolutePath().toString());
    }
  }

  private static void build() {
    try {
      if (Files.exists(LIBRARY)
          && Files.getLastModifiedTime(LIBRARY).compareTo(Files.getLastModifiedTime(SOURCE)) > 0) {
        return;
      }
      Files.createDirectories(LIBRARY.getParent());
      Path built = Files.createTempFile(LIBRARY.getParent(), "libcuda", ".so");
      Process compiler =
          new ProcessBuilder("gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", built.toString(),
              SOURCE.toString()).inheritIO().start();
      if (!compiler.waitFor(60, TimeUnit.SECONDS) || compiler.exitValue() != 0) {
        fail("gcc did not build " + SOURCE);
      }
      Files.move(built, LIBRARY, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      noCompiler("no gcc to build " + SOURCE + " with: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail("interrupted while gcc ran", e);
    }
  }

  private static void noCompiler(String reason) {
    if ("1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
      fail("GATUN_REQUIRE_NATIVE=1, but " + reason);
    }
    abort(reason);
  }
}
