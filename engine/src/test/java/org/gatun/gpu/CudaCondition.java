package org.gatun.gpu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.gatun.cuda.Cuda;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Builds the emulator where this process is to use it, and asks whether there is a device. */
final class CudaCondition implements ExecutionCondition {
  private static final Path BUILD = Path.of("..", "cuda-bridge", "src", "test", "native", "build");

  /** Why there is no device; empty if there is one. */
  private static final String WHY_NOT = ask();

  private static String ask() {
    if (Boolean.getBoolean("gatun.cuda.only")) {
      String trouble = build(Path.of(System.getProperty("gatun.cuda.libraries")));
      if (!trouble.isEmpty()) {
        return trouble;
      }
    }
    return Cuda.whyNot().orElse("");
  }

  private static String build(Path folder) {
    try {
      Process build = new ProcessBuilder(BUILD.toString(), folder.toString()).redirectErrorStream(true).start();
      String said = new String(build.getInputStream().readAllBytes()).strip();
      return build.waitFor() == 0 ? "" : "the emulator was not built: " + said;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot run " + BUILD, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the emulator was built", e);
    }
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    boolean required = "1".equals(System.getenv("GATUN_REQUIRE_NATIVE"));
    return WHY_NOT.isEmpty() || required
        ? ConditionEvaluationResult.enabled("there is a device, or there must be one")
        : ConditionEvaluationResult.disabled(WHY_NOT);
  }

  /** A device whose compiled kernels are kept for this process alone: the emulator has a cache of its own. */
  static CudaDevice open() {
    return new CudaDevice(0, options());
  }

  static CudaDevice.Options options() {
    return CudaDevice.Options.defaults().withCache(Cache.FOLDER);
  }

  private static final class Cache {
    private static final Path FOLDER = make();

    private static Path make() {
      try {
        Path target = Files.createDirectories(Path.of("target"));
        Path folder = Files.createTempDirectory(target, "kernels");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> clear(folder)));
        return folder;
      } catch (IOException e) {
        throw new UncheckedIOException("cannot make a folder for kernels", e);
      }
    }

    private static void clear(Path folder) {
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
        Files.delete(folder);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot clear " + folder, e);
      }
    }
  }
}
