package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.gatun.cpu.CpuDevice;
import org.gatun.model.Likelihood.Continuation;
import org.gatun.tensor.Device;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LikelihoodTest {
  private static final long SEED = 31;
  private static final Gpt2Config CONFIG = Gpt2Config.of(2, 2, 16).withContext(12).withVocabulary(61);

  private static Device device;
  private static Gpt2 gpt2;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
    gpt2 = Gpt2Test.model(device, CONFIG, SEED);
  }

  @AfterAll
  static void close() {
    gpt2.close();
    device.close();
  }

  private static int[] random(int length, long seed) {
    return new Random(seed).ints(length, 0, CONFIG.vocabulary()).toArray();
  }

  /** By the definition, in double precision, from the logits of the text alone and in full. */
  private static double[] losses(int[] tokens, int start) {
    float[] logits;
    int padded = CONFIG.paddedVocabulary();
    try (Scope scope = Scope.on(device)) {
      int[] inputs = Arrays.copyOf(tokens, tokens.length - 1);
      logits = gpt2.logits(scope.tensor(inputs, Shape.of(1, inputs.length))).toArray();
    }
    return IntStream.range(start, tokens.length).mapToDouble(position -> {
      int row = (position - 1) * padded;
      double sum = IntStream.range(0, CONFIG.vocabulary()).mapToDouble(v -> Math.exp(logits[row + v])).sum();
      return Math.log(sum) - logits[row + tokens[position]];
    }).toArray();
  }

  /** For the sum of 61 exponentials in f32. */
  private static final double TOLERANCE = 64 * Math.ulp(1f) * 4;

  @Test
  void eachTextIsScoredAsIfItWereAlone() {
    List<Continuation> texts = List.of(new Continuation(random(9, 1), 4), new Continuation(random(5, 2), 1),
        new Continuation(random(13, 3), 12), new Continuation(random(2, 4), 1));
    List<Likelihood> found = Likelihood.of(gpt2, texts);
    for (int i = 0; i < texts.size(); i++) {
      assertArrayEquals(losses(texts.get(i).tokens(), texts.get(i).start()), found.get(i).losses(), TOLERANCE,
          "seed " + SEED + ", text " + i);
      assertEquals(found.get(i).sum() / found.get(i).losses().length, found.get(i).mean());
      // Products with up to three rows sum in another order, so a text of two tokens has other last bits alone.
      double tolerance = texts.get(i).tokens().length > 4 ? 0 : TOLERANCE;
      assertArrayEquals(
          Likelihood.of(gpt2, List.of(texts.get(i))).getFirst().losses(), found.get(i).losses(), tolerance);
    }
  }

  @Test
  void ofALongTextTheLastPartIsSeen() {
    int[] tokens = random(40, 5);
    Likelihood found = Likelihood.of(gpt2, List.of(new Continuation(tokens, 37))).getFirst();
    assertArrayEquals(losses(Arrays.copyOfRange(tokens, 27, 40), 10), found.losses(), TOLERANCE);
  }

  /** Logits of padding are zero, and with these weights all others can be below. */
  @Test
  void paddingIsNeverTheLikeliest() {
    int[] tokens = {3, 1};
    boolean greedy = false;
    for (int candidate = 0; candidate < CONFIG.vocabulary(); candidate++) {
      tokens[1] = candidate;
      greedy |= Likelihood.of(gpt2, List.of(new Continuation(tokens.clone(), 1))).getFirst().greedy();
    }
    assertTrue(greedy, "one token of the vocabulary is the likeliest");
  }

  @Test
  void aGuessIsRightOnlyIfEveryTokenIsTheLikeliest() {
    int[] tokens = Arrays.copyOf(random(4, 6), 7);
    for (int at = 4; at < 7; at++) {
      try (Scope scope = Scope.on(device)) {
        tokens[at] = best(scope, tokens, at);
      }
    }
    assertTrue(Likelihood.of(gpt2, List.of(new Continuation(tokens, 4))).getFirst().greedy());
    tokens[5] = (tokens[5] + 1) % CONFIG.vocabulary();
    assertTrue(!Likelihood.of(gpt2, List.of(new Continuation(tokens, 4))).getFirst().greedy());
  }

  private static int best(Scope scope, int[] tokens, int length) {
    return gpt2.nextLogits(scope.tensor(Arrays.copyOf(tokens, length), Shape.of(1, length)))
        .slice(1, 0, CONFIG.vocabulary()).argMax().toIntArray()[0];
  }

  @ParameterizedTest
  @CsvSource({"5, 0", "5, 5", "1, 1"})
  void nothingToPredictOrNothingBeforeIsRefused(int length, int start) {
    assertThrows(IllegalArgumentException.class, () -> new Continuation(random(length, 1), start));
  }

  @Test
  void moreToPredictThanTheContextHoldsIsRefused() {
    var e = assertThrows(IllegalArgumentException.class,
        () -> Likelihood.of(gpt2, List.of(new Continuation(random(20, 1), 7))));
    assertEquals("continuation: 13 tokens to predict and one before do not fit a context of 12", e.getMessage());
    assertEquals(12, Likelihood.of(gpt2, List.of(new Continuation(random(20, 1), 8))).getFirst().losses().length);
  }
}
