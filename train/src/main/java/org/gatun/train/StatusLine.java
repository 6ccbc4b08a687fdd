package org.gatun.train;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * How far a long piece of work is: on a terminal one line that changes, elsewhere a plain line every ten seconds.
 */
final class StatusLine implements AutoCloseable {
  private static final long REFRESH_NANOS = 100_000_000;
  private static final long LINE_NANOS = 10_000_000_000L;
  private static final String ERASE_LINE = "\r\u001b[2K";

  private final PrintStream out;
  private final boolean terminal = StepLog.isTerminal();
  private final long begun = System.nanoTime();
  private long shown = begun;
  private boolean isOpen;

  StatusLine(PrintStream out) {
    this.out = out;
  }

  /** Shows the line if it is time to. */
  void show(Supplier<String> line) {
    long now = System.nanoTime();
    if (now - shown < (terminal ? REFRESH_NANOS : LINE_NANOS)) {
      return;
    }
    shown = now;
    if (terminal) {
      out.print(ERASE_LINE + line.get());
      out.flush();
      isOpen = true;
    } else {
      out.println(line.get());
    }
  }

  /** A line of its own. */
  void line(String text) {
    close();
    out.println(text);
  }

  /** Seconds since this was made. */
  double seconds() {
    return (System.nanoTime() - begun) / 1e9;
  }

  /** The time left, if it goes on as it went: {@code done} of {@code all} took the time until now. */
  String remaining(double done, double all) {
    if (done <= 0) {
      return "ETA ?";
    }
    var left = Duration.ofSeconds((long) (seconds() * Math.max(0, all - done) / done));
    return String.format(
        Locale.ROOT, "ETA %d:%02d:%02d", left.toHours(), left.toMinutesPart(), left.toSecondsPart());
  }

  /** Ends a line that changes. */
  @Override
  public void close() {
    if (isOpen) {
      out.println();
      isOpen = false;
    }
  }
}
