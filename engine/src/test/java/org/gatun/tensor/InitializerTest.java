package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.gatun.cpu.CpuDevice;
import org.junit.jupiter.api.Test;

class InitializerTest {
  @Test
  void distributionsAreScaledPhilox() {
    assertEquals(3f, Initializer.constant(3f).at(1, 2));
    assertEquals(0.02f * Philox.normal(7, 9), Initializer.normal(0.02f).at(7, 9));
    for (int i = 0; i < 1000; i++) {
      float u = Initializer.uniform(0.25f).at(7, i);
      assertTrue(u >= -0.25f && u < 0.25f);
    }
  }

  @Test
  void sameSeedGivesSameValuesAndParametersDiffer() {
    try (var device = new CpuDevice(1)) {
      float[] first = values(device, 5);
      assertArrayEquals(first, values(device, 5));
      assertFalse(Arrays.equals(first, values(device, 6)));
      assertNotEquals(first[0], first[128]);
    }
  }

  private static float[] values(CpuDevice device, long seed) {
    try (var parameters = new Parameters(device, Precision.F32)) {
      parameters.add("a", Initializer.normal(1f), 100);
      parameters.add("b", Initializer.normal(1f), 100);
      parameters.initialize(seed);
      return parameters.values().toArray();
    }
  }

  @Test
  void largeParameterIsFilledWithoutGaps() {
    // More than one upload of 64 chunks of 65,536.
    int size = 64 * 65_536 + 70_001;
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      Parameter w = parameters.add("w", (_, index) -> index % 8191, size);
      parameters.initialize(1);
      float[] values = w.value().toArray();
      for (int i = 0; i < size; i++) {
        assertEquals(i % 8191, (int) values[i]);
      }
    }
  }

  @Test
  void valuesInBf16AreRoundedMasters() {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.BF16)) {
      Parameter w = parameters.add("w", Initializer.normal(1f), 1000);
      parameters.initialize(1);
      assertEquals(DType.BF16, w.value().dtype());
      assertEquals(DType.F32, w.master().dtype());
      assertEquals(DType.F32, w.gradient().dtype());
      float[] exact = w.master().toArray();
      float[] rounded = w.value().toArray();
      for (int i = 0; i < exact.length; i++) {
        assertEquals(nearestEven(exact[i]), rounded[i]);
      }
    }
  }

  @Test
  void castRoundsToNearestEven() {
    float[] x = {
      1f, Math.nextUp(1f), Float.intBitsToFloat(0x3f808000), Float.intBitsToFloat(0x3f818000),
      Float.intBitsToFloat(0x3f808001), Float.intBitsToFloat(0xbf807fff), Float.MAX_VALUE, -Float.MAX_VALUE,
      Float.MIN_VALUE, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -0f, Float.intBitsToFloat(0x7f7f7fff)};
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      float[] y = scope.tensor(x, Shape.of(x.length), DType.BF16).toArray();
      for (int i = 0; i < x.length; i++) {
        assertEquals(Float.floatToRawIntBits(nearestEven(x[i])), Float.floatToRawIntBits(y[i]), "of " + x[i]);
      }
      // A NaN stays one, even if all its bits are in the half that is cut off.
      float[] nans = {Float.NaN, Float.intBitsToFloat(0x7f800001), Float.intBitsToFloat(0xffffffff)};
      for (float y2 : scope.tensor(nans, Shape.of(3), DType.BF16).toArray()) {
        assertTrue(Float.isNaN(y2));
      }
    }
  }

  private static float nearestEven(float x) {
    int bits = Float.floatToRawIntBits(x);
    int even = bits >>> 16 & 1;
    return Float.intBitsToFloat(bits + 0x7fff + even & 0xffff0000);
  }

  @Test
  void flatBuffersLieInOrderOfRegistration() {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      Parameter a = parameters.in("h").in("0").add("w", Initializer.constant(1f), 3, 5);
      Parameter b = parameters.add("b", Initializer.constant(2f), 200);
      Parameter c = parameters.add("c", Initializer.constant(3f));
      parameters.initialize(1);
      assertEquals("h.0.w", a.name());
      assertEquals(216, parameters.size());
      assertEquals(0, a.start());
      assertEquals(128, b.start());
      assertEquals(384, c.start());
      float[] flat = parameters.values().toArray();
      assertEquals(512, flat.length);
      assertEquals(1f, flat[14]);
      assertEquals(0f, flat[15]);
      assertEquals(2f, flat[327]);
      assertEquals(3f, flat[384]);
      assertEquals(3f, c.value().toArray()[0]);
      assertEquals(a, parameters.in("h.0").get("w"));
    }
  }
}
