package org.gatun.train;

import java.time.Duration;
import picocli.CommandLine.Option;

/** How a device is kept busy, and how many of them. */
final class ParallelOptions {
  @Option(names = "--gpus", paramLabel = "N", defaultValue = "1", description = "GPUs of this machine to train on, one process each. --batch-tokens counts the tokens of all. Other"
      + " launchers (torchrun, srun, mpirun) start one gatun a GPU instead, and tell each its rank.")
  int gpus;

  @Option(names = "--no-graph", negatable = true, defaultValue = "true", fallbackValue = "true", description = "Do not capture a step on a GPU as a graph, but launch each kernel by itself; results are the same.")
  boolean graph;

  @Option(names = "--rank-timeout-seconds", paramLabel = "SECONDS", defaultValue = "600", description = "How long ranks wait for each other before the one that hangs is named and all end.")
  int rankTimeoutSeconds;

  void validate() {
    WrongUse.unlessAtLeast("--gpus", 1, gpus);
    WrongUse.unlessAtLeast("--rank-timeout-seconds", 10, rankTimeoutSeconds);
  }

  Duration patience() {
    return Duration.ofSeconds(rankTimeoutSeconds);
  }
}
