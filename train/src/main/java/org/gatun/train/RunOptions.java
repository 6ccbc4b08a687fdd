package org.gatun.train;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where a run is kept, how often it is looked at, and when it ends. */
final class RunOptions {
  @Option(names = "--out", paramLabel = "DIR", description = "The run's folder, new or empty. Not given: runs/<date-time>.")
  Path out;

  @Option(names = "--resume", paramLabel = "DIR", description = "Go on with the run of this folder, from its newest checkpoint.")
  Path resume;

  @Option(names = "--seed", paramLabel = "N", defaultValue = "1337", description = "Seed of initial weights, order of windows, dropout and samples.")
  long seed;

  @Option(names = "--max-minutes", paramLabel = "F", description = "Stop, with a checkpoint, after this time.")
  Double maxMinutes;

  @Option(names = "--eval-interval", paramLabel = "STEPS", defaultValue = "250", description = "Steps between evaluations; 0: only at the end.")
  long evalInterval;

  @Option(names = "--eval-tokens", paramLabel = "TOKENS", defaultValue = "65536", description = "Tokens of the beginning of the validation data that are evaluated.")
  long evalTokens;

  @Option(names = "--checkpoint-interval", paramLabel = "STEPS", defaultValue = "250", description = "Steps between checkpoints; 0: only at the end.")
  long checkpointInterval;

  @Option(names = "--keep-checkpoints", paramLabel = "N", defaultValue = "1", description = "Newest checkpoints that are kept.")
  int keepCheckpoints;

  @Option(names = "--sample-interval", paramLabel = "STEPS", defaultValue = "0", description = "Steps between samples of text; 0: only at the end.")
  long sampleInterval;

  @Option(names = "--sample-tokens", paramLabel = "TOKENS", defaultValue = "400", description = "Length of a sample; 0: none.")
  int sampleTokens;

  @Option(names = "--sample-prompt", paramLabel = "TEXT", description = "How a sample begins. Not given: as a new text, or as Java where no --data is.")
  String samplePrompt;

  @Option(names = "--log-interval", paramLabel = "STEPS", defaultValue = "10", description = "Steps between status lines in a log; a terminal shows one line that changes.")
  long logInterval;

  void validate() {
    WrongUse.unlessAtLeast("--eval-interval", 0, evalInterval);
    WrongUse.unlessAtLeast("--eval-tokens", 1, evalTokens);
    WrongUse.unlessAtLeast("--checkpoint-interval", 0, checkpointInterval);
    WrongUse.unlessAtLeast("--keep-checkpoints", 1, keepCheckpoints);
    WrongUse.unlessAtLeast("--sample-interval", 0, sampleInterval);
    WrongUse.unlessAtLeast("--sample-tokens", 0, sampleTokens);
    WrongUse.unlessAtLeast("--log-interval", 1, logInterval);
    if (maxMinutes != null) {
      WrongUse.unlessWithin("--max-minutes", 0, Float.MAX_VALUE, maxMinutes);
    }
  }
}
