package org.gatun.cpu;

import java.util.Random;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Tensors of random numbers from one seed, and their elements read back one by one. */
final class Samples {
  static final long SEED = 20_250_102;

  private final Random random = new Random(SEED);
  private final Scope scope;

  Samples(Scope scope) {
    this.scope = scope;
  }

  /** Normally distributed. */
  Tensor normal(DType dtype, int... dims) {
    Shape shape = Shape.of(dims);
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return scope.tensor(values, shape, dtype);
  }

  /** From 0 to before a bound. */
  Tensor indices(int bound, int... dims) {
    Shape shape = Shape.of(dims);
    return scope.tensor(random.ints(shape.size(), 0, bound).toArray(), shape);
  }

  /** The elements in row-major order, read straight from memory at the tensor's strides. */
  static float[] elements(Tensor x) {
    float[] values = new float[(int) x.shape().size()];
    for (int i = 0; i < values.length; i++) {
      long place = x.offset();
      int rest = i;
      for (int axis = x.shape().rank() - 1; axis >= 0; axis--) {
        place += rest % x.shape().dim(axis) * x.stride(axis);
        rest /= x.shape().dim(axis);
      }
      values[i] = Lanes.get(CpuDevice.bytes(x), x.dtype(), place);
    }
    return values;
  }

  /** What an element of a type holds of a value. */
  static float held(DType dtype, double value) {
    return switch (dtype) {
      case F32 -> (float) value;
      case BF16 -> Bf16.toFloat(Bf16.of((float) value));
      case I32 -> (int) value;
    };
  }
}
