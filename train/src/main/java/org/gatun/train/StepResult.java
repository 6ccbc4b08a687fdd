package org.gatun.train;

/**
 * What a step came to.
 *
 * @param step its number, counted from one
 * @param tokens trained on since the start of the run, this step's included
 * @param loss the mean over all micro-batches, before the update
 * @param gradientNorm before clipping
 * @param stepTokens trained on in this step
 * @param millis it took, without evaluations and checkpoints
 */
record StepResult(
    long step,
    long tokens,
    float loss,
    float learningRate,
    float gradientNorm,
    long stepTokens,
    double millis) {
  /** Training speed. */
  double tokensPerSecond() {
    return stepTokens / millis * 1e3;
  }
}
