package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.gatun.cpu.X86Kernels.Rows;

/** The exponentials of a softmax, whose arguments are zero at most, give or take a rounding. */
final class SoftmaxLanes {
  private static final int LANES = SPECIES.length();
  private static final float ROUNDER = 0x1.8p23f;

  private SoftmaxLanes() {}

  /**
   * eˣ within 1 ulp for x up to 1; zero under -87, where it would be all but subnormal. Does
   * without what {@link Lanes#exp} needs beyond that range (0.65 to 0.8 of its time on Zen 3).
   */
  static FloatVector exp(FloatVector x) {
    FloatVector rounded = x.fma(constant(1.44269504f), constant(ROUNDER));
    FloatVector whole = rounded.sub(ROUNDER);
    FloatVector r = whole.fma(constant(-0.693145752f), x);
    r = whole.fma(constant(-1.42860677e-6f), r);
    FloatVector p = constant(1.9875691500e-4f).fma(r, constant(1.3981999507e-3f)); // Cephes, expf
    p = p.fma(r, constant(8.3334519073e-3f));
    p = p.fma(r, constant(4.1665795894e-2f));
    p = p.fma(r, constant(1.6666665459e-1f));
    p = p.fma(r, constant(5.0000001201e-1f));
    p = p.fma(r.mul(r), r).add(1f);
    var power = rounded.reinterpretAsInts().add(127 - 0x4B400000)
        .lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    return p.mul(power).blend(0f, x.compare(VectorOperators.LT, -87f));
  }

  /** The largest of x from its beginning; a NaN may be passed over, for it reaches the sum by its exponential. */
  static float max(float[] x, int n) {
    return X86Pass.AVAILABLE ? X86Pass.LARGEST.run(n, Rows.of(x, 0)) : Lanes.max(x, 0, n);
  }

  /** x = exp(x - shift) in place; returns the sum of the results. There is room in x for whole vectors. */
  static float expAndSum(float[] x, int at, int n, float shift) {
    if (X86Pass.AVAILABLE) {
      return X86Pass.SOFTMAX_SUM.run(n, shift, Rows.of(x, at));
    }
    int whole = wholeVectors(x, at, n);
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector e = exp(FloatVector.fromArray(SPECIES, x, at + i).sub(shift));
      e.intoArray(x, at + i);
      sum = e.add(sum);
    }
    return Lanes.sum(sum);
  }

  /** x = exp(x - shift) · factor in place. There is room in x for whole vectors. */
  static void expAndScale(float[] x, int at, int n, float shift, float factor) {
    if (X86Pass.AVAILABLE) {
      X86Pass.SOFTMAX_SCALE.run(1, n, shift, factor, Rows.of(x, at));
      return;
    }
    int whole = wholeVectors(x, at, n);
    for (int i = 0; i < whole; i += LANES) {
      exp(FloatVector.fromArray(SPECIES, x, at + i).sub(shift)).mul(factor).intoArray(x, at + i);
    }
  }

  /** Fills up the last vector with what has an exponential of zero: one loop, without a copy of it for the rest. */
  private static int wholeVectors(float[] x, int at, int n) {
    int whole = Math.ceilDiv(n, LANES) * LANES;
    Arrays.fill(x, at + n, at + whole, Float.NEGATIVE_INFINITY);
    return whole;
  }

  private static FloatVector constant(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }
}
