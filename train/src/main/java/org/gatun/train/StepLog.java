package org.gatun.train;

import java.io.BufferedWriter;
import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Locale;

/**
 * What a run says: on a terminal one status line that changes, elsewhere and in {@code train.log} a
 * plain line every few steps, and whatever else there is to tell.
 */
final class StepLog implements AutoCloseable {
  /** Steps that the displayed speed is an average of, the last ones weighing most. */
  private static final int AVERAGED = 20;

  private static final long REFRESH_NANOS = 100_000_000;
  private static final String ERASE_LINE = "\r\u001b[2K";

  private final PrintStream out;
  private final BufferedWriter file;
  private final boolean terminal;
  private final long interval;
  private final long steps;
  private boolean lineIsOpen;
  private long shown;
  private double peak;
  private double flopsPerToken;
  private double millisPerStep;
  private int averaged;

  /** Continues the run's {@code train.log}; {@code steps} is where the run ends. */
  StepLog(PrintStream out, RunFolder folder, long interval, long steps) throws IOException {
    this.out = out;
    this.file =
        Files.newBufferedWriter(
            folder.path().resolve("train.log"),
            StandardCharsets.UTF_8,
            StandardOpenOption.CREATE,
            StandardOpenOption.APPEND);
    this.terminal = isTerminal();
    this.interval = interval;
    this.steps = steps;
  }

  static boolean isTerminal() {
    Console console = System.console();
    return console != null && console.isTerminal() && !"dumb".equals(System.getenv("TERM"));
  }

  /** From here on status lines show the share of this speed, in operations a second. */
  void measured(double peakFlops, long flopsForToken) {
    peak = Math.max(peak, peakFlops); // others may have been at work when it was measured before
    flopsPerToken = flopsForToken;
  }

  /** A step is done: it may be time to say so. */
  void step(StepResult step) {
    averaged = Math.min(averaged + 1, AVERAGED);
    millisPerStep += (step.millis() - millisPerStep) / averaged;
    boolean due = step.step() % interval == 0 || step.step() == steps || step.step() == 1;
    if (due) {
      toFile(status(step));
    }
    if (terminal) {
      if (System.nanoTime() - shown > REFRESH_NANOS || step.step() == steps) {
        out.print(ERASE_LINE + status(step));
        out.flush();
        lineIsOpen = true;
        shown = System.nanoTime();
      }
    } else if (due) {
      out.println(status(step));
    }
  }

  private String status(StepResult step) {
    double tokensPerSecond = step.stepTokens() / millisPerStep * 1e3;
    String share =
        peak == 0
            ? ""
            : String.format(
                Locale.ROOT, "  %.0f%% of peak", 100 * tokensPerSecond * flopsPerToken / peak);
    return String.format(
        Locale.ROOT,
        "step %d/%d  loss %.4f  lr %.2e  norm %.3f  %,.0f tokens/s%s  ETA %s",
        step.step(),
        steps,
        step.loss(),
        step.learningRate(),
        step.gradientNorm(),
        tokensPerSecond,
        share,
        remaining(step));
  }

  private String remaining(StepResult step) {
    var left = Duration.ofMillis((long) ((steps - step.step()) * millisPerStep));
    return left.toHours() > 0
        ? String.format(
            Locale.ROOT, "%d:%02d:%02d", left.toHours(), left.toMinutesPart(), left.toSecondsPart())
        : String.format(Locale.ROOT, "%d:%02d", left.toMinutes(), left.toSecondsPart());
  }

  /** A line of its own. */
  void line(String text) {
    endStatus();
    out.println(text);
    toFile(text);
  }

  /** A piece of text as it is generated. */
  void piece(String text) {
    endStatus();
    out.print(text);
    out.flush();
  }

  private void endStatus() {
    if (lineIsOpen) {
      out.println();
      lineIsOpen = false;
    }
  }

  private void toFile(String text) {
    try {
      file.write(text);
      file.newLine();
      file.flush();
    } catch (IOException e) {
      throw new UncheckedIOException("train.log: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() throws IOException {
    endStatus();
    file.close();
  }
}
