package org.gatun.optim;

import java.util.Locale;

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

  /** How the learning rate rises over W steps, as a share of its first one, at step t counted from zero. */
  enum Warmup {
    /** t / W: the first step changes nothing. */
    FROM_ZERO,
    /** (t + 1) / W, as llm.c: the last step of warm-up has the full rate. */
    TO_PEAK,
    /** (t + 1) / (W + 1), as nanoGPT: the step after warm-up is the first with the full rate. */
    BELOW_PEAK;

    /** The name in lower case, with dashes. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** Rises by equal steps to this schedule's first rate at step {@code steps - 1}, then follows it. */
  default Schedule warmedUpOver(long steps) {
    return warmedUpOver(steps, Warmup.TO_PEAK);
  }

  /** Rises by equal steps to this schedule's first rate, then follows it. */
  default Schedule warmedUpOver(long steps, Warmup form) {
    return step -> step >= steps ? at(step - steps) : switch (form) {
      case FROM_ZERO -> at(0) * step / steps;
      case TO_PEAK -> at(0) * (step + 1) / steps;
      case BELOW_PEAK -> at(0) * (step + 1) / (steps + 1);
    };
  }
}
