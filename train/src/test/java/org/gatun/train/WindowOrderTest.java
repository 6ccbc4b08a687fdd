package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WindowOrderTest {
  private static long[] starts(WindowOrder order, long from, long count) {
    return LongStream.range(from, from + count).map(order::start).toArray();
  }

  @ParameterizedTest
  @ValueSource(ints = {9, 16, 17, 24, 25, 100, 1000, 1025, 4097})
  void shuffledEpochTakesEveryWindowOnce(int tokens) {
    var order = WindowOrder.shuffled(tokens, 8, 42);
    long windows = (tokens - 1) / 8;
    assertEquals(windows, order.windows());
    for (long epoch = 0; epoch < 3; epoch++) {
      long[] starts = starts(order, epoch * windows, windows);
      Arrays.sort(starts);
      assertArrayEquals(LongStream.range(0, windows).map(w -> 8 * w).toArray(), starts);
    }
  }

  @Test
  void epochsAndSeedsDifferInOrder() {
    var order = WindowOrder.shuffled(8001, 8, 42);
    assertFalse(Arrays.equals(starts(order, 0, 1000), starts(order, 1000, 1000)), "two epochs");
    assertFalse(
        Arrays.equals(starts(order, 0, 1000), starts(WindowOrder.shuffled(8001, 8, 43), 0, 1000)),
        "two seeds");
  }

  @Test
  void neighboursInShuffledOrderAreNotNeighboursInTheData() {
    long[] starts = starts(WindowOrder.shuffled(80_001, 8, 1), 0, 10_000);
    long close =
        LongStream.range(1, starts.length)
            .filter(i -> Math.abs(starts[(int) i] - starts[(int) i - 1]) <= 80)
            .count();
    assertEquals(
        20, close, 30); // 2 * 10 windows of 10,000, as often as 10,000 draws meet them by chance
  }

  @Test
  void sequentialOrderBeginsAgainBehindTheLastWindow() {
    // 18 tokens: 4 windows of 4, and one token that no window has room for.
    assertArrayEquals(
        new long[]{0, 4, 8, 12, 0, 4}, starts(WindowOrder.sequential(18, 4), 0, 6));
  }

  @Test
  void everyOrderTakesEveryWindowOnceAnEpochFromAnyPositionOn() {
    for (long seed = 0; seed < 200; seed++) {
      var random = new Random(seed);
      int context = 1 + random.nextInt(20);
      long tokens = context + 1 + random.nextInt(3000);
      boolean shuffled = random.nextBoolean();
      WindowOrder order =
          shuffled
              ? WindowOrder.shuffled(tokens, context, seed)
              : WindowOrder.sequential(tokens, context);
      long windows = order.windows();
      long epoch = random.nextInt(5);
      long resumed = random.nextInt((int) windows);
      // An epoch that a process ends in and another goes on with, which knows the position alone.
      WindowOrder again =
          shuffled
              ? WindowOrder.shuffled(tokens, context, seed)
              : WindowOrder.sequential(tokens, context);
      long[] before = starts(order, epoch * windows, resumed);
      long[] after = starts(again, epoch * windows + resumed, windows - resumed);
      long[] all = LongStream.concat(Arrays.stream(before), Arrays.stream(after)).sorted().toArray();
      assertArrayEquals(
          LongStream.range(0, windows).map(w -> context * w).toArray(), all, "seed " + seed);
      assertTrue(all[all.length - 1] + context < tokens, "seed " + seed);
    }
  }
}
