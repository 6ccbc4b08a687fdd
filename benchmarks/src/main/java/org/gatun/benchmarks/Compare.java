package org.gatun.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
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
 * Whole training steps of ours and of PyTorch's, in turns, each in a process of its own: so a machine
 * that is slow for a while is slow for both. Prints medians and the ratio pair by pair.
 *
 * <p>Options: {@code --python PATH} (default python3), {@code --rounds N}, {@code --threads N}, {@code
 * --blas NAME}, {@code --only TEXT} (a part of a case's name).
 */
public final class Compare {
  /** A training step both sides know, and how often to measure it in one process. */
  private record Case(String preset, int batch, int context, int steps) {
    @Override
    public String toString() {
      return preset + " B=" + batch + " T=" + context;
    }
  }

  private static final List<Case> CASES = List.of(
      new Case("quickstart", 12, 64, 300),
      new Case("gpt2", 4, 64, 8),
      new Case("gpt2", 4, 256, 4),
      new Case("gpt2", 4, 1024, 2));

  private static final Pattern MEDIAN = Pattern.compile("\"ms_median\": ([0-9.]+)");
  private static final Pattern MEMORY = Pattern.compile("\"rss_mib\": (-?[0-9]+)");

  private String python = "python3";
  private int rounds = 3;
  private int threads = Runtime.getRuntime().availableProcessors();
  private String blas = "-";
  private String only = "";

  private Compare() {}

  /** Prints a line a case. */
  public static void main(String[] args) throws InterruptedException {
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

  private void run() throws IOException, InterruptedException {
    System.out.printf(Locale.ROOT, "%-24s %12s %12s %8s %22s %10s %10s%n", "case, " + threads + " threads",
        "Gatun ms", "PyTorch ms", "speed-up", "(least .. most)", "MiB", "MiB");
    for (Case one : CASES) {
      if (!one.toString().contains(only)) {
        continue;
      }
      double[] ours = new double[rounds];
      double[] theirs = new double[rounds];
      double[] ratios = new double[rounds];
      double ourMemory = 0;
      double theirMemory = 0;
      for (int round = 0; round < rounds; round++) {
        String our = output(java(one), Map.of());
        String their = output(pytorch(one), Map.of("MALLOC_MMAP_MAX_", "0", "MALLOC_TRIM_THRESHOLD_", "20000000000",
            "MALLOC_TOP_PAD_", "268435456", "MALLOC_ARENA_MAX", "1", "OMP_NUM_THREADS", Integer.toString(threads)));
        ours[round] = number(MEDIAN, our);
        theirs[round] = number(MEDIAN, their);
        ratios[round] = theirs[round] / ours[round];
        ourMemory = Math.max(ourMemory, number(MEMORY, our));
        theirMemory = Math.max(theirMemory, number(MEMORY, their));
      }
      Arrays.sort(ratios);
      System.out.printf(Locale.ROOT, "%-24s %12.1f %12.1f %8.2f %22s %10.0f %10.0f%n", one, median(ours),
          median(theirs), ratios[rounds / 2],
          String.format(Locale.ROOT, "%.2f .. %.2f", ratios[0], ratios[rounds - 1]), ourMemory, theirMemory);
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

  private List<String> pytorch(Case one) {
    return List.of(python, "benchmarks/pytorch/train_step.py",
        "--preset", one.preset, "--batch", Integer.toString(one.batch), "--context", Integer.toString(one.context),
        "--steps", Integer.toString(one.steps), "--threads", Integer.toString(threads));
  }

  private static String output(List<String> command, Map<String, String> environment)
      throws IOException, InterruptedException {
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(String.join(" ", command) + " failed:\n" + output);
    }
    return output;
  }

  private static double number(Pattern pattern, String text) throws IOException {
    Matcher matcher = pattern.matcher(text);
    if (!matcher.find()) {
      throw new IOException("no " + pattern + " in:\n" + text);
    }
    return Double.parseDouble(matcher.group(1));
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
