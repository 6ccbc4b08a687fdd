package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Random tensors and what they hold, for tests that compare kernels with loops over doubles. */
final class HostArrays {
  /** The largest relative error of rounding to BF16: eight bits of significand. */
  static final double BF16_ROUNDING = 0x1p-8;

  /** The largest relative error of rounding to F32. */
  static final double F32_ROUNDING = 0x1p-24;

  private final Random random;

  HostArrays(long seed) {
    random = new Random(seed);
  }

  /** Values of the standard normal distribution. */
  Tensor normal(Scope scope, DType dtype, int... dims) {
    Shape shape = Shape.of(dims);
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return filled(scope, dtype, values, shape);
  }

  /** These values, rounded to the type. */
  static Tensor filled(Scope scope, DType dtype, float[] values, Shape shape) {
    Tensor x = scope.allocate(shape, dtype);
    Lanes.store(CpuDevice.bytes(x), dtype, x.offset(), values, 0, values.length);
    return x;
  }

  /** A contiguous tensor's elements. */
  static float[] floats(Tensor x) {
    float[] values = new float[(int) x.shape().size()];
    Lanes.load(values, 0, CpuDevice.bytes(x), x.dtype(), x.offset(), values.length);
    return values;
  }

  /** A contiguous tensor's elements. */
  static double[] doubles(Tensor x) {
    float[] values = floats(x);
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  /** The rounding error of one element of a type. */
  static double rounding(DType dtype) {
    return dtype == DType.BF16 ? BF16_ROUNDING : F32_ROUNDING;
  }

  /**
   * Fails where an element is further off than {@code absolute} and {@code relative} allow
   * together.
   */
  static void assertNear(
      String name, double[] expected, Tensor actual, double absolute, double relative) {
    float[] values = floats(actual);
    assertTrue(values.length == expected.length, name + " has " + values.length + " elements");
    for (int i = 0; i < values.length; i++) {
      double allowed = absolute + relative * Math.abs(expected[i]);
      int at = i;
      assertTrue(
          Math.abs(values[i] - expected[i]) <= allowed,
          () -> name + "[" + at + "] is " + values[at] + ", expected " + expected[at] + " within "
              + allowed);
    }
  }
}
