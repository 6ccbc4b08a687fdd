package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SamplingTest {
  private static final int DRAWS = 40_000;
  /** Probabilities 0.1, 0.4, 0.2, 0.3 and, beyond the vocabulary, a likely token of padding. */
  private static final float[] LOGITS = {ln(0.1), ln(0.4), ln(0.2), ln(0.3), 100};

  private static float ln(double p) {
    return (float) Math.log(p);
  }

  /** How often each token is drawn, as shares. */
  private static double[] shares(Sampling sampling) {
    var shares = new double[4];
    LongStream.range(0, DRAWS).forEach(step -> shares[sampling.choose(LOGITS, 4, step)] += 1.0 / DRAWS);
    return shares;
  }

  private static void assertShares(Sampling sampling, double... expected) {
    double[] shares = shares(sampling);
    for (int i = 0; i < expected.length; i++) {
      // five standard deviations of a share of 0.5
      assertEquals(expected[i], shares[i], expected[i] == 0 ? 0 : 5 * 0.5 / Math.sqrt(DRAWS), "token " + i);
    }
  }

  @Test
  void greedyTakesTheMostLikelyToken() {
    assertEquals(1, Sampling.greedy().choose(LOGITS, 4, 0));
    assertEquals(0, Sampling.greedy().choose(new float[]{2, 2, -1}, 3, 0));
  }

  @Test
  void tokensAreDrawnByTheirProbability() {
    assertShares(Sampling.temperature(1), 0.1, 0.4, 0.2, 0.3);
  }

  @Test
  void temperatureSharpensTheDistribution() {
    // squares of the probabilities, divided by their sum 0.3
    assertShares(Sampling.temperature(0.5f), 0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3);
  }

  @Test
  void topKKeepsTheMostLikely() {
    assertShares(Sampling.topK(2, 1), 0, 0.4 / 0.7, 0, 0.3 / 0.7);
    assertShares(Sampling.topK(1, 1), 0, 1, 0, 0);
    assertShares(Sampling.topK(100, 1), 0.1, 0.4, 0.2, 0.3);
  }

  @Test
  void topPKeepsTheSmallestSetThatIsLikelyEnough() {
    assertShares(Sampling.topP(0.35f, 1), 0, 1, 0, 0);
    assertShares(Sampling.topP(0.6f, 1), 0, 0.4 / 0.7, 0, 0.3 / 0.7);
    assertShares(Sampling.topP(1, 1), 0.1, 0.4, 0.2, 0.3);
  }

  @Test
  void topPChoosesAmongWhatTopKLeft() {
    // of 0.4 and 0.3 the first has 0.57 of the probability
    assertShares(Sampling.topK(2, 1).withTopP(0.5f), 0, 1, 0, 0);
    assertShares(Sampling.topK(3, 1).withTopP(0.9f), 0, 0.4 / 0.9, 0.2 / 0.9, 0.3 / 0.9);
  }

  @Test
  void theSameSeedDrawsTheSameTokensAndAnotherSeedOthers() {
    Sampling sampling = Sampling.temperature(1).seeded(7);
    long[] same = LongStream.range(0, 100).map(step -> sampling.choose(LOGITS, 4, step)).toArray();
    long[] again = LongStream.range(0, 100).map(step -> sampling.choose(LOGITS, 4, step)).toArray();
    long other = LongStream.range(0, 100)
        .filter(step -> Sampling.temperature(1).seeded(8).choose(LOGITS, 4, step) != same[(int) step]).count();
    assertEquals(java.util.Arrays.toString(same), java.util.Arrays.toString(again));
    assertTrue(other > 20, other + " tokens differ");
  }

  @Test
  void impossibleTokensAreNeverDrawn() {
    float[] logits = {Float.NEGATIVE_INFINITY, 0, Float.NEGATIVE_INFINITY};
    assertTrue(LongStream.range(0, 1000).allMatch(step -> Sampling.temperature(5).choose(logits, 3, step) == 1));
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void brokenLogitsAreAnErrorThatNamesTheCause(float broken) {
    for (Sampling sampling : new Sampling[]{Sampling.greedy(), Sampling.temperature(1)}) {
      var e = assertThrows(IllegalStateException.class, () -> sampling.choose(new float[]{0, broken}, 2, 0));
      assertTrue(e.getMessage().contains("token 1 is " + broken), e.getMessage());
    }
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertInstanceOf(Sampling.Greedy.class, Sampling.of(0, 5, 1, 1));
    assertEquals(Sampling.topK(5, 0.5f).seeded(3), Sampling.of(0.5f, 5, 1, 3));
    assertThrows(IllegalArgumentException.class, () -> Sampling.temperature(-1));
    assertThrows(IllegalArgumentException.class, () -> Sampling.temperature(Float.NaN));
    assertThrows(IllegalArgumentException.class, () -> Sampling.topK(-1, 1));
    assertThrows(IllegalArgumentException.class, () -> Sampling.topP(0, 1));
    assertThrows(IllegalArgumentException.class, () -> Sampling.topP(1.1f, 1));
  }
}
