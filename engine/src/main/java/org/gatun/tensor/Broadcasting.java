package org.gatun.tensor;

import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;

/** NumPy's rule, both ways: stretching an operand, and summing a gradient back to its shape. */
final class Broadcasting {
  private Broadcasting() {}

  static Shape shape(String op, Tensor first, Tensor... others) {
    Shape shape = first.shape();
    for (Tensor other : others) {
      try {
        shape = Shape.broadcast(shape, other.shape());
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException(op + ": " + first + " and " + other + " do not broadcast; their"
            + " dimensions, counted from the innermost, must be equal or one", e);
      }
    }
    return shape;
  }

  /** Whether a shape stretches to another as it stands. */
  static boolean stretches(Shape from, Shape to) {
    int added = to.rank() - from.rank();
    return added >= 0
        && IntStream.range(0, from.rank())
            .allMatch(axis -> from.dim(axis) == 1 || from.dim(axis) == to.dim(axis + added));
  }

  /** x seen in a larger shape, with stride zero along stretched dimensions; not recorded. */
  static Tensor expand(Tensor x, Shape shape) {
    if (x.shape().equals(shape)) {
      return x;
    }
    long[] strides = new long[shape.rank()];
    int added = shape.rank() - x.shape().rank();
    for (int axis = added; axis < shape.rank(); axis++) {
      boolean stretched = x.shape().dim(axis - added) != shape.dim(axis);
      strides[axis] = stretched ? 0 : x.stride(axis - added);
    }
    return x.viewAs(shape, x.offset(), strides);
  }

  /** The axes of {@code shape} along which {@code input} was stretched. */
  static int[] stretchedAxes(Shape input, Shape shape) {
    int added = shape.rank() - input.rank();
    return IntStream.range(0, shape.rank())
        .filter(axis -> axis < added || input.dim(axis - added) != shape.dim(axis))
        .toArray();
  }

  /** Sends derivative(operands) to an input, summed over the dimensions it was stretched along. */
  static void backward(Gradients gradients, Tensor input, Formula derivative, List<Tensor> operands) {
    if (!gradients.wants(input)) {
      return;
    }
    Tensor dy = operands.getFirst();
    boolean identity = derivative.equals(Formula.operand(0));
    boolean stretched = !input.shape().equals(dy.shape());
    if (identity && !stretched) {
      gradients.pass(input, dy);
    } else if (identity) {
      sumTo(gradients.sink(input), dy, input.shape());
    } else if (!stretched) {
      dy.kernels().pointwise().map(gradients.sink(input), derivative, operands);
    } else {
      Tensor full = gradients.temporary(dy.shape(), DType.F32);
      dy.kernels().pointwise().map(Sink.of(full), derivative, operands);
      sumTo(gradients.sink(input), full, input.shape());
      gradients.release(full);
    }
  }

  /** Sums a gradient over the dimensions that an input of this shape was stretched along. */
  static void sumTo(Sink sink, Tensor dy, Shape shape) {
    dy.kernels().reduction().reduce(sink, Combine.SUM, dy, stretchedAxes(shape, dy.shape()));
  }
}
