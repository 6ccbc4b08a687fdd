package org.gatun.train;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.gatun.train.ranks.Launcher;
import org.gatun.train.ranks.World;
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

  /** Whether this process is to start the ranks, and is none itself. */
  boolean launches() {
    return gpus > 1 && World.of(System.getenv()).isEmpty();
  }

  /** Runs one process a GPU with the same command line; each finds its rank in the environment. */
  int launch(List<String> arguments) throws IOException {
    return Launcher.ofThisProgram(Main.class.getName(), arguments, System.err).run(gpus);
  }

  Duration patience() {
    return Duration.ofSeconds(rankTimeoutSeconds);
  }
}
