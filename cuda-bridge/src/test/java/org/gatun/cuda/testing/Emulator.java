package org.gatun.cuda.testing;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.gatun.cuda.Cuda;
import org.gatun.cuda.ffi.LibrarySearch;

/**
 * The emulator of NVIDIA's libraries, built on first use and made the only place where the bridge looks; to be asked before anything else of
 * the bridge. With GATUN_TEST_DEVICE=cuda the same tests run on the machine's own libraries and GPU.
 */
public final class Emulator {
  private static final Path SCRIPT =
      Path.of("..", "cuda-bridge", "src", "test", "native", "build").toAbsolutePath().normalize();
  private static final Path FOLDER = Path.of("..", "cuda-bridge", "target", "emulator").toAbsolutePath().normalize();
  /** What the script exits with where there is no compiler. */
  private static final int NO_COMPILER = 3;

  private Emulator() {}

  /** Builds it, once for each process; why it cannot be had on this machine, or nothing if it is there. */
  public static Optional<String> whyNot() {
    return Build.WHY_NOT.isEmpty() ? Optional.empty() : Optional.of(Build.WHY_NOT);
  }

  private static final class Build {
    private static final String WHY_NOT =
        "cuda".equals(System.getenv("GATUN_TEST_DEVICE")) ? Cuda.whyNot().orElse("") : run();

    private static String run() {
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
        throw new IllegalStateException("the emulator does not build: " + SCRIPT, e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while the emulator was built", e);
      }
      System.setProperty(LibrarySearch.FOLDERS, FOLDER.toString());
      System.setProperty(LibrarySearch.ONLY, "true");
      return "";
    }
  }
}
