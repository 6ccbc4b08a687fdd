package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BatchesTest {
  @TempDir
  Path folder;

  private Batches.Plan plan(int vocabulary, int... tokens) throws Exception {
    Tokens sequence = TokenFile.open(Cli.tokens(folder.resolve("tokens.bin"), tokens));
    return new Batches.Plan(
        sequence, vocabulary, WindowOrder.sequential(sequence.size(), 3), 2, 3);
  }

  @Test
  void targetsAreInputsShiftedByOne() throws Exception {
    try (var batches = new Batches(plan(100, IntStream.range(0, 14).toArray()), 0)) {
      Batch first = batches.next();
      assertArrayEquals(new int[]{0, 1, 2, 3, 4, 5}, first.inputs());
      assertArrayEquals(new int[]{1, 2, 3, 4, 5, 6}, first.targets());
      assertArrayEquals(new int[]{6, 7, 8, 9, 10, 11}, batches.next().inputs());
      assertArrayEquals(new int[]{0, 1, 2, 3, 4, 5}, batches.next().inputs());
    }
  }

  @Test
  void beginsAtAnyPosition() throws Exception {
    try (var batches = new Batches(plan(100, IntStream.range(0, 14).toArray()), 2)) {
      assertArrayEquals(new int[]{6, 7, 8, 9, 10, 11}, batches.next().inputs());
    }
  }

  @Test
  void tokenBeyondTheVocabularyIsNamedWhenMet() throws Exception {
    try (var batches = new Batches(plan(9, IntStream.range(0, 14).toArray()), 0)) {
      batches.next();
      var problem = assertThrows(IllegalArgumentException.class, batches::next);
      assertTrue(
          problem.getMessage().contains("token 9 at position 9 is beyond the vocabulary of 9"),
          problem.getMessage());
    }
  }

  @Test
  void closingEndsTheLoader() throws Exception {
    new Batches(plan(100, IntStream.range(0, 14).toArray()), 0).close();
    assertFalse(
        Thread.getAllStackTraces().keySet().stream()
            .anyMatch(thread -> thread.getName().equals("gatun-loader")));
  }
}
