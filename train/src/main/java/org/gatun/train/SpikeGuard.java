package org.gatun.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Knows what losses and gradient norms of the last steps were like, and tells when one stands out. What
 * it knows is part of a run's state, so that a run taken up again judges as one never stopped.
 */
final class SpikeGuard {
  /** Steps left out one after the other, or times gone back, after which neither is of help. */
  static final int MOST_IN_A_ROW = 10;

  /** Below this share of the mean a deviation is rounding, not noise. */
  private static final double LEAST_DEVIATION = 1e-3;

  /**
   * What it knows.
   *
   * @param losses of the last steps, oldest first
   * @param norms of their gradients
   * @param skipped steps left out since the last that was not
   */
  record State(List<Float> losses, List<Float> norms, int skipped) {
    static final State NOTHING = new State(List.of(), List.of(), 0);

    State {
      losses = List.copyOf(losses);
      norms = List.copyOf(norms);
    }
  }

  private final int window;
  private final double threshold;
  private State state;

  SpikeGuard(SpikeOptions options, State state) {
    this.window = options.spikeWindow;
    this.threshold = options.spikeZ;
    this.state = state;
  }

  /** Why a step stands out, as the end of a sentence; null if it does not. */
  String judge(TrainStep.Outcome outcome) {
    if (!outcome.isFinite()) {
      return String.format(
          Locale.ROOT,
          "loss %s and gradient norm %s are not both finite",
          outcome.loss(),
          outcome.gradientNorm());
    }
    String loss = judge("loss", outcome.loss(), state.losses());
    return loss != null ? loss : judge("gradient norm", outcome.gradientNorm(), state.norms());
  }

  private String judge(String name, float value, List<Float> before) {
    if (threshold == 0 || before.size() < window) {
      return null;
    }
    double mean = before.stream().mapToDouble(x -> x).average().orElseThrow();
    double square = before.stream().mapToDouble(x -> (x - mean) * (x - mean)).average().orElseThrow();
    double z = (value - mean) / Math.max(Math.sqrt(square), LEAST_DEVIATION * Math.abs(mean));
    return z <= threshold
        ? null
        : String.format(
            Locale.ROOT,
            "%s %.4f is %.1f standard deviations above the %.4f of the last %d steps",
            name,
            value,
            z,
            mean,
            window);
  }

  /** A step was taken: it belongs to what is usual. */
  void taken(TrainStep.Outcome outcome) {
    if (outcome.isFinite()) {
      state =
          new State(
              pushed(state.losses(), outcome.loss()), pushed(state.norms(), outcome.gradientNorm()), 0);
    }
  }

  private List<Float> pushed(List<Float> values, float value) {
    var all = new ArrayList<>(values);
    all.add(value);
    return all.subList(Math.max(0, all.size() - window), all.size());
  }

  /** A step was left out; false if too many were, one after the other. */
  boolean skipped() {
    state = new State(state.losses(), state.norms(), state.skipped() + 1);
    return state.skipped() < MOST_IN_A_ROW;
  }

  /** What it knows, to be saved. */
  State state() {
    return state;
  }

  /** Goes back to what it knew. */
  void restore(State earlier) {
    state = earlier;
  }
}
