package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class LanesTest {
  private static final long SEED = 20_250_101;
  private static final float[] SPECIAL = {
    0f,
    -0f,
    1f,
    -1f,
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    Float.MIN_VALUE,
    -Float.MIN_VALUE,
    Float.MIN_NORMAL,
    Float.MAX_VALUE,
    -Float.MAX_VALUE,
    88.7f,
    88.8f,
    -87.4f,
    -103.9f,
    -104.5f
  };

  @Test
  void expIsWithinItsBound() {
    assertWithin(1.1, Lanes::exp, StrictMath::exp);
  }

  @Test
  void logIsWithinItsBound() {
    assertWithin(1, Lanes::log, StrictMath::log);
  }

  @Test
  void tanhIsWithinItsBound() {
    assertWithin(5, Lanes::tanh, StrictMath::tanh);
  }

  @Test
  void erfIsWithinItsBound() {
    assertWithin(2, Lanes::erf, LanesTest::erf);
  }

  @Test
  void scalarsHaveTheBitsOfVectors() {
    for (float x = 0.01f; x < 80; x *= 1.01f) {
      assertEquals(Lanes.exp(vector(x)).lane(0), Lanes.exp(x));
      assertEquals(Lanes.log(vector(x)).lane(0), Lanes.log(x));
    }
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void geluIsWithinRoundingOfItsFormula(Gelu form) {
    for (float x = -12; x < 12; x += 0.0013f) {
      float[] y = {x};
      Lanes.gelu(y, 0, y, 0, 1, form);
      // A few roundings of a product that is at most |x|.
      assertEquals(gelu(x, form), y[0], 4 * Math.ulp(Math.max(1f, Math.abs(x))), () -> form + "");
    }
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void geluGradientIsWithinRoundingOfItsFormula(Gelu form) {
    double h = 1e-4;
    for (float x = -12; x < 12; x += 0.0013f) {
      double slope = (gelu(x + h, form) - gelu(x - h, form)) / (2 * h);
      float[] d = {3};
      Lanes.geluGradient(d, 0, new float[]{x}, 0, 1, form);
      // h² / 6 times a third derivative below 3, and a few roundings.
      assertEquals(3 * slope, d[0], 3 * (8 * Math.ulp(1f) + h * h), "at " + x);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100})
  void valuesDoNotDependOnTheirPlace(int n) {
    float[] x = random(n, 3);
    for (int place = 0; place < n; place++) {
      float[] row = x.clone();
      float[] one = {x[place]};
      Lanes.exp(row, 0, n);
      Lanes.exp(one, 0, 1);
      assertEquals(one[0], row[place]);
      for (Gelu form : Gelu.values()) {
        row = x.clone();
        one[0] = x[place];
        Lanes.gelu(row, 0, row, 0, n, form);
        Lanes.gelu(one, 0, one, 0, 1, form);
        assertEquals(one[0], row[place]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 31, 32, 33, 64, 100, 1000})
  void reductionsMatchPlainLoops(int n) {
    float[] x = random(n + 3, 1);
    float[] y = random(n + 3, 1);
    double sum = 0;
    double dot = 0;
    float max = Float.NEGATIVE_INFINITY;
    float min = Float.POSITIVE_INFINITY;
    for (int i = 1; i <= n; i++) {
      sum += x[i];
      dot += (double) x[i] * y[i + 1];
      max = Math.max(max, x[i]);
      min = Math.min(min, x[i]);
    }
    double tolerance = Math.ulp(1f) * (n + 1);
    assertEquals(sum, Lanes.sum(x, 1, n), tolerance);
    assertEquals(dot, Lanes.dot(x, 1, y, 2, n), tolerance);
    assertEquals(max, Lanes.max(x, 1, n));
    assertEquals(min, Lanes.min(x, 1, n));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 5, 8, 19, 40})
  void extremesPassNan(int place) {
    float[] x = random(41, 1);
    x[place] = Float.NaN;
    assertTrue(Float.isNaN(Lanes.max(x, 0, x.length)));
    assertTrue(Float.isNaN(Lanes.min(x, 0, x.length)));
  }

  @Test
  void bf16RoundsToNearestEvenAndKeepsNan() {
    assertEquals((short) 0x3F80, Bf16.of(1f));
    assertEquals((short) 0x3F80, Bf16.of(Float.intBitsToFloat(0x3F808000))); // tie, even below
    assertEquals((short) 0x3F82, Bf16.of(Float.intBitsToFloat(0x3F818000))); // tie, even above
    assertEquals((short) 0x3F81, Bf16.of(Float.intBitsToFloat(0x3F808001)));
    assertEquals((short) 0x7F80, Bf16.of(Float.MAX_VALUE));
    assertTrue(Float.isNaN(Bf16.toFloat(Bf16.of(Float.intBitsToFloat(0x7F800001)))));
    assertTrue(Float.isNaN(Bf16.toFloat(Bf16.of(Float.intBitsToFloat(0xFFFFFFFF)))));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void elementsComeBackAsTheirTypeHoldsThem(DType dtype) {
    for (int n : new int[]{1, 7, 8, 9, 40, 41}) {
      float[] x = random(n, 100);
      try (var arena = Arena.ofConfined()) {
        MemorySegment segment = arena.allocate(4L * (n + 3), 64);
        Lanes.store(segment, dtype, 3, x, 0, n);
        float[] back = new float[n];
        Lanes.load(back, 0, segment, dtype, 3, n);
        for (int i = 0; i < n; i++) {
          assertEquals(held(dtype, x[i]), back[i]);
          assertEquals(back[i], Lanes.get(segment, dtype, 3 + i));
        }
        Lanes.storeAdd(segment, dtype, 3, x, 0, n);
        for (int i = 0; i < n; i++) {
          assertEquals(held(dtype, back[i] + x[i]), Lanes.get(segment, dtype, 3 + i));
        }
      }
    }
  }

  private static float held(DType dtype, float x) {
    return switch (dtype) {
      case F32 -> x;
      case BF16 -> Bf16.toFloat(Bf16.of(x));
      case I32 -> (int) x;
    };
  }

  /** Every float between the special ones, some 60 of a thousand bit patterns apart. */
  private static void assertWithin(
      double ulps, UnaryOperator<FloatVector> function, DoubleUnaryOperator exact) {
    for (float x : SPECIAL) {
      check(ulps, function.apply(vector(x)).lane(0), x, exact.applyAsDouble(x));
    }
    float[] xs = new float[Lanes.SPECIES.length()];
    float[] ys = xs.clone();
    for (int bits = 0; bits < 0x7F800000 - 70_000; bits += 65_537) {
      for (int i = 0; i < xs.length; i++) {
        xs[i] = Float.intBitsToFloat(bits + i * 8191) * (i % 2 == 0 ? 1 : -1);
      }
      function.apply(FloatVector.fromArray(Lanes.SPECIES, xs, 0)).intoArray(ys, 0);
      for (int i = 0; i < xs.length; i++) {
        check(ulps, ys[i], xs[i], exact.applyAsDouble(xs[i]));
      }
    }
  }

  private static void check(double ulps, float actual, float x, double exact) {
    float nearest = (float) exact;
    if (Float.isNaN(nearest) || Float.isInfinite(nearest)) {
      assertEquals(nearest, actual, "at " + x);
    } else {
      assertEquals(exact, actual, ulps * Math.ulp(nearest), () -> "at " + x);
    }
  }

  private static FloatVector vector(float x) {
    return FloatVector.broadcast(Lanes.SPECIES, x);
  }

  private static float[] random(int n, float scale) {
    var random = new Random(SEED);
    float[] x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) random.nextGaussian() * scale;
    }
    return x;
  }

  private static double gelu(double x, Gelu form) {
    return switch (form) {
      case TANH -> x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case ERF -> x < 0 ? 0.5 * x * erfc(-x / Math.sqrt(2)) : x - 0.5 * x * erfc(x / Math.sqrt(2));
    };
  }

  private static double erf(double x) {
    return x < 0 ? -erf(-x) : x < 2 ? series(x) : 1 - erfc(x);
  }

  private static double erfc(double x) {
    if (x < 2) {
      return 1 - erf(x);
    }
    double fraction = 0; // Laplace's continued fraction
    for (int k = 120; k > 0; k--) {
      fraction = k / 2.0 / (x + fraction);
    }
    return StrictMath.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
  }

  private static double series(double x) {
    if (Double.isNaN(x)) {
      return x;
    }
    double sum = x;
    double term = x;
    for (int n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
}
