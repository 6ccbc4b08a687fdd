package org.gatun.train;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The command line as tests use it: in this process, or in one of its own that can be killed. */
record Cli(int code, String out, String err) {
  /** A model so small that a step takes about a millisecond. */
  private static final List<String> TINY =
      List.of(
          "--layers",
          "1",
          "--heads",
          "2",
          "--channels",
          "16",
          "--context",
          "8",
          "--micro-batch",
          "2",
          "--tokenizer",
          "byte",
          "--sample-tokens",
          "0",
          "--eval-tokens",
          "64",
          "--threads",
          "1");

  /** Runs a command in this process. */
  static Cli run(Object... arguments) {
    return run(Map.of(), arguments);
  }

  /** Runs a command in this process with such an environment. */
  static Cli run(Map<String, String> environment, Object... arguments) {
    PrintStream oldOut = System.out;
    PrintStream oldErr = System.err;
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
      int code = Main.run(environment, strings(arguments).toArray(String[]::new));
      return new Cli(
          code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(oldOut);
      System.setErr(oldErr);
    }
  }

  /** Trains the tiny model in this process; options given here win. */
  static Cli train(Object... arguments) {
    var all = new ArrayList<Object>(List.of("train"));
    all.addAll(TINY);
    all.addAll(List.of(arguments));
    return run(all.toArray());
  }

  /** Trains the tiny model in a process of its own. */
  static Process startTraining(Object... arguments) throws IOException {
    var all = new ArrayList<>(List.of("train"));
    all.addAll(TINY);
    all.addAll(strings(arguments));
    return start(all);
  }

  /** Takes up a run in a process of its own. */
  static Process startResuming(Path folder) throws IOException {
    return start(List.of("train", "--resume", folder.toString()));
  }

  /** Runs a command in a process of its own; what it says goes to {@code log}. */
  static Process start(List<String> prefix, Path log, Object... arguments) throws IOException {
    var command = new ArrayList<>(prefix);
    command.addAll(command(strings(arguments)));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  private static Process start(List<String> arguments) throws IOException {
    return new ProcessBuilder(command(arguments))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  static List<String> command(List<String> arguments) {
    String modules = System.getProperty("jdk.module.path", "");
    var command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path") + File.pathSeparator + modules,
                "org.gatun.train.Main"));
    command.addAll(arguments);
    return command;
  }

  /** What a process has said. */
  static String text(Path log) {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static List<String> strings(Object... arguments) {
    return java.util.Arrays.stream(arguments).map(Object::toString).toList();
  }

  /** The last line on standard output. */
  String lastLine() {
    List<String> lines = out.lines().toList();
    return lines.isEmpty() ? "" : lines.getLast();
  }

  /** What a run's rows say, but for times. */
  static List<String> rows(Path folder) throws IOException {
    return Files.readAllLines(folder.resolve("metrics.csv")).stream()
        .map(row -> String.join(",", List.of(row.split(",")).subList(0, 5)))
        .toList();
  }

  /** A file of text that repeats itself irregularly. */
  static Path text(Path folder, int bytes) throws IOException {
    var text = new StringBuilder();
    for (int i = 0; text.length() < bytes; i++) {
      text.append("for (int i").append(i * i % 17).append(" = ").append(i % 7).append("; ;) {}\n");
    }
    return Files.writeString(folder.resolve("text.txt"), text.substring(0, bytes));
  }

  /** A file of u16 tokens. */
  static Path tokens(Path file, int... tokens) throws IOException {
    var bytes = ByteBuffer.allocate(2 * tokens.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int token : tokens) {
      bytes.putShort((short) token);
    }
    return Files.write(file, bytes.array());
  }
}
