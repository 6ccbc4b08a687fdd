package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.gatun.cpu.CpuDevice;
import org.gatun.model.Gpt2;
import org.gatun.tensor.Precision;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run ends at any moment and goes on as if it had not. */
class KillTest {
  /** More of them: mvn test -Dtest=KillTest -Dgatun.kills=50. */
  private static final int KILLS = Integer.getInteger("gatun.kills", 10);

  private static final int PATIENCE_SECONDS = 120;

  @TempDir
  Path folder;

  private Object[] options;

  @BeforeEach
  void prepare() throws IOException {
    options =
        new Object[]{
          "--data",
          Cli.text(folder, 4000),
          "--steps",
          1000,
          "--checkpoint-interval",
          7,
          "--dropout",
          0.1,
          "--on-spike",
          "skip",
          "--spike-z",
          4,
          "--spike-window",
          16
        };
  }

  private Object[] into(Path out) {
    var all = new java.util.ArrayList<>(List.of(options));
    all.addAll(List.of("--out", out));
    return all.toArray();
  }

  @Test
  void killedRunResumedHasTheRowsOfOneNeverStopped() throws Exception {
    Path whole = folder.resolve("whole");
    assertEquals(0, Cli.train(into(whole)).code());
    long seed = System.nanoTime();
    var random = new Random(seed);
    int kills = 0;
    for (int run = 0; kills < KILLS; run++) {
      Path killed = folder.resolve("killed" + run);
      boolean finished = false;
      while (!finished) {
        Process process = Cli.startTraining(into(killed)); // the same command again goes on
        finished =
            kills < KILLS
                ? !killLater(process, killed, random)
                : process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        kills += finished ? 0 : 1;
        assertModelOpens(killed, seed);
      }
      assertEquals(Cli.rows(whole), Cli.rows(killed), () -> "seed " + seed);
      for (String name : List.of("model.safetensors", "optimizer.safetensors")) {
        assertArrayEquals(
            Files.readAllBytes(whole.resolve(name)),
            Files.readAllBytes(killed.resolve(name)),
            () -> name + ", seed " + seed);
      }
    }
  }

  /**
   * Kills a process soon after it begins to write rows, sometimes before; true unless it ended by
   * itself.
   */
  private static boolean killLater(Process process, Path run, Random random) throws Exception {
    Path metrics = run.resolve("metrics.csv");
    boolean early = random.nextInt(8) == 0;
    boolean writing = random.nextInt(3) == 0;
    var changed = Files.exists(metrics) ? Files.getLastModifiedTime(metrics) : null;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!early
        && process.isAlive()
        && System.nanoTime() < deadline
        && (!Files.exists(metrics) || Files.getLastModifiedTime(metrics).equals(changed))) {
      Thread.sleep(1);
    }
    while (writing && process.isAlive() && System.nanoTime() < deadline && !isWritingACheckpoint(run)) {
      Thread.onSpinWait();
    }
    process.waitFor(
        writing ? random.nextInt(4) : random.nextInt(early ? 1500 : 120), TimeUnit.MILLISECONDS);
    boolean alive = process.isAlive();
    process.destroyForcibly().waitFor();
    assertTrue(
        alive || process.exitValue() == 0, "a run ended by itself with " + process.exitValue());
    return alive;
  }

  private static boolean isWritingACheckpoint(Path run) throws IOException {
    Path checkpoints = run.resolve("checkpoints");
    if (!Files.isDirectory(checkpoints)) {
      return false;
    }
    try (var folders = Files.list(checkpoints)) {
      return folders.anyMatch(folder -> folder.toString().endsWith(".tmp"));
    }
  }

  /** Whoever looks at the folder between two lives finds a whole model, or none yet. */
  private static void assertModelOpens(Path run, long seed) throws IOException {
    if (Files.exists(run.resolve("model.safetensors"))) {
      try (var device = new CpuDevice(1);
          var model = Gpt2.load(run, device, Precision.F32)) {
        assertEquals(1, model.config().layers(), () -> "seed " + seed);
      }
    }
  }

  @Test
  void interruptFinishesTheStepAndSavesIt() throws Exception {
    assumeTrue(
        !isIgnored(2),
        "SIGINT is ignored here, as for what a shell starts in the background; start the tests in front");
    assertStops("INT", 130);
  }

  @Test
  void terminationFinishesTheStepAndSavesIt() throws Exception {
    assertStops("TERM", 143);
  }

  private void assertStops(String signal, int code) throws Exception {
    assumeTrue(!System.getProperty("os.name").startsWith("Windows"), "needs POSIX signals");
    Path out = folder.resolve(signal);
    options[3] = 1_000_000;
    options[5] = 0;
    Process process = Cli.startTraining(into(out));
    try {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (!(Files.exists(out.resolve("metrics.csv")) && Cli.rows(out).size() > 3)
          && System.nanoTime() < deadline) {
        Thread.sleep(5);
      }
      new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start().waitFor();
      assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), () -> "it did not end by SIG" + signal);
    } finally {
      process.destroyForcibly();
    }
    assertEquals(code, process.exitValue());
    assertEquals(
        Cli.rows(out).size() - 1, RunFolder.state(out).step(), "the last row's step is saved");
  }

  /** Whether this process, and so what it starts, ignores a signal; false where the system does not tell. */
  private static boolean isIgnored(int signal) throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return false;
    }
    for (String line : Files.readAllLines(status)) {
      if (line.startsWith("SigIgn:")) {
        return (Long.parseUnsignedLong(line.substring("SigIgn:".length()).strip(), 16) >>> (signal - 1) & 1) == 1;
      }
    }
    return false;
  }
}
