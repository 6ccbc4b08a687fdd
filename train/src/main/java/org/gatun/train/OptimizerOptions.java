package org.gatun.train;

import org.gatun.optim.AdamW;
import org.gatun.optim.Schedule;
import org.gatun.optim.Schedule.Warmup;
import org.gatun.tensor.Precision;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** How the weights are changed, step by step. */
final class OptimizerOptions {
  /** The learning rate's way after warm-up. */
  enum Decay {
    COSINE,
    LINEAR,
    CONSTANT,
    WSD
  }

  /** The share of the steps in which warm-up–stable–decay decays. */
  private static final double WSD_DECAY = 0.2;

  @Option(names = "--steps", paramLabel = "N", defaultValue = "1000", description = "Optimizer steps to take.")
  long steps;

  @Option(names = "--lr", paramLabel = "F", defaultValue = "0.0003", description = "Learning rate at its highest.")
  float lr;

  @Option(names = "--min-lr", paramLabel = "F", defaultValue = "0", description = "Learning rate at the end.")
  float minLr;

  @Option(names = "--warmup-steps", paramLabel = "N", defaultValue = "0", description = "Steps over which the learning rate rises to --lr.")
  long warmupSteps;

  @Option(names = "--warmup", paramLabel = "from-zero|to-peak|below-peak", defaultValue = "to-peak", description = "Learning rate of step t of W while it rises, t from 0: t/W, (t+1)/W, or (t+1)/(W+1) of --lr.")
  Warmup warmup;

  @Option(names = "--schedule", paramLabel = "cosine|linear|constant|wsd", defaultValue = "cosine", description = "How the learning rate falls to --min-lr (wsd: along a line in the last fifth of the"
      + " steps).")
  Decay schedule;

  @Option(names = "--beta1", paramLabel = "F", defaultValue = "0.9", description = "AdamW: decay of the mean gradient.")
  float beta1;

  @Option(names = "--beta2", paramLabel = "F", defaultValue = "0.95", description = "AdamW: decay of the mean squared gradient.")
  float beta2;

  @Option(names = "--eps", paramLabel = "F", defaultValue = "1e-8", description = "AdamW: added to the root.")
  float eps;

  @Option(names = "--weight-decay", paramLabel = "F", defaultValue = "0.1", description = "AdamW: decay of tensors of two or more dimensions.")
  float weightDecay;

  @Option(names = "--moments", paramLabel = "f32|bf16", defaultValue = "f32", description = "AdamW: type of both running means; bf16 takes half the memory, and a --beta2 of at most 0.99.")
  Precision moments;

  @Option(names = "--grad-clip", paramLabel = "F", defaultValue = "1", description = "Longest gradient, by its norm over all parameters; 0 for no limit.")
  float gradClip;

  /** As if no option were given. */
  static OptimizerOptions defaults() {
    var options = new OptimizerOptions();
    new CommandLine(options).setCaseInsensitiveEnumValuesAllowed(true).parseArgs();
    return options;
  }

  void validate() {
    WrongUse.unlessAtLeast("--steps", 1, steps);
    WrongUse.unlessAtLeast("--warmup-steps", 0, warmupSteps);
    WrongUse.unlessWithin("--lr", 0, Float.MAX_VALUE, lr);
    WrongUse.unlessWithin("--min-lr", 0, Float.MAX_VALUE, minLr);
    WrongUse.unlessWithin("--beta1", 0, Math.nextDown(1f), beta1);
    WrongUse.unlessWithin("--beta2", 0, Math.nextDown(1f), beta2);
    WrongUse.unlessWithin("--eps", Float.MIN_VALUE, Float.MAX_VALUE, eps);
    WrongUse.unlessWithin("--weight-decay", 0, Float.MAX_VALUE, weightDecay);
    WrongUse.unlessWithin("--grad-clip", 0, Float.MAX_VALUE, gradClip);
    if (moments == Precision.BF16 && beta2 > 0.99f) {
      throw new WrongUse(
          "--moments bf16 with --beta2 "
              + beta2
              + ": means rounded to eight bits would stand still; take --beta2 0.99 or less, or --moments f32");
    }
  }

  /**
   * Options that each make sense alone but not together; {@code given} tells which the user chose.
   */
  void validateTogether(Origins origins) {
    if (minLr > lr) {
      if (origins.isChosen("min-lr")) {
        throw new WrongUse("--min-lr " + minLr + " is above --lr " + lr);
      }
      minLr = lr / 10; // the preset's belonged to the preset's --lr
    }
    if (warmupSteps > steps) {
      if (origins.isChosen("warmup-steps")) {
        throw new WrongUse("--warmup-steps " + warmupSteps + " is more than --steps " + steps);
      }
      warmupSteps = steps / 10;
    }
  }

  /** The learning rate of each step. */
  Schedule learningRate() {
    long after = steps - warmupSteps;
    Schedule decay =
        switch (schedule) {
          case COSINE -> Schedule.cosine(lr, minLr, after);
          case LINEAR -> Schedule.linear(lr, minLr, after);
          case CONSTANT -> Schedule.constant(lr);
          case WSD ->
              Schedule.stableDecay(lr, minLr, after, Math.min(after, (long) (WSD_DECAY * steps)));
        };
    return warmupSteps == 0 ? decay : decay.warmedUpOver(warmupSteps, warmup);
  }

  /** AdamW's constants. */
  AdamW.Config adamw() {
    return new AdamW.Config(beta1, beta2, eps, weightDecay, moments.compute());
  }
}
