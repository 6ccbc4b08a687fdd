package org.gatun.train;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.gatun.proof.Check;
import org.gatun.tensor.Device;

/** Runs checks and reports on them: a line a subject, then the sentences of those that failed. */
final class Selftest {
  private final PrintStream out;
  private final List<String> sentences = new ArrayList<>();
  private int passed;
  private int failed;

  Selftest(PrintStream out) {
    this.out = out;
  }

  /** The line above the others. */
  void begin(Device device) {
    line("on %s", device.name());
    line("%-28s %6s %8s %12s %9s", "subject", "cases", "failed", "worst error", "seconds");
  }

  /** Runs them in their order, those of one subject together. */
  void run(Device device, List<Check> checks) {
    Map<String, List<Check>> subjects = new LinkedHashMap<>();
    checks.forEach(check -> subjects.computeIfAbsent(check.subject(), _ -> new ArrayList<>()).add(check));
    subjects.forEach((subject, cases) -> run(device, subject, cases));
  }

  private void run(Device device, String subject, List<Check> checks) {
    long start = System.nanoTime();
    double worst = 0;
    var wrong = new ArrayList<String>();
    for (Check check : checks) {
      try {
        worst = Math.max(worst, check.proof().on(device));
      } catch (AssertionError | RuntimeException e) {
        wrong.add(check.subject() + ", " + check.detail() + ": " + (e.getMessage() == null ? e : e.getMessage()));
      }
    }
    passed += checks.size() - wrong.size();
    failed += wrong.size();
    if (!wrong.isEmpty()) {
      sentences.add(wrong.getFirst() + (wrong.size() > 1 ? " (and " + (wrong.size() - 1) + " more of its cases)" : ""));
    }
    line("%-28s %6d %8s %12s %9.2f", subject, checks.size(), wrong.isEmpty() ? "" : wrong.size(),
        wrong.isEmpty() ? String.format(Locale.ROOT, "%.3f", worst) : "beyond", (System.nanoTime() - start) / 1e9);
  }

  /** The last lines; whether nothing failed. */
  boolean end() {
    line("worst error: the largest error of any case as a share of its tolerance");
    sentences.forEach(sentence -> line("failed: %s", sentence));
    line("%d passed, %d failed", passed, failed);
    return failed == 0;
  }

  private void line(String format, Object... arguments) {
    out.printf(Locale.ROOT, format + "%n", arguments);
  }
}
