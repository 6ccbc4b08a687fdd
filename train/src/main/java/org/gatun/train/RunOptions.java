package org.gatun.train;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where a run is kept, how often it is looked at, and when it ends. */
final class RunOptions {
  /** Whether training waits while a checkpoint is written. */
  enum Write {
    ASYNC,
    SYNC
  }

  @Option(names = "--out", paramLabel = "DIR", description = "The run's folder. One that holds a run already is gone on with, as by --resume. Not given:"
      + " runs/<date-time>.")
  Path out;

  @Option(names = "--resume", paramLabel = "DIR", description = "Go on with the run of this folder, from its newest checkpoint.")
  Path resume;

  @Option(names = "--resume-step", paramLabel = "N", description = "Go on from the checkpoint of this step instead of the newest; later ones are removed.")
  Long resumeStep;

  @Option(names = "--fresh", description = "Begin anew where --out holds a run already; the folder of that is renamed to <DIR>-1, or"
      + " the next free number.")
  boolean fresh;

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

  @Option(names = "--keep-every", paramLabel = "STEPS", defaultValue = "0", description = "Checkpoints of steps that are a multiple of this are kept for good; 0: none.")
  long keepEvery;

  @Option(names = "--checkpoint-write", paramLabel = "async|sync", defaultValue = "async", description = "Whether training goes on while a checkpoint is written, from a copy in memory, or waits.")
  Write checkpointWrite;

  @Option(names = "--memory-check", paramLabel = "true|false", arity = "0..1", fallbackValue = "true", defaultValue = "true", description = "Whether to refuse a run that takes more memory than is available.")
  boolean memoryCheck;

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
    WrongUse.unlessAtLeast("--keep-every", 0, keepEvery);
    if (resumeStep != null) {
      WrongUse.unlessAtLeast("--resume-step", 1, resumeStep);
    }
    WrongUse.unlessAtLeast("--sample-interval", 0, sampleInterval);
    WrongUse.unlessAtLeast("--sample-tokens", 0, sampleTokens);
    WrongUse.unlessAtLeast("--log-interval", 1, logInterval);
    if (maxMinutes != null) {
      WrongUse.unlessWithin("--max-minutes", 0, Float.MAX_VALUE, maxMinutes);
    }
  }
}
