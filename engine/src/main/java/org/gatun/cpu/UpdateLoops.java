package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.Kernels;

/** The loops of {@link CpuUpdate}, on F32 memory in place; positions are in bytes. */
final class UpdateLoops {
  private static final VectorSpecies<Double> DOUBLES =
      VectorSpecies.of(double.class, SPECIES.vectorShape());
  private static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private UpdateLoops() {}

  /** What changes from step to step of AdamW; corrections are 1 - βᵗ. */
  record Schedule(float learningRate, float correction1, float correction2) {}

  /** What {@link #adamw} multiplies by. */
  record AdamW(
      float scale, float keep, float beta1, float beta1Rest, float beta2, float beta2Rest,
      float rate, float correction, float eps) {
    static AdamW of(Kernels.Update.AdamW by, Schedule step, float weightDecay, float scale) {
      return new AdamW(
          scale, 1 - step.learningRate() * weightDecay,
          by.beta1(), 1 - by.beta1(), by.beta2(), 1 - by.beta2(),
          -step.learningRate() / step.correction1(), 1 / step.correction2(), by.eps());
    }

    float[] inOrder() {
      return new float[]{scale, keep, beta1, beta1Rest, beta2, beta2Rest, rate, correction, eps};
    }
  }

  /** What {@link #sgd} multiplies by; {@code rate} is negative. */
  record Sgd(float scale, float decay, float momentum, float rate) {}

  /** Σ x² in double, by machine code; of F32 from an element on. */
  static double squares(MemorySegment x, long element, int n) {
    var sums = new float[2 * LANES]; // room for as many doubles as a vector has floats
    int whole = n / LANES;
    X86Pass.SQUARES.run(whole, Rows.of(x, element), Rows.of(sums, 0));
    double sum = 0;
    for (int i = 0; i < LANES; i++) {
      sum += MemorySegment.ofArray(sums).get(ValueLayout.JAVA_DOUBLE_UNALIGNED, (long) i * Double.BYTES);
    }
    for (int i = whole * LANES; i < n; i++) {
      double rest = x.getAtIndex(ValueLayout.JAVA_FLOAT, element + i);
      sum += rest * rest;
    }
    return sum;
  }

  /** Σ x² in double. */
  static double squares(float[] x, int n) {
    DoubleVector sum0 = DoubleVector.zero(DOUBLES);
    DoubleVector sum1 = sum0;
    DoubleVector sum2 = sum0;
    DoubleVector sum3 = sum0;
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      DoubleVector x0 = widen(x, i);
      DoubleVector x1 = widen(x, i + LANES / 2);
      DoubleVector x2 = widen(x, i + LANES);
      DoubleVector x3 = widen(x, i + LANES + LANES / 2);
      sum0 = x0.fma(x0, sum0);
      sum1 = x1.fma(x1, sum1);
      sum2 = x2.fma(x2, sum2);
      sum3 = x3.fma(x3, sum3);
    }
    double sum = 0;
    // Lane by lane, for the bits of reduceLanes(ADD) depend on how it was compiled.
    for (double lane : sum0.add(sum1).add(sum2.add(sum3)).toArray()) {
      sum += lane;
    }
    for (; i < n; i++) {
      sum += (double) x[i] * x[i];
    }
    return sum;
  }

  private static DoubleVector widen(float[] x, int at) {
    // Half a vector, for converting the upper half of a whole one costs a shuffle.
    return (DoubleVector) FloatVector.fromArray(HALF, x, at)
        .convertShape(VectorOperators.F2D, DOUBLES, 0);
  }

  /** One step of AdamW. */
  static void adamw(
      MemorySegment p, long pAt, MemorySegment g, long gAt, MemorySegment m, long mAt,
      MemorySegment v, long vAt, int n, AdamW by) {
    if (X86Pass.AVAILABLE) {
      X86Pass.ADAMW.run(
          n, Rows.of(p, pAt, 0), Rows.of(g, gAt, 0), Rows.of(m, mAt, 0), Rows.of(v, vAt, 0),
          Rows.of(by.inOrder(), 0));
      return;
    }
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector gradient = load(g, gAt + at).mul(by.scale);
      FloatVector first = load(m, mAt + at).mul(by.beta1).add(gradient.mul(by.beta1Rest));
      FloatVector square = gradient.mul(gradient);
      FloatVector second = load(v, vAt + at).mul(by.beta2).add(square.mul(by.beta2Rest));
      first.intoMemorySegment(m, mAt + at, ORDER);
      second.intoMemorySegment(v, vAt + at, ORDER);
      FloatVector root = second.mul(by.correction).sqrt().add(by.eps);
      load(p, pAt + at).mul(by.keep).add(first.mul(by.rate).div(root))
          .intoMemorySegment(p, pAt + at, ORDER);
    }
    for (; i < n; i++) {
      long at = (long) i * Float.BYTES;
      float gradient = get(g, gAt + at) * by.scale;
      float first = get(m, mAt + at) * by.beta1 + gradient * by.beta1Rest;
      float second = get(v, vAt + at) * by.beta2 + gradient * gradient * by.beta2Rest;
      set(m, mAt + at, first);
      set(v, vAt + at, second);
      float root = (float) Math.sqrt(second * by.correction) + by.eps;
      set(p, pAt + at, get(p, pAt + at) * by.keep + first * by.rate / root);
    }
  }

  /** One step of gradient descent. */
  static void sgd(MemorySegment p, long pAt, MemorySegment g, long gAt, int n, Sgd by) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector old = load(p, pAt + at);
      FloatVector gradient = load(g, gAt + at).mul(by.scale).add(old.mul(by.decay));
      old.add(gradient.mul(by.rate)).intoMemorySegment(p, pAt + at, ORDER);
    }
    for (; i < n; i++) {
      long at = (long) i * Float.BYTES;
      float old = get(p, pAt + at);
      float gradient = get(g, gAt + at) * by.scale + old * by.decay;
      set(p, pAt + at, old + gradient * by.rate);
    }
  }

  /** One step of gradient descent with momentum; v is the velocity. */
  static void momentum(
      MemorySegment p, long pAt, MemorySegment g, long gAt, MemorySegment v, long vAt, int n,
      Sgd by) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector old = load(p, pAt + at);
      FloatVector gradient = load(g, gAt + at).mul(by.scale).add(old.mul(by.decay));
      FloatVector velocity = load(v, vAt + at).mul(by.momentum).add(gradient);
      velocity.intoMemorySegment(v, vAt + at, ORDER);
      old.add(velocity.mul(by.rate)).intoMemorySegment(p, pAt + at, ORDER);
    }
    for (; i < n; i++) {
      long at = (long) i * Float.BYTES;
      float old = get(p, pAt + at);
      float gradient = get(g, gAt + at) * by.scale + old * by.decay;
      float velocity = get(v, vAt + at) * by.momentum + gradient;
      set(v, vAt + at, velocity);
      set(p, pAt + at, old + velocity * by.rate);
    }
  }

  private static FloatVector load(MemorySegment source, long at) {
    return FloatVector.fromMemorySegment(SPECIES, source, at, ORDER);
  }

  private static float get(MemorySegment source, long at) {
    return source.get(ValueLayout.JAVA_FLOAT, at);
  }

  private static void set(MemorySegment target, long at, float value) {
    target.set(ValueLayout.JAVA_FLOAT, at, value);
  }
}
