package org.gatun.optim;

/** A learning rate as a function of the step, counted from zero. */
@FunctionalInterface
public interface Schedule {
  /** The learning rate of a step. */
  float at(long step);

  /** Always the same. */
  static Schedule constant(float rate) {
    return _ -> rate;
  }

  /** From {@code peak} to {@code floor} along half a cosine over the steps, then {@code floor}. */
  static Schedule cosine(float peak, float floor, long steps) {
    return step -> {
      double done = Math.min(1.0, (double) step / Math.max(1, steps));
      return (float) (floor + 0.5 * (1 + Math.cos(Math.PI * done)) * (peak - floor));
    };
  }

  /** From {@code peak} to {@code floor} along a line over the steps, then {@code floor}. */
  static Schedule linear(float peak, float floor, long steps) {
    return step -> {
      double done = Math.min(1.0, (double) step / Math.max(1, steps));
      return (float) (peak + done * (floor - peak));
    };
  }

  /**
   * {@code peak} until {@code decaySteps} before the end, then along a line to {@code floor}: the
   * stable and the decaying part of warm-up–stable–decay (Hu et al., MiniCPM, 2024).
   */
  static Schedule stableDecay(float peak, float floor, long steps, long decaySteps) {
    Schedule decay = linear(peak, floor, decaySteps);
    return step -> step < steps - decaySteps ? peak : decay.at(step - (steps - decaySteps));
  }

  /** Rises by equal steps to this schedule's first rate at step {@code steps - 1}, then follows it. */
  default Schedule warmedUpOver(long steps) {
    return step -> step < steps ? at(0) * (step + 1) / steps : at(step - steps);
  }
}
