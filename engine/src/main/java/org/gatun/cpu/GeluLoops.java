package org.gatun.cpu;

import static jdk.incubator.vector.FloatVector.broadcast;
import static org.gatun.cpu.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * GELU and its derivative over whole vectors of arrays; n is a multiple of the lane count.
 *
 * <p>A loop holds one copy of its formula and few calls of our own: past some 36 vector
 * operations C2 inlines no more of them, and vectors that cross a call are boxed (20 times slower).
 */
final class GeluLoops {
  private static final int LANES = SPECIES.length();

  // tanh(u) is written as a logistic function of 2u = √(8/π) (x + 0.044715 x³), which keeps the
  // digits that 1 + tanh would cancel.
  static final float LINEAR = 1.5957691216057308f;
  static final float CUBIC = 0.07135481627159425f;
  static final float SQRT_HALF = 0.7071067811865476f;
  static final float INVERSE_SQRT_TWO_PI = 0.3989422804014327f;

  private GeluLoops() {}

  /** y = x / (1 + exp(-2u)), the tanh form; y may be x. */
  static void tanh(float[] y, int yAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, x, xAt + i);
      FloatVector e =
          Lanes.exp(v.mul(v).fma(broadcast(SPECIES, -CUBIC), broadcast(SPECIES, -LINEAR)).mul(v));
      v.div(e.add(1f)).intoArray(y, yAt + i);
    }
  }

  /** d is multiplied by the derivative of the tanh form. */
  static void tanhGradient(float[] d, int dAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, x, xAt + i);
      // The derivative is below 1e-25 from here on; e must stay finite for 1 - s = e s.
      v = v.blend(-9f, v.compare(VectorOperators.LT, -9f));
      FloatVector square = v.mul(v);
      FloatVector e =
          Lanes.exp(square.fma(broadcast(SPECIES, -CUBIC), broadcast(SPECIES, -LINEAR)).mul(v));
      FloatVector s = broadcast(SPECIES, 1f).div(e.add(1f));
      FloatVector slope = square.fma(broadcast(SPECIES, 3 * CUBIC), broadcast(SPECIES, LINEAR));
      e.mul(s)
          .mul(s)
          .mul(v)
          .fma(slope, s)
          .mul(FloatVector.fromArray(SPECIES, d, dAt + i))
          .intoArray(d, dAt + i);
    }
  }

  /** y = x Φ(x); y may be x. */
  static void erf(float[] y, int yAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, x, xAt + i);
      FloatVector z = v.mul(SQRT_HALF);
      FloatVector tail = Lanes.exp(z.mul(z).neg()).mul(Lanes.scaledErfc(z.abs()));
      broadcast(SPECIES, 2f)
          .sub(tail)
          .blend(tail, v.compare(VectorOperators.LT, 0f))
          .mul(v.mul(0.5f))
          .intoArray(y, yAt + i);
    }
  }

  /** d is multiplied by Φ(x) + x φ(x). */
  static void erfGradient(float[] d, int dAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, x, xAt + i);
      FloatVector z = v.mul(SQRT_HALF);
      FloatVector e = Lanes.exp(z.mul(z).neg());
      FloatVector tail = e.mul(Lanes.scaledErfc(z.abs()));
      broadcast(SPECIES, 2f)
          .sub(tail)
          .blend(tail, v.compare(VectorOperators.LT, 0f))
          .mul(0.5f)
          .add(v.mul(e).mul(INVERSE_SQRT_TWO_PI))
          .mul(FloatVector.fromArray(SPECIES, d, dAt + i))
          .intoArray(d, dAt + i);
    }
  }
}
