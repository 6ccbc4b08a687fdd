package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static jdk.incubator.vector.FloatVector.broadcast;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;

/**
 * The vector arithmetic kernels share: conversion of elements to and from {@code float[]}, the
 * elementary functions, and loops over chunks of arrays.
 *
 * <p>A value depends on its arguments alone, not on its place in a vector or a chunk: tails run the
 * same vector code under a mask. VectorOperators' EXP, TANH and the like, and reduceLanes(ADD), are
 * avoided because their bits differ between interpreted and compiled code.
 *
 * <p>C2 keeps vectors in registers only where it inlines every operation on them. So in all loops of this
 * package a vector that is carried from one iteration to the next is an argument and never the receiver
 * ({@code sum = x.add(sum)}): of the receiver C2 must know the class, and of such a one it knows it by luck
 * alone. A loop has one copy of its formula. What is long goes through {@link #apart}.
 */
final class Lanes {
  static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  // Added to a small float it leaves the nearest integer in the low bits.
  private static final float ROUNDER = 0x1.8p23f;
  private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);

  private Lanes() {}

  // Elements to and from arrays.

  /** Reads n elements of a type, from one with a number on, as floats. */
  static void load(float[] into, int at, MemorySegment source, DType dtype, long element, int n) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(source, JAVA_FLOAT, element * Float.BYTES, into, at, n);
      case BF16 -> Bf16.load(into, at, source, element, n);
      case I32 -> {
        for (int i = 0; i < n; i++) {
          into[at + i] = source.getAtIndex(JAVA_INT, element + i);
        }
      }
    }
  }

  /** Writes n floats as elements of a type: BF16 rounds to nearest even, I32 truncates. */
  static void store(MemorySegment target, DType dtype, long element, float[] from, int at, int n) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(from, at, target, JAVA_FLOAT, element * Float.BYTES, n);
      case BF16 -> Bf16.store(target, element, from, at, n);
      case I32 -> {
        for (int i = 0; i < n; i++) {
          target.setAtIndex(JAVA_INT, element + i, (int) from[at + i]);
        }
      }
    }
  }

  /** Adds n floats to elements of a type; the sum is formed in F32. */
  static void storeAdd(
      MemorySegment target, DType dtype, long element, float[] from, int at, int n) {
    switch (dtype) {
      case F32 -> addF32(target, element, from, at, n);
      case BF16 -> Bf16.add(target, element, from, at, n);
      case I32 -> {
        for (int i = 0; i < n; i++) {
          int old = target.getAtIndex(JAVA_INT, element + i);
          target.setAtIndex(JAVA_INT, element + i, (int) (old + from[at + i]));
        }
      }
    }
  }

  /** Stores or adds, as a sink asks. */
  static void store(
      boolean add, MemorySegment target, DType dtype, long element, float[] from, int at, int n) {
    if (add) {
      storeAdd(target, dtype, element, from, at, n);
    } else {
      store(target, dtype, element, from, at, n);
    }
  }

  /** One element as a float. */
  static float get(MemorySegment source, DType dtype, long element) {
    return switch (dtype) {
      case F32 -> source.getAtIndex(JAVA_FLOAT, element);
      case BF16 -> Bf16.toFloat(source.getAtIndex(JAVA_SHORT, element));
      case I32 -> source.getAtIndex(JAVA_INT, element);
    };
  }

  /** Writes one element: BF16 rounds to nearest even, I32 truncates. */
  static void set(MemorySegment target, DType dtype, long element, float value) {
    switch (dtype) {
      case F32 -> target.setAtIndex(JAVA_FLOAT, element, value);
      case BF16 -> target.setAtIndex(JAVA_SHORT, element, Bf16.of(value));
      case I32 -> target.setAtIndex(JAVA_INT, element, (int) value);
    }
  }

  private static void addF32(MemorySegment target, long element, float[] from, int at, int n) {
    if (X86Pass.AVAILABLE) {
      Rows to = Rows.of(target, element);
      X86Pass.ADD.run(n, to, Rows.of(from, at), to);
      return;
    }
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      long place = (element + i) * Float.BYTES;
      FloatVector.fromMemorySegment(SPECIES, target, place, ORDER)
          .add(FloatVector.fromArray(SPECIES, from, at + i))
          .intoMemorySegment(target, place, ORDER);
    }
    for (; i < n; i++) {
      float old = target.getAtIndex(JAVA_FLOAT, element + i);
      target.setAtIndex(JAVA_FLOAT, element + i, old + from[at + i]);
    }
  }

  // Functions.

  // Each is one method without calls of our own: what C2 inlines wherever it is used. It stops
  // inlining ours past some 36 vector operations (see apart), and a vector that crosses a call is boxed.

  /** eˣ within 1.1 ulp, subnormal results and both infinities included. */
  static FloatVector exp(FloatVector x) {
    // Compare and blend rather than min and max: NaN passes, and it is two instructions, not five.
    x = x.blend(-105f, x.compare(VectorOperators.LT, -105f));
    x = x.blend(89f, x.compare(VectorOperators.GT, 89f));
    FloatVector rounded = x.fma(broadcast(SPECIES, 1.44269504f), broadcast(SPECIES, ROUNDER));
    FloatVector whole = rounded.sub(ROUNDER);
    FloatVector r = whole.fma(broadcast(SPECIES, -0.693145752f), x);
    r = whole.fma(broadcast(SPECIES, -1.42860677e-6f), r);
    // The polynomial is that of Cephes' expf.
    FloatVector p =
        r.fma(broadcast(SPECIES, 1.9875691500e-4f), broadcast(SPECIES, 1.3981999507e-3f));
    p = p.fma(r, broadcast(SPECIES, 8.3334519073e-3f));
    p = p.fma(r, broadcast(SPECIES, 4.1665795894e-2f));
    p = p.fma(r, broadcast(SPECIES, 1.6666665459e-1f));
    p = p.fma(r, broadcast(SPECIES, 5.0000001201e-1f));
    p = p.fma(r.mul(r), r).add(1f);
    // Two factors, so that results beyond the normal range round once or overflow.
    IntVector k = rounded.reinterpretAsInts().sub(ROUNDER_BITS);
    IntVector half = k.lanewise(VectorOperators.ASHR, 1);
    return p.mul(half.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats())
        .mul(k.sub(half).add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
  }

  /** eˣ, the same bits as in a vector. */
  static float exp(float x) {
    return exp(broadcast(SPECIES, x)).lane(0);
  }

  /** The natural logarithm within 1 ulp (after N. Juffa). */
  static FloatVector log(FloatVector x) {
    VectorMask<Float> tiny = x.compare(VectorOperators.LT, Float.MIN_NORMAL);
    IntVector bits = x.blend(x.mul(0x1p23f), tiny).reinterpretAsInts();
    IntVector e = bits.sub(0x3F2AAAAB).and(0xFF800000);
    FloatVector exponent =
        ((FloatVector) e.convertShape(VectorOperators.I2F, SPECIES, 0))
            .mul(0x1p-23f)
            .add(broadcast(SPECIES, 0f).blend(-23f, tiny));
    FloatVector m = bits.sub(e).reinterpretAsFloats().sub(1f);
    FloatVector s = m.mul(m);
    FloatVector r = s.fma(broadcast(SPECIES, -0.130310059f), broadcast(SPECIES, -0.121483512f));
    FloatVector t = s.fma(broadcast(SPECIES, 0.140869141f), broadcast(SPECIES, 0.139814854f));
    r = r.fma(s, broadcast(SPECIES, -0.166846126f));
    t = t.fma(s, broadcast(SPECIES, 0.200120345f));
    r = t.fma(m, r.fma(s, broadcast(SPECIES, -0.249996200f)));
    r = r.fma(m, broadcast(SPECIES, 0.333331972f)).fma(m, broadcast(SPECIES, -0.5f));
    r = exponent.fma(broadcast(SPECIES, 0.693147182f), r.fma(s, m));
    return r.blend(x, x.compare(VectorOperators.EQ, Float.POSITIVE_INFINITY))
        .blend(Float.NEGATIVE_INFINITY, x.compare(VectorOperators.EQ, 0f))
        .blend(Float.NaN, x.compare(VectorOperators.LT, 0f))
        .blend(x, x.compare(VectorOperators.NE, x));
  }

  /** The natural logarithm, the same bits as in a vector. */
  static float log(float x) {
    return log(broadcast(SPECIES, x)).lane(0);
  }

  /** The hyperbolic tangent within 5 ulp: a rational function, as in Eigen. */
  static FloatVector tanh(FloatVector x) {
    FloatVector c = x.blend(-7.9988117f, x.compare(VectorOperators.LT, -7.9988117f));
    c = c.blend(7.9988117f, c.compare(VectorOperators.GT, 7.9988117f));
    FloatVector s = c.mul(c);
    FloatVector p =
        s.fma(
            broadcast(SPECIES, -2.76076847742355e-16f), broadcast(SPECIES, 2.00018790482477e-13f));
    p = p.fma(s, broadcast(SPECIES, -8.60467152213735e-11f));
    p = p.fma(s, broadcast(SPECIES, 5.12229709037114e-08f));
    p = p.fma(s, broadcast(SPECIES, 1.48572235717979e-05f));
    p = p.fma(s, broadcast(SPECIES, 6.37261928875436e-04f));
    p = p.fma(s, broadcast(SPECIES, 4.89352455891786e-03f)).mul(c);
    FloatVector q =
        s.fma(broadcast(SPECIES, 1.19825839466702e-06f), broadcast(SPECIES, 1.18534705686654e-04f));
    q = q.fma(s, broadcast(SPECIES, 2.26843463243900e-03f));
    q = q.fma(s, broadcast(SPECIES, 4.89352518554385e-03f));
    return p.div(q).blend(x, s.compare(VectorOperators.LT, 1.6e-7f));
  }

  /** The error function within 2 ulp: a polynomial (after N. Juffa) near zero, 1 - erfc beyond. */
  static FloatVector erf(FloatVector x) {
    FloatVector s = x.mul(x);
    FloatVector far = broadcast(SPECIES, 1f).sub(exp(s.neg()).mul(scaledErfc(x.abs())));
    FloatVector r = s.fma(broadcast(SPECIES, -5.96761703e-4f), broadcast(SPECIES, 4.99119423e-3f));
    r = r.fma(s, broadcast(SPECIES, -2.67681349e-2f));
    r = r.fma(s, broadcast(SPECIES, 1.12819925e-1f));
    r = r.fma(s, broadcast(SPECIES, -3.76125336e-1f));
    r = r.fma(s, broadcast(SPECIES, 1.28379166e-1f));
    return far.blend(far.neg(), x.compare(VectorOperators.LT, 0f))
        .blend(r.fma(x, x), s.compare(VectorOperators.LT, 0.86f));
  }

  /**
   * exp(t²) erfc(t) for t from 0 on: u times a polynomial in u = 1 / (1 + 0.375 t), fitted for the
   * smallest relative error up to t = 10 (1.5e-8 before rounding).
   */
  static FloatVector scaledErfc(FloatVector t) {
    FloatVector u = broadcast(SPECIES, 1f).div(t.mul(0.375f).add(1f));
    FloatVector p = u.fma(broadcast(SPECIES, 0.061077490f), broadcast(SPECIES, -0.28515559f));
    p = p.fma(u, broadcast(SPECIES, 0.42803931f));
    p = p.fma(u, broadcast(SPECIES, -0.22457187f));
    p = p.fma(u, broadcast(SPECIES, 0.27047393f));
    p = p.fma(u, broadcast(SPECIES, 0.12285329f));
    p = p.fma(u, broadcast(SPECIES, 0.20497677f));
    p = p.fma(u, broadcast(SPECIES, 0.21069586f));
    return p.fma(u, broadcast(SPECIES, 0.21161081f)).mul(u);
  }

  // Loops over chunks.

  /**
   * A loop over arrays; y may be read as well as written. What n counts is the loop's affair: those that
   * {@link #run} takes get a multiple of the lane count of floats.
   */
  @FunctionalInterface
  interface Loop {
    void run(float[] y, int yAt, float[] x, int xAt, int n);
  }

  /**
   * Runs a loop that C2 shall compile by itself. A method and what is inlined into it share one budget of
   * 18,000 nodes, and a vector operation takes some 500: whoever inlines two loops with an exponential
   * each uses it up in the middle, and from there on every vector is boxed (10 to 20 times slower). This
   * call sees so many kinds of loops that none is inlined, provided that callers take the loop from a
   * field of an object, or from an array: C2 looks through constants.
   */
  static void apart(Loop loop, float[] y, int yAt, float[] x, int xAt, int n) {
    loop.run(y, yAt, x, xAt, n);
  }

  private static final Loop[] GELU = {GeluLoops::tanh, GeluLoops::erf};
  private static final Loop[] GELU_GRADIENT = {GeluLoops::tanhGradient, GeluLoops::erfGradient};
  private static final Loop[] EXP = {Lanes::exp};
  private static final Loop[] LOG = {Lanes::log};

  /** Runs a loop over any number of floats: the last few in a vector of their own. */
  private static void run(Loop loop, float[] y, int yAt, float[] x, int xAt, int n) {
    int whole = SPECIES.loopBound(n);
    apart(loop, y, yAt, x, xAt, whole);
    int rest = n - whole;
    if (rest > 0) {
      var tail = new float[2 * LANES];
      System.arraycopy(y, yAt + whole, tail, 0, rest);
      System.arraycopy(x, xAt + whole, tail, LANES, rest);
      apart(loop, tail, 0, tail, LANES, LANES);
      System.arraycopy(tail, 0, y, yAt + whole, rest);
    }
  }

  /** y = gelu(x); y may be x. */
  static void gelu(float[] y, int yAt, float[] x, int xAt, int n, Gelu form) {
    run(GELU[form.ordinal()], y, yAt, x, xAt, n);
  }

  /** d is multiplied in place by gelu'(x). */
  static void geluGradient(float[] d, int dAt, float[] x, int xAt, int n, Gelu form) {
    run(GELU_GRADIENT[form.ordinal()], d, dAt, x, xAt, n);
  }

  /** x = eˣ in place. */
  static void exp(float[] x, int at, int n) {
    if (X86Pass.AVAILABLE) {
      X86Pass.EXP.run(n, Rows.of(x, at), Rows.of(x, at));
      return;
    }
    run(EXP[0], x, at, x, at, n);
  }

  /** x = ln x in place. */
  static void log(float[] x, int at, int n) {
    if (X86Pass.AVAILABLE) {
      X86Pass.LOG.run(n, Rows.of(x, at), Rows.of(x, at));
      return;
    }
    run(LOG[0], x, at, x, at, n);
  }

  private static void log(float[] y, int yAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      log(FloatVector.fromArray(SPECIES, x, xAt + i)).intoArray(y, yAt + i);
    }
  }

  private static void exp(float[] y, int yAt, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i += LANES) {
      exp(FloatVector.fromArray(SPECIES, x, xAt + i)).intoArray(y, yAt + i);
    }
  }

  /** Σ a · b. */
  static float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    if (X86Pass.AVAILABLE) {
      return X86Pass.DOT.run(n, Rows.of(a, aAt), Rows.of(b, bAt));
    }
    FloatVector s0 = broadcast(SPECIES, 0f);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int i = 0;
    for (int end = n - 4 * LANES; i <= end; i += 4 * LANES) {
      s0 = at(a, aAt + i).fma(at(b, bAt + i), s0);
      s1 = at(a, aAt + i + LANES).fma(at(b, bAt + i + LANES), s1);
      s2 = at(a, aAt + i + 2 * LANES).fma(at(b, bAt + i + 2 * LANES), s2);
      s3 = at(a, aAt + i + 3 * LANES).fma(at(b, bAt + i + 3 * LANES), s3);
    }
    for (int end = n - LANES; i <= end; i += LANES) {
      s0 = at(a, aAt + i).fma(at(b, bAt + i), s0);
    }
    if (i < n) {
      var tail = SPECIES.indexInRange(i, n);
      s1 =
          FloatVector.fromArray(SPECIES, a, aAt + i, tail)
              .fma(FloatVector.fromArray(SPECIES, b, bAt + i, tail), s1);
    }
    return sum(s0.add(s1).add(s2.add(s3)));
  }

  /** Σ x. */
  static float sum(float[] x, int at, int n) {
    if (X86Pass.AVAILABLE) {
      return X86Pass.SUM.run(n, Rows.of(x, at));
    }
    FloatVector s0 = broadcast(SPECIES, 0f);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int i = 0;
    for (int end = n - 4 * LANES; i <= end; i += 4 * LANES) {
      s0 = at(x, at + i).add(s0);
      s1 = at(x, at + i + LANES).add(s1);
      s2 = at(x, at + i + 2 * LANES).add(s2);
      s3 = at(x, at + i + 3 * LANES).add(s3);
    }
    for (int end = n - LANES; i <= end; i += LANES) {
      s0 = at(x, at + i).add(s0);
    }
    if (i < n) {
      s1 = FloatVector.fromArray(SPECIES, x, at + i, SPECIES.indexInRange(i, n)).add(s1);
    }
    return sum(s0.add(s1).add(s2.add(s3)));
  }

  /** The largest of x; NaN if any is; minus infinity if there is none. */
  static float max(float[] x, int at, int n) {
    FloatVector m0 = broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector m1 = m0;
    int i = 0;
    for (int end = n - 2 * LANES; i <= end; i += 2 * LANES) {
      m0 = at(x, at + i).max(m0);
      m1 = at(x, at + i + LANES).max(m1);
    }
    float max = m0.max(m1).reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      max = Math.max(max, x[at + i]);
    }
    return max;
  }

  /** The smallest of x; NaN if any is; infinity if there is none. */
  static float min(float[] x, int at, int n) {
    FloatVector min = broadcast(SPECIES, Float.POSITIVE_INFINITY);
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      min = at(x, at + i).min(min);
    }
    float result = min.reduceLanes(VectorOperators.MIN);
    for (; i < n; i++) {
      result = Math.min(result, x[at + i]);
    }
    return result;
  }

  /** y += n elements of a type. */
  static void addElements(
      float[] y, int at, MemorySegment source, DType dtype, long element, int n) {
    if (X86Pass.AVAILABLE && dtype == DType.F32) {
      Rows to = Rows.of(y, at);
      X86Pass.ADD.run(n, to, Rows.of(source, element), to);
      return;
    }
    if (dtype != DType.F32) {
      for (int i = 0; i < n; i++) {
        y[at + i] += get(source, dtype, element + i);
      }
      return;
    }
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      long place = (element + i) * Float.BYTES;
      at(y, at + i)
          .add(FloatVector.fromMemorySegment(SPECIES, source, place, ORDER))
          .intoArray(y, at + i);
    }
    for (; i < n; i++) {
      y[at + i] += source.getAtIndex(JAVA_FLOAT, element + i);
    }
  }

  /** y += factor · x. */
  static void axpy(float[] y, int yAt, float factor, float[] x, int xAt, int n) {
    if (X86Pass.AVAILABLE) {
      X86Pass.AXPY.run(n, factor, Rows.of(x, xAt), Rows.of(y, yAt));
      return;
    }
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      at(x, xAt + i).fma(broadcast(SPECIES, factor), at(y, yAt + i)).intoArray(y, yAt + i);
    }
    for (; i < n; i++) {
      y[yAt + i] = Math.fma(x[xAt + i], factor, y[yAt + i]);
    }
  }

  /** x *= factor. */
  static void scale(float[] x, int at, float factor, int n) {
    if (X86Pass.AVAILABLE) {
      X86Pass.MULTIPLY_BY_NUMBER.run(n, factor, Rows.of(x, at), Rows.of(x, at));
      return;
    }
    for (int i = at; i < at + n; i++) {
      x[i] *= factor;
    }
  }

  /** The sum of a vector's lanes, by halves. */
  static float sum(FloatVector v) {
    var lanes = new float[LANES];
    v.intoArray(lanes, 0);
    for (int width = LANES / 2; width > 0; width /= 2) {
      for (int i = 0; i < width; i++) {
        lanes[i] += lanes[i + width];
      }
    }
    return lanes[0];
  }

  private static FloatVector at(float[] x, int at) {
    return FloatVector.fromArray(SPECIES, x, at);
  }
}
