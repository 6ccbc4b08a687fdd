package org.gatun.train;

import org.gatun.model.Recompute;
import picocli.CommandLine.Option;

/** How many tokens make a step, and in which portions. */
final class BatchOptions {
  @Option(names = "--micro-batch", paramLabel = "ROWS", defaultValue = "4", description = "Windows computed at once: what memory must hold.")
  int microBatch;

  @Option(names = "--batch-tokens", paramLabel = "TOKENS", description = "Tokens of a step, a multiple of --micro-batch x --context; gradients of as many"
      + " micro-batches as it takes are averaged. Not given: one micro-batch.")
  Long batchTokens;

  @Option(names = "--recompute", paramLabel = "none|attention-mlp|block", defaultValue = "none", description = "Activations computed a second time instead of kept: those within each half of a block, or"
      + " within each block. Takes less memory and a second forward pass of those; results are the same.")
  Recompute recompute;

  void validate() {
    WrongUse.unlessAtLeast("--micro-batch", 1, microBatch);
    if (batchTokens != null) {
      WrongUse.unlessAtLeast("--batch-tokens", 1, batchTokens);
    }
  }

  /**
   * How many micro-batches each of so many ranks takes in a step with windows of this length.
   *
   * @throws WrongUse if they cannot make exactly {@code --batch-tokens}
   */
  int microSteps(int context, int ranks) {
    long microTokens = Math.multiplyExact((long) microBatch, context);
    String ofRanks = ranks == 1 ? "" : " x " + ranks + " ranks";
    if (microTokens > Integer.MAX_VALUE / 2) {
      throw new WrongUse(
          "--micro-batch " + microBatch + ": " + microTokens + " tokens at once are too many");
    }
    if (batchTokens == null) {
      return 1;
    }
    long together = microTokens * ranks;
    if (batchTokens % together != 0) {
      long below = batchTokens / together * together;
      throw new WrongUse(
          ("--batch-tokens %s is not a multiple of --micro-batch %s x --context %s%s = %s;"
              + " nearest: %s%s")
              .formatted(
                  batchTokens,
                  microBatch,
                  context,
                  ofRanks,
                  microTokens * ranks,
                  below == 0 ? "" : below + " or ",
                  below + together));
    }
    return Math.toIntExact(batchTokens / together);
  }
}
