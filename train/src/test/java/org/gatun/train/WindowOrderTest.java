package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
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
  void sequentialOrderBeginsAgainWhereNoMicroBatchIsLeft() {
    // 50 tokens: 12 windows of 4, of which batches of 5 rows use 10.
    assertArrayEquals(
        new long[]{0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 0, 4},
        starts(WindowOrder.sequential(50, 4, 5), 0, 12));
  }

  @Test
  void sequentialOrderOfFewerWindowsThanRowsUsesAll() {
    assertArrayEquals(new long[]{0, 4, 0, 4}, starts(WindowOrder.sequential(9, 4, 5), 0, 4));
  }
}
