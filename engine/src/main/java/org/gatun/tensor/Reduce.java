package org.gatun.tensor;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;

/** y = x combined over some axes; {@code kept} is y's shape with the axes as dimensions of one. */
record Reduce(Combine combine, Tensor x, Shape kept, Tensor y) implements Node {
  private static final Formula IS_EXTREME = Formula.operand(0).equalTo(Formula.operand(1));
  private static final Formula SHARE =
      Formula.operand(0).times(Formula.operand(1).equalTo(Formula.operand(2)))
          .dividedBy(Formula.operand(3));

  /** No axes means all. */
  static Tensor apply(Combine combine, Tensor x, boolean keep, int... axes) {
    String name = combine.name().toLowerCase(Locale.ROOT);
    Checks.floating(name, x);
    int[] over = axes(x, axes);
    Shape kept = x.shape();
    for (int axis : over) {
      if (combine != Combine.SUM && x.shape().dim(axis) == 0) {
        throw new IllegalArgumentException(name + ": nothing to choose from in " + x);
      }
      kept = kept.with(axis, 1);
    }
    Scope scope = Scope.of(x);
    Tensor y = scope.allocate(keep ? kept : without(kept, over), x.dtype());
    y.kernels().reduction().reduce(Sink.of(y), combine, x, over);
    scope.record(new Reduce(combine, x, kept, y));
    return y;
  }

  /** Axes counted from the front, sorted; all of them where none is named. */
  static int[] axes(Tensor x, int... axes) {
    if (axes.length == 0) {
      return IntStream.range(0, x.shape().rank()).toArray();
    }
    return Arrays.stream(axes).map(x.shape()::axis).sorted().distinct().toArray();
  }

  private static Shape without(Shape shape, int... axes) {
    return Shape.of(IntStream.range(0, shape.rank())
        .filter(axis -> Arrays.binarySearch(axes, axis) < 0)
        .map(shape::dim)
        .toArray());
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(x);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public void backward(Gradients gradients) {
    Tensor dy = Broadcasting.expand(gradients.of(y).slice(0, kept), x.shape());
    Kernels.Pointwise pointwise = x.kernels().pointwise();
    switch (combine) {
      case SUM -> pointwise.copy(gradients.sink(x), dy);
      case MAX, MIN -> {
        // Equal extremes share the gradient equally.
        Tensor extreme = Broadcasting.expand(y.slice(0, kept), x.shape());
        Tensor equal = gradients.temporary(x.shape(), DType.F32);
        Tensor count = gradients.temporary(kept, DType.F32);
        pointwise.map(Sink.of(equal), IS_EXTREME, List.of(x, extreme));
        int[] over = Broadcasting.stretchedAxes(kept, x.shape());
        x.kernels().reduction().reduce(Sink.of(count), Combine.SUM, equal, over);
        Tensor share = Broadcasting.expand(count, x.shape());
        pointwise.map(gradients.sink(x), SHARE, List.of(dy, x, extreme, share));
        gradients.release(equal);
        gradients.release(count);
      }
    }
  }
}
