package org.gatun.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.gatun.cuda.Cuda;
import org.gatun.gpu.CudaDevice;

/** The CUDA devices of tests: the emulator of cuda-bridge's tests, built on first use, or the machine's own. */
public final class CudaDevices {
  private static final Path SCRIPT =
      Path.of("..", "cuda-bridge", "src", "test", "native", "build").toAbsolutePath().normalize();
  private static final Path FOLDER = Path.of("..", "cuda-bridge", "target", "emulator").toAbsolutePath().normalize();
  /** What the script exits with where there is no compiler. */
  private static final int NO_COMPILER = 3;

  private CudaDevices() {}

  /** Why there is no device; empty if there is one. */
  static String whyNot() {
    return Asked.WHY_NOT;
  }

  /** Whether it is the emulator. */
  public static boolean isEmulated() {
    return !"cuda".equals(System.getenv("GATUN_TEST_DEVICE"));
  }

  /** Opens the first device. */
  public static CudaDevice open() {
    return new CudaDevice(0, options());
  }

  /** The defaults with a cache of this process: the emulator keeps compiled kernels itself, and knows when they are stale. */
  public static CudaDevice.Options options() {
    return CudaDevice.Options.defaults().withCache(Cache.FOLDER);
  }

  private static final class Asked {
    private static final String WHY_NOT = ask();

    private static String ask() {
      String trouble = isEmulated() ? build() : "";
      return trouble.isEmpty() ? Cuda.whyNot().orElse("") : trouble;
    }

    private static String build() {
      try {
        Process build = new ProcessBuilder(SCRIPT.toString(), FOLDER.toString()).redirectErrorStream(true).start();
        build.getOutputStream().close();
        String said = new String(build.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        int status = build.waitFor();
        if (status == NO_COMPILER) {
          return said;
        }
        if (status != 0) {
          throw new IllegalStateException(
              "the emulator does not build, " + SCRIPT + " exits with " + status + ":\n" + said);
        }
      } catch (IOException e) {
        throw new UncheckedIOException("cannot run " + SCRIPT, e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while the emulator was built", e);
      }
      System.setProperty("gatun.cuda.libraries", FOLDER.toString());
      System.setProperty("gatun.cuda.only", "true");
      return "";
    }
  }

  private static final class Cache {
    private static final Path FOLDER = make();

    private static Path make() {
      try {
        Path folder = Files.createTempDirectory(Files.createDirectories(Path.of("target")), "kernels");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> clear(folder)));
        return folder;
      } catch (IOException e) {
        throw new UncheckedIOException("cannot make a folder for compiled kernels", e);
      }
    }

    private static void clear(Path folder) {
      try (var files = Files.list(folder)) {
        List<Path> all = files.toList();
        for (Path file : all) {
          Files.delete(file);
        }
        Files.delete(folder);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot clear " + folder, e);
      }
    }
  }
}
