package org.gatun.train;

import picocli.CommandLine.Option;

/** What to do when loss or gradient leave what the steps before were like. */
final class SpikeOptions {
  /** What happens to the step. */
  enum Action {
    LOG,
    SKIP,
    REWIND
  }

  @Option(names = "--on-spike", paramLabel = "log|skip|rewind", defaultValue = "log", description = "What to do with a step whose loss or gradient norm stands out: say so; leave its update out; or go"
      + " back to the newest checkpoint and on with other data. One that is not finite ends the run with"
      + " log.")
  Action onSpike;

  @Option(names = "--spike-z", paramLabel = "F", defaultValue = "6", description = "Standard deviations above the mean of the last steps that stand out; 0: only what is not finite.")
  float spikeZ;

  @Option(names = "--spike-window", paramLabel = "STEPS", defaultValue = "128", description = "Steps that mean and deviation are taken over; none stands out before there are as many.")
  int spikeWindow;

  void validateForRanks() {
    if (onSpike == Action.REWIND) {
      throw new WrongUse("--on-spike rewind: a run of several ranks cannot go back; give log or skip");
    }
  }

  void validate() {
    WrongUse.unlessWithin("--spike-z", 0, Float.MAX_VALUE, spikeZ);
    WrongUse.unlessAtLeast("--spike-window", 2, spikeWindow);
  }
}
