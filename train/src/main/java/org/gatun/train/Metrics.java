package org.gatun.train;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.gatun.io.AtomicFile;

/**
 * The file {@code metrics.csv}: one row a step. Each row is handed to the system as soon as it is
 * known.
 */
final class Metrics implements AutoCloseable {
  private static final String NAME = "metrics.csv";
  private static final String HEADER = "step,tokens,loss,lr,grad_norm,tokens_per_s,ms";

  private final BufferedWriter writer;

  private Metrics(BufferedWriter writer) {
    this.writer = writer;
  }

  /**
   * Goes on behind the row of a step; rows of later steps, which the checkpoint has not seen, are
   * removed.
   */
  static Metrics open(RunFolder folder, long step) throws IOException {
    Path file = folder.path().resolve(NAME);
    List<String> rows = step == 0 ? List.of(HEADER) : rowsUpTo(file, step);
    AtomicFile.write(file, String.join("\n", rows) + "\n");
    return new Metrics(
        Files.newBufferedWriter(file, StandardCharsets.UTF_8, StandardOpenOption.APPEND));
  }

  private static List<String> rowsUpTo(Path file, long step) throws IOException {
    var rows = new ArrayList<String>();
    rows.add(HEADER);
    for (String row : Files.readAllLines(file, StandardCharsets.UTF_8)) {
      if (rows.size() <= step && row.startsWith(rows.size() + ",")) {
        rows.add(row);
      }
    }
    if (rows.size() != step + 1) {
      throw new IOException(
          file
              + " has no row for step "
              + rows.size()
              + ", but the checkpoint is of step "
              + step
              + "; put the file back, or start a new run from the weights with --init");
    }
    return rows;
  }

  /** Adds the row of a step; loss, learning rate and norm with all their digits. */
  void add(StepResult step) throws IOException {
    writer.write(
        String.format(
            Locale.ROOT,
            "%d,%d,%s,%s,%s,%.0f,%.3f\n",
            step.step(),
            step.tokens(),
            step.loss(),
            step.learningRate(),
            step.gradientNorm(),
            step.tokensPerSecond(),
            step.millis()));
    writer.flush();
  }

  @Override
  public void close() throws IOException {
    writer.close();
  }
}
