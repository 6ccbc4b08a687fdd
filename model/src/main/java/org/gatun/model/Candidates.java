package org.gatun.model;

import java.util.Arrays;

/** The tokens a draw is made from. */
final class Candidates {
  private Candidates() {}

  static int largest(float[] logits, int vocabulary) {
    int best = 0;
    for (int i = 1; i < vocabulary; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  static int draw(Sampling.Drawn sampling, float[] logits, int vocabulary, float uniform) {
    int[] tokens = likeliestFirst(logits, vocabulary);
    int count = sampling.topK() == 0 ? vocabulary : Math.min(vocabulary, sampling.topK());
    var weights = new double[count];
    double total = 0;
    for (int i = 0; i < count; i++) {
      weights[i] = Math.exp(((double) logits[tokens[i]] - logits[tokens[0]]) / sampling.temperature());
      total += weights[i];
    }
    double nucleus = 0;
    int kept = 0;
    while (kept < count && (kept == 0 || nucleus < sampling.topP() * total)) {
      nucleus += weights[kept++];
    }
    double left = uniform * nucleus;
    int chosen = 0;
    while (chosen < kept - 1 && left >= weights[chosen]) {
      left -= weights[chosen++];
    }
    return tokens[chosen];
  }

  /** Sorts bits of the logit and the token together: far faster than a comparator on boxed tokens. */
  private static int[] likeliestFirst(float[] logits, int vocabulary) {
    var keys = new long[vocabulary];
    for (int i = 0; i < vocabulary; i++) {
      int bits = Float.floatToIntBits(logits[i] + 0f);
      int ascending = bits < 0 ? ~bits : bits ^ Integer.MIN_VALUE;
      keys[i] = (long) ~ascending << 32 ^ Long.MIN_VALUE | i;
    }
    Arrays.sort(keys);
    return Arrays.stream(keys).mapToInt(key -> (int) key).toArray();
  }
}
