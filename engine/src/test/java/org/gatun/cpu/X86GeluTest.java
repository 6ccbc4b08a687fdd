package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.Random;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.proof.Oracle;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * GELU by machine code: with AVX2 the bits of the Vector API, with AVX-512, where it is looked up in tables, as near to
 * its formula.
 */
class X86GeluTest {
  private static final long SEED = 20_261_201;
  private static final int LANES = Lanes.SPECIES.length();
  private static final int GUARD = 3; // floats around each operand; odd, so that nothing is aligned
  private static final float KEPT = 1234.5f;
  private static final int[] SIZES = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100};

  private final Random random = new Random(SEED);

  @BeforeEach
  void find() {
    assumeTrue(X86Pass.AVAILABLE, () -> "no machine code: " + X86Kernels.obstacle());
  }

  private static X86Pass forward(Gelu form) {
    return form == Gelu.TANH ? X86Pass.GELU_TANH : X86Pass.GELU_ERF;
  }

  private static X86Pass gradient(Gelu form) {
    return form == Gelu.TANH ? X86Pass.GELU_TANH_GRADIENT : X86Pass.GELU_ERF_GRADIENT;
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void ofAvx2HasTheBitsOfTheVectorApi(Gelu form) {
    assumeTrue(LANES == 8, "AVX-512 looks it up in tables");
    int n = 1000;
    float[] x = numbers(n);
    float[] y = room(n);
    float[] wanted = Arrays.copyOfRange(x, GUARD, GUARD + n);
    forward(form).run(n, of(x), of(y));
    Lanes.gelu(wanted, 0, wanted.clone(), 0, n, form);
    assertEquals(Arrays.toString(wanted), Arrays.toString(Arrays.copyOfRange(y, GUARD, GUARD + n)));
    float[] again = room(n);
    wanted = Arrays.copyOfRange(x, GUARD, GUARD + n);
    gradient(form).run(n, of(x), of(x), of(again), of(x));
    assertArrayEquals(y, again, 1e-25f); // its exponential ends at -9
    Lanes.geluGradient(wanted, 0, wanted.clone(), 0, n, form);
    assertEquals(Arrays.toString(wanted), Arrays.toString(Arrays.copyOfRange(x, GUARD, GUARD + n)));
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void anyNumberOfThemIsComputedAndNothingBeside(Gelu form) {
    for (int n : SIZES) {
      float[] x = numbers(n);
      float[] d = numbers(n);
      float[] y = room(n);
      forward(form).run(n, of(x), of(y));
      for (int i = GUARD; i < GUARD + n; i++) {
        assertNearGelu(x[i], y[i], form);
      }
      float[] dz = room(n);
      float[] again = room(n);
      gradient(form).run(n, of(d), of(x), of(again), of(dz));
      assertArrayEquals(y, again, LANES == 16 ? 0 : 1e-25f);
      for (int i = GUARD; i < GUARD + n; i++) {
        double wanted = d[i] * slope(x[i], form);
        assertEquals(wanted, dz[i], 2 * Math.ulp(1f) * Math.max(1, Math.abs(d[i])), "at " + x[i]);
      }
      for (float[] operand : new float[][]{x, d, y, again, dz}) {
        for (int i = 0; i < GUARD; i++) {
          assertEquals(KEPT, operand[i]);
          assertEquals(KEPT, operand[GUARD + n + i]);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void eachPieceIsNearTheFormula(Gelu form) {
    int n = 1 << 17;
    float[] x = new float[n];
    float[] y = new float[n];
    float[] ones = new float[n];
    float[] slopes = new float[n];
    Arrays.fill(ones, 1f);
    for (int i = 0; i < n; i++) {
      x[i] = 9f * (2 * random.nextFloat() - 1);
    }
    forward(form).run(n, Rows.of(x, 0), Rows.of(y, 0));
    gradient(form).run(n, Rows.of(ones, 0), Rows.of(x, 0), Rows.of(new float[n], 0), Rows.of(slopes, 0));
    for (int i = 0; i < n; i++) {
      assertNearGelu(x[i], y[i], form);
      // A slope of at most 1.13 is a polynomial's, rounded at most twice at this size; the formula's has more steps.
      assertEquals(slope(x[i], form), slopes[i], (LANES == 16 ? 1 : 3) * Math.ulp(1f), "at " + x[i]);
    }
  }

  @ParameterizedTest
  @EnumSource(Gelu.class)
  void whatIsNoCommonNumberIsAnswered(Gelu form) {
    float[] x = {0f, -0f, Float.NaN, Float.POSITIVE_INFINITY, Float.MAX_VALUE, -Float.MAX_VALUE, Float.MIN_NORMAL};
    float[] wanted = {0f, -0f, Float.NaN, Float.POSITIVE_INFINITY, Float.MAX_VALUE, 0f, Float.MIN_NORMAL / 2};
    float[] slopes = {0.5f, 0.5f, Float.NaN, 1, 1, 0, 0.5f};
    if (LANES == 8) { // infinity times an exponential of 0; and the cube of a large number is infinite
      slopes[3] = Float.NaN;
      slopes[4] = form == Gelu.TANH ? Float.NaN : 1;
    }
    float[] y = new float[x.length];
    forward(form).run(x.length, Rows.of(x, 0), Rows.of(y, 0));
    assertArrayEquals(wanted, y, Float.MIN_VALUE); // zeros of either sign
    assertEquals(wanted[1], y[1]);
    float[] ones = new float[x.length];
    Arrays.fill(ones, 1f);
    gradient(form).run(x.length, Rows.of(ones, 0), Rows.of(x, 0), Rows.of(x.clone(), 0), Rows.of(y, 0));
    assertArrayEquals(slopes, y, 1e-25f);
  }

  /**
   * Ten roundings of the value itself down to -4, where the argument of its exponential, 8, makes as many of one. Beyond,
   * where it is below 1e-4, tables keep eight bits of it, and an argument of 30 makes 30 roundings of one.
   */
  private static void assertNearGelu(float x, float y, Gelu form) {
    double wanted = gelu(x, form);
    double relative = x > -4 ? 10 * 0x1p-23 : 0x1p-8;
    double tolerance = (LANES == 16 || x > 0 ? relative : 0x1p-17) * Math.abs(wanted) + 1e-12;
    assertEquals(wanted, y, tolerance, () -> form + " at " + x + ", seed " + SEED);
    assertTrue(x < 0 || y >= 0);
  }

  private static double gelu(double x, Gelu form) {
    return x * below(x, form);
  }

  private static double slope(double x, Gelu form) {
    double h = 1e-5; // h² / 6 times a third derivative below 3 is far below a rounding
    return (gelu(x + h, form) - gelu(x - h, form)) / (2 * h);
  }

  /** Φ(x), or what stands for it. */
  private static double below(double x, Gelu form) {
    double u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
    return form == Gelu.TANH ? 1 / (1 + Math.exp(-2 * u)) : 0.5 * (1 + Oracle.erf(x / Math.sqrt(2)));
  }

  private static Rows of(float[] x) {
    return Rows.of(x, GUARD);
  }

  private float[] numbers(int n) {
    float[] x = room(n);
    for (int i = 0; i < n; i++) {
      x[GUARD + i] = (float) (3 * random.nextGaussian());
    }
    return x;
  }

  private static float[] room(int n) {
    float[] x = new float[n + 2 * GUARD];
    Arrays.fill(x, KEPT);
    return x;
  }
}
