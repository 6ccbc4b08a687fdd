package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Training on GPUs, in processes of their own: the whole command line over the emulator of NVIDIA's libraries, which compiles the same kernels
 * for the CPU. It shows what is computed and in which order, not how fast.
 */
class CudaTrainTest {
  private static final Path EMULATOR = Path.of("..", "cuda-bridge", "target", "emulator").toAbsolutePath().normalize();

  /** Two layers, two heads of eight channels: the shapes of a GPT-2, few enough elements for an emulated GPU. */
  private static final List<String> MODEL =
      List.of("--layers", "2", "--heads", "2", "--channels", "16", "--context", "16",
          "--tokenizer", "byte", "--lr", "1e-2", "--warmup-steps", "2", "--eval-tokens", "64", "--sample-tokens", "0");

  /** What the emulator's script exits with where there is no compiler. */
  private static final int NO_COMPILER = 3;

  /** Compiled kernels: the emulator keeps its own, and knows when they are stale. */
  @TempDir
  static Path cache;

  @TempDir
  Path folder;

  private Path text;

  @BeforeAll
  static void buildEmulator() throws Exception {
    Path build = Path.of("..", "cuda-bridge", "src", "test", "native", "build");
    Process process = new ProcessBuilder(build.toString(), EMULATOR.toString()).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    int code = process.waitFor();
    if (code == NO_COMPILER && !"1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
      abort("the emulator cannot be built here: " + said.strip());
    }
    assertEquals(0, code, said);
  }

  @BeforeEach
  void makeText() throws IOException {
    text = Cli.text(folder, 4000);
  }

  /** A process that ends, and what it said. */
  private record Ended(int code, String said) {
    String lastLine() {
      return said.lines().toList().getLast();
    }
  }

  private Process start(Path log, Object... arguments) throws IOException {
    var command = new ArrayList<String>();
    command.addAll(Cli.command(List.of()));
    command.addAll(1, List.of("-Dgatun.cuda.libraries=" + EMULATOR, "-Dgatun.cuda.only=true"));
    command.addAll(List.of("train", "--data", text.toString()));
    command.addAll(MODEL);
    Stream.of(arguments).map(Object::toString).forEach(command::add);
    var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().put("GATUN_EMULATOR_MEMORY", Long.toString(256L << 20));
    builder.environment().put("GATUN_EMULATOR_DEVICES", "2");
    builder.environment().put("XDG_CACHE_HOME", cache.toString());
    return builder.start();
  }

  private Ended train(Object... arguments) throws Exception {
    Path log = Files.createTempFile(folder, "log", ".txt");
    Process process = start(log, arguments);
    assertTrue(process.waitFor(5, TimeUnit.MINUTES), () -> "still running: " + Cli.text(log));
    return new Ended(process.exitValue(), Cli.text(log));
  }

  private Path done(String name, Object... arguments) throws Exception {
    Path run = folder.resolve(name);
    var all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--out", run));
    Ended ended = train(all.toArray());
    assertEquals(0, ended.code(), ended::said);
    assertTrue(ended.lastLine().startsWith("done steps "), ended::said);
    return run;
  }

  private static double[] column(Path run, String name) throws IOException {
    List<String> rows = Files.readAllLines(run.resolve("metrics.csv"));
    int column = List.of(rows.getFirst().split(",")).indexOf(name);
    return rows.stream().skip(1).mapToDouble(row -> Double.parseDouble(row.split(",")[column])).toArray();
  }

  /** Largest difference of two curves, relative to the first. */
  private static double difference(Path run, Path other, String name) throws IOException {
    double[] a = column(run, name);
    double[] b = column(other, name);
    assertEquals(a.length, b.length);
    double worst = 0;
    for (int i = 0; i < a.length; i++) {
      worst = Math.max(worst, Math.abs(a[i] - b[i]) / Math.abs(a[i]));
    }
    return worst;
  }

  /**
   * Sums of at most 64 products in another order differ by some 64 · 6e-8 relative to their terms; twenty steps of AdamW, which divides by
   * the size of a gradient, multiply that at most a hundredfold here. A wrong gradient differs by 1e-2 after one step.
   */
  @Test
  void theGpuFollowsTheCpuInF32() throws Exception {
    Path cpu = done("cpu", "--steps", 20, "--device", "cpu", "--micro-batch", 2, "--batch-tokens", 64);
    Path gpu = done("gpu", "--steps", 20, "--device", "cuda", "--micro-batch", 2, "--batch-tokens", 64);
    assertTrue(difference(cpu, gpu, "loss") < 4e-4, () -> rows(cpu, gpu));
    assertTrue(difference(cpu, gpu, "grad_norm") < 4e-3, () -> rows(cpu, gpu));
  }

  /** Both round at the same places to 8 bits, but sums that fall on either side of a tie part by 2⁻⁸ and are averaged over thousands. */
  @Test
  void theGpuFollowsTheCpuInBf16() throws Exception {
    Path cpu = done("cpu", "--steps", 20, "--device", "cpu", "--precision", "bf16", "--micro-batch", 4);
    Path gpu = done("gpu", "--steps", 20, "--device", "cuda", "--precision", "bf16", "--micro-batch", 4);
    assertTrue(difference(cpu, gpu, "loss") < 2e-2, () -> rows(cpu, gpu));
  }

  private static String rows(Path a, Path b) {
    return Cli.text(a.resolve("metrics.csv")) + "\n" + Cli.text(b.resolve("metrics.csv"));
  }

  @Test
  void aCapturedStepComputesTheSameBits() throws Exception {
    Object[] step = {"--steps", 6, "--device", "cuda", "--micro-batch", 2, "--batch-tokens", 96, "--dropout", "0.1"};
    Path graph = done("graph", step);
    var launched = new ArrayList<>(List.of(step));
    launched.add("--no-graph");
    Path single = done("single", launched.toArray());
    assertEquals(Cli.rows(graph), Cli.rows(single));
    assertEquals(-1, Files.mismatch(graph.resolve("model.safetensors"), single.resolve("model.safetensors")));
    double[] losses = column(graph, "loss");
    assertNotEquals(losses[2], losses[3], "replayed steps go on");
  }

  /** The run folder belongs to no device. */
  @Test
  void aRunMovesBetweenDevices() throws Exception {
    Path run = folder.resolve("run");
    Path whole = done("whole", "--steps", 8, "--device", "cuda", "--micro-batch", 2, "--schedule", "constant");
    done("run", "--steps", 4, "--device", "cuda", "--micro-batch", 2, "--schedule", "constant");
    Ended cpu = train("--out", run, "--steps", 6, "--device", "cpu");
    assertEquals(0, cpu.code(), cpu::said);
    Ended gpu = train("--out", run, "--steps", 8, "--device", "cuda");
    assertEquals(0, gpu.code(), gpu::said);
    assertTrue(difference(whole, run, "loss") < 4e-4, () -> rows(whole, run));
  }

  /** As sums of floats in another order: see {@link #theGpuFollowsTheCpuInF32}. */
  @Test
  void twoGpusEqualOne() throws Exception {
    Path one = done("one", "--steps", 8, "--device", "cuda", "--micro-batch", 2, "--batch-tokens", 128);
    Path two = done("two", "--steps", 8, "--gpus", 2, "--micro-batch", 2, "--batch-tokens", 128);
    assertTrue(difference(one, two, "loss") < 4e-4, () -> rows(one, two));
    assertEquals(column(one, "tokens")[7], column(two, "tokens")[7]);
  }

  @Test
  void aRankThatDiesEndsTheOthersAndIsNamed() throws Exception {
    Path log = folder.resolve("log.txt");
    Process launcher = start(log, "--steps", 100_000, "--gpus", 2, "--micro-batch", 2, "--out", folder.resolve("run"));
    try {
      await(() -> Cli.text(log).contains("step 10") || !launcher.isAlive(), log);
      ProcessHandle second = rank(launcher, 1);
      assertTrue(second.destroyForcibly());
      assertTrue(launcher.waitFor(2, TimeUnit.MINUTES), () -> Cli.text(log));
    } finally {
      launcher.descendants().forEach(ProcessHandle::destroyForcibly);
      launcher.destroyForcibly();
    }
    assertNotEquals(0, launcher.exitValue());
    String said = Cli.text(log);
    assertTrue(said.contains("rank 1"), said);
    assertFalse(said.contains("fault in gatun itself"), said);
  }

  /** A checkpoint after each step has rank 0 look at every step before the next one begins, which the other rank does not. */
  @Test
  void ranksAgreeOnTheStepAfterWhichTheyStop() throws Exception {
    Path log = folder.resolve("log.txt");
    Path run = folder.resolve("run");
    Process launcher =
        start(log, "--steps", 100_000, "--gpus", 2, "--micro-batch", 2, "--checkpoint-interval", 1, "--out", run);
    try {
      await(() -> Cli.text(log).contains("step 10") || !launcher.isAlive(), log);
      launcher.destroy();
      assertTrue(launcher.waitFor(1, TimeUnit.MINUTES), () -> Cli.text(log));
    } finally {
      launcher.descendants().forEach(ProcessHandle::destroyForcibly);
      launcher.destroyForcibly();
    }
    assertTrue(Cli.text(log).contains("stopped after step"), () -> Cli.text(log));
    assertFalse(Cli.text(log).contains("gatun: "), () -> "a rank was left behind: " + Cli.text(log));
  }

  /** The launcher starts them in order. */
  private static ProcessHandle rank(Process launcher, int rank) {
    return launcher.children().sorted((a, b) -> Long.compare(a.pid(), b.pid())).toList().get(rank);
  }

  private static void await(java.util.function.BooleanSupplier condition, Path log) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(3);
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, () -> Cli.text(log));
      Thread.sleep(50);
    }
  }

  @Test
  void tooLittleMemoryIsToldInASentence() throws Exception {
    Ended ended = train("--steps", 2, "--device", "cuda", "--micro-batch", 60_000, "--out", folder.resolve("run"));
    assertEquals(1, ended.code(), ended::said);
    assertTrue(ended.lastLine().contains("--micro-batch"), ended::said);
  }

  @Test
  void aGpuThatIsNotThereIsNamed() throws Exception {
    Ended ended = train("--steps", 2, "--device", "cuda:7", "--out", folder.resolve("run"));
    assertEquals(1, ended.code(), ended::said);
    assertTrue(ended.lastLine().contains("7"), ended::said);
  }
}
