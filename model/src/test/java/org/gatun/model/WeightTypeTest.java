package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class WeightTypeTest {
  private static final long SEED = 17;

  @ParameterizedTest
  @CsvSource({"1, 1", "1.00390625, 1", "1.01171875, 1.015625", "1.0039064, 1.0078125", "-1.0039064, -1.0078125",
    "3.396e38, 3.3895314E38", "3.4028235E38, Infinity", "1e-45, 0", "-0.0, -0.0", "NaN, NaN", "-Infinity, -Infinity"})
  void bf16RoundsToTheNearestAndToEven(float value, float expected) {
    assertEquals(expected, WeightType.BF16.round(value));
  }

  @Test
  void aNanStaysOneWhateverItsBits() {
    for (int bits : new int[]{0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, 0x7FC00000}) {
      assertTrue(Float.isNaN(WeightType.BF16.round(Float.intBitsToFloat(bits))), Integer.toHexString(bits));
    }
  }

  @ParameterizedTest
  @EnumSource
  void theErrorIsWithinTheUnitRoundoff(WeightType type) {
    var random = new SplittableRandom(SEED);
    for (int i = 0; i < 10_000; i++) {
      float value = (float) (random.nextGaussian() + 3);
      float rounded = type.round(value);
      assertTrue(Math.abs(rounded - value) <= type.unitRoundoff() * Math.abs(value), "seed " + SEED + ": " + value);
      assertEquals(rounded, type.round(rounded), "rounding twice");
    }
  }
}
