package org.gatun.model;

import org.gatun.tensor.Philox;

/** How the next token is chosen from the logits. */
public sealed interface Sampling {
  /** The most likely token; of equal ones the first. */
  record Greedy() implements Sampling {}

  /**
   * Drawn at random, after dividing the logits by the temperature, from the {@code topK} most likely
   * tokens (0: all), and of these from the smallest set that together has probability {@code topP} (1:
   * all).
   */
  record Drawn(float temperature, int topK, float topP, long seed) implements Sampling {
    /** @throws IllegalArgumentException if a value is out of its range */
    public Drawn {
      require(temperature > 0 && temperature < Float.POSITIVE_INFINITY,
          "temperature " + temperature + " must be above 0; 0 means greedy()");
      require(topK >= 0, "top-k " + topK + " must be at least 0, which means all");
      require(topP > 0 && topP <= 1, "top-p " + topP + " must be in (0, 1]");
    }

    /** With another temperature: below 1 likely tokens become likelier. */
    public Drawn withTemperature(float value) {
      return new Drawn(value, topK, topP, seed);
    }

    /** From at most this many tokens; 0 for all. */
    public Drawn withTopK(int value) {
      return new Drawn(temperature, value, topP, seed);
    }

    /** From the likeliest tokens that together have this probability; 1 for all. */
    public Drawn withTopP(float value) {
      return new Drawn(temperature, topK, value, seed);
    }

    /** With another seed: the same one draws the same tokens. */
    public Drawn seeded(long value) {
      return new Drawn(temperature, topK, topP, value);
    }
  }

  /** The most likely token. */
  static Sampling greedy() {
    return new Greedy();
  }

  /** From all tokens at a temperature, seed 0. */
  static Drawn temperature(float temperature) {
    return new Drawn(temperature, 0, 1f, 0);
  }

  /** From the k most likely tokens at a temperature, seed 0. */
  static Drawn topK(int k, float temperature) {
    return temperature(temperature).withTopK(k);
  }

  /** From the likeliest tokens that together have probability p, at a temperature, seed 0. */
  static Drawn topP(float p, float temperature) {
    return temperature(temperature).withTopP(p);
  }

  /** As the command line puts it: temperature 0 means greedy, top-k 0 and top-p 1 mean all tokens. */
  static Sampling of(float temperature, int topK, float topP, long seed) {
    return temperature == 0 ? greedy() : new Drawn(temperature, topK, topP, seed);
  }

  /**
   * The token chosen for position {@code step}, which selects the random number, from the first {@code
   * vocabulary} logits; the rest are padding.
   *
   * @throws IllegalStateException if a logit is NaN or infinite
   */
  default int choose(float[] logits, int vocabulary, long step) {
    for (int i = 0; i < vocabulary; i++) {
      if (!(logits[i] < Float.POSITIVE_INFINITY)) {
        throw new IllegalStateException("sampling: the logit of token " + i + " is " + logits[i]
            + "; the model's weights are broken, perhaps its training diverged");
      }
    }
    return switch (this) {
      case Greedy() -> Candidates.largest(logits, vocabulary);
      case Drawn drawn -> Candidates.draw(drawn, logits, vocabulary, Philox.uniform(drawn.seed(), step));
    };
  }

  private static void require(boolean holds, String rule) {
    if (!holds) {
      throw new IllegalArgumentException("sampling: " + rule);
    }
  }
}
