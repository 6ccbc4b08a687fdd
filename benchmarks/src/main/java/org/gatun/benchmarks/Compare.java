package org.gatun.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.Writer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Whole training steps of ours and of PyTorch's, each in a process of its own, a step here and a step
 * there: so a machine that is slow for a while is slow for both. Prints medians, of the times and of the
 * ratios pair by pair.
 *
 * <p>Options: {@code --python PATH} (default python3), {@code --rounds N}, {@code --threads N}, {@code
 * --blas NAME}, {@code --only TEXT} (a part of a case's name).
 */
public final class Compare {
  /** A training step both sides know, how many to make in a turn, and how many turns. */
  private record Case(String preset, int batch, int context, int steps, int rounds) {
    @Override
    public String toString() {
      return preset + " B=" + batch + " T=" + context;
    }
  }

  private static final List<Case> CASES = List.of(
      new Case("quickstart", 12, 64, 20, 40),
      new Case("gpt2", 4, 64, 1, 20),
      new Case("gpt2", 4, 256, 1, 10),
      new Case("gpt2", 4, 1024, 1, 5));

  private static final Pattern MEDIAN = Pattern.compile("\"ms_median\": ([0-9.]+)");
  private static final Pattern MEMORY = Pattern.compile("\"rss_mib\": (-?[0-9]+)");

  /**
   * How long both rest before each turn, milliseconds: the threads of PyTorch's OpenMP spin for a while
   * after its last product, on the cores that the other side would then have.
   */
  private static final int REST = 100;

  private String python = "python3";
  private int rounds; // zero for as many as the case says
  private int threads = Runtime.getRuntime().availableProcessors();
  private String blas = "-";
  private String only = "";

  private Compare() {}

  /** Prints a line a case. */
  public static void main(String[] args) {
    var compare = new Compare();
    try {
      for (int i = 0; i < args.length; i += 2) {
        compare.set(args[i], i + 1 < args.length ? args[i + 1] : null);
      }
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(2);
    }
    try {
      compare.run();
    } catch (IOException e) {
      System.err.println("compare: " + e.getMessage());
      System.exit(1);
    }
  }

  private void set(String option, String value) {
    if (value == null && List.of("--python", "--blas", "--only").contains(option)) {
      throw new IllegalArgumentException("compare: " + option + " alone; give a value behind it");
    }
    switch (option) {
      case "--python" -> python = value;
      case "--rounds" -> rounds = positive(option, value);
      case "--threads" -> threads = positive(option, value);
      case "--blas" -> blas = value;
      case "--only" -> only = value;
      default -> throw new IllegalArgumentException(
          "compare: unknown option " + option + "; there are --python PATH, --rounds N, --threads N, --blas PATH and"
              + " --only TEXT, a part of " + CASES.stream().map(Case::toString).collect(Collectors.joining(", ")));
    }
  }

  private static int positive(String option, String value) {
    if (value == null || !value.matches("[1-9][0-9]{0,3}")) {
      throw new IllegalArgumentException(
          "compare: " + option + (value == null ? " alone" : " " + value) + "; give a number from 1 to 9999");
    }
    return Integer.parseInt(value);
  }

  private void run() throws IOException {
    System.out.printf(Locale.ROOT, "%-24s %12s %12s %8s %16s %10s %10s%n", "case, " + threads + " threads",
        "Gatun ms", "PyTorch ms", "speed-up", "(10 % .. 90 %)", "MiB", "MiB");
    for (Case one : CASES) {
      if (one.toString().contains(only)) {
        compare(one, rounds > 0 ? rounds : one.rounds);
      }
    }
  }

  private void compare(Case one, int rounds) throws IOException {
    double[] our = new double[rounds];
    double[] their = new double[rounds];
    double[] ratios = new double[rounds];
    try (var gatun = new Peer(java(one), Map.of()); var pytorch = new Peer(pytorch(one), pytorchSettings())) {
      gatun.step(); // until both are warm and wait
      pytorch.step();
      for (int round = 0; round < rounds; round++) {
        our[round] = gatun.step();
        their[round] = pytorch.step();
        ratios[round] = their[round] / our[round];
      }
      System.out.printf(Locale.ROOT, "%-24s %12.1f %12.1f %8.2f %16s %10.0f %10.0f%n", one, quantile(our, 0.5),
          quantile(their, 0.5), quantile(ratios, 0.5),
          String.format(Locale.ROOT, "%.2f .. %.2f", quantile(ratios, 0.1), quantile(ratios, 0.9)),
          gatun.mebibytes, pytorch.mebibytes);
    }
  }

  /** A process that makes steps when asked to, and waits without work in between. */
  private static final class Peer implements AutoCloseable {
    private final String command;
    private final Process process;
    private final Writer requests;
    private final BufferedReader answers;
    double mebibytes;

    Peer(List<String> command, Map<String, String> environment) throws IOException {
      this.command = String.join(" ", command);
      var builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().putAll(environment);
      process = builder.start();
      requests = process.outputWriter();
      answers = process.inputReader();
    }

    /** The median of a few steps' times, milliseconds. */
    double step() throws IOException {
      try {
        Thread.sleep(REST);
      } catch (InterruptedException e) {
        throw new InterruptedIOException("interrupted before a step of " + command);
      }
      try {
        requests.write('\n');
        requests.flush();
      } catch (IOException e) {
        // It has ended; what it said tells why.
      }
      var said = new StringBuilder();
      for (String line; (line = answers.readLine()) != null;) {
        if (line.startsWith("{")) {
          mebibytes = number(MEMORY, line);
          return number(MEDIAN, line);
        }
        said.append(line).append('\n');
      }
      throw new IOException(command + " ended:\n" + said);
    }

    @Override
    public void close() {
      process.destroy();
    }
  }

  private List<String> java(Case one) {
    var command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx1g", "-XX:+UseSerialGC",
        "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED",
        "-cp", System.getProperty("java.class.path"), TrainingStep.class.getName()));
    command.addAll(List.of(one.preset, Integer.toString(one.batch), Integer.toString(one.context),
        Integer.toString(one.steps), Integer.toString(threads), blas, "f32"));
    return command;
  }

  /** Memory is kept in the process, see pytorch/train_step.py. */
  private Map<String, String> pytorchSettings() {
    return Map.of("MALLOC_MMAP_MAX_", "0", "MALLOC_TRIM_THRESHOLD_", "20000000000",
        "MALLOC_TOP_PAD_", "268435456", "MALLOC_ARENA_MAX", "1", "OMP_NUM_THREADS", Integer.toString(threads));
  }

  private List<String> pytorch(Case one) {
    return List.of(python, "benchmarks/pytorch/train_step.py",
        "--preset", one.preset, "--batch", Integer.toString(one.batch), "--context", Integer.toString(one.context),
        "--steps", Integer.toString(one.steps), "--threads", Integer.toString(threads), "--on-request");
  }

  private static double number(Pattern pattern, String text) throws IOException {
    Matcher matcher = pattern.matcher(text);
    if (!matcher.find()) {
      throw new IOException("no " + pattern + " in:\n" + text);
    }
    return Double.parseDouble(matcher.group(1));
  }

  private static double quantile(double[] values, double share) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[(int) Math.round(share * (sorted.length - 1))];
  }
}
