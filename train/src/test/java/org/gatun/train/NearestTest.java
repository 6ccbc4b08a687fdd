package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestTest {
  @ParameterizedTest
  @CsvSource({
    "--learning-rate, --lr",
    "--batch, --batch-tokens",
    "--step, --steps",
    "--setps, --steps",
    "--mircobatch, --micro-batch",
    "--beta, --beta1",
    "--gradclip, --grad-clip"
  })
  void findsWhatWasMeant(String word, String meant) {
    assertEquals(
        meant,
        Nearest.to(
            word,
            List.of(
                "--lr",
                "--batch-tokens",
                "--beta1",
                "--beta2",
                "--steps",
                "--micro-batch",
                "--grad-clip",
                "--min-lr")));
  }

  @Test
  void findsNothingInNothing() {
    assertNull(Nearest.to("word", List.of()));
  }

  @Test
  void countsASwapAsOneEdit() {
    assertEquals(1, Nearest.edits("steps", "setps"));
  }
}
