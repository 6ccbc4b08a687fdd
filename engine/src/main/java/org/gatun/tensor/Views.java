package org.gatun.tensor;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Sink;

/** Other ways to see the same memory: each is a node whose gradient is the inverse view. */
final class Views {
  private Views() {}

  /** y has x's elements in row-major order, in another shape. */
  record Reshape(Tensor x, Tensor y) implements Node {
    static Tensor apply(Tensor x, int... dims) {
      Shape shape = inferred(x, dims);
      Tensor source = x.contiguous();
      Scope scope = Scope.of(source);
      Tensor y = source.viewAs(shape, source.offset(), shape.strides());
      scope.record(new Reshape(source, y));
      return y;
    }

    /** One dimension may be -1: it gets what is left. */
    private static Shape inferred(Tensor x, int... dims) {
      int[] full = dims.clone();
      long known = 1;
      int open = -1;
      for (int i = 0; i < dims.length; i++) {
        if (dims[i] == -1 && open < 0) {
          open = i;
        } else {
          known *= dims[i];
        }
      }
      if (open >= 0 && known > 0 && x.shape().size() % known == 0) {
        full[open] = Math.toIntExact(x.shape().size() / known);
      }
      if (Arrays.stream(full).anyMatch(dim -> dim < 0) || Shape.of(full).size() != x.shape().size()) {
        throw new IllegalArgumentException(
            "reshape: " + x + " does not have the elements of " + Arrays.toString(dims));
      }
      return Shape.of(full);
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
      gradients.pass(x, gradients.of(y).slice(0, x.shape()));
    }
  }

  /** y[i₀, i₁, ..] = x with its axes in another order: axis j of y is axis order[j] of x. */
  record Permute(Tensor x, int[] order, Tensor y) implements Node {
    static Tensor apply(Tensor x, int... order) {
      int[] axes = Arrays.stream(order).map(x.shape()::axis).toArray();
      int[] sorted = Arrays.stream(axes).sorted().toArray();
      if (!Arrays.equals(sorted, IntStream.range(0, x.shape().rank()).toArray())) {
        throw new IllegalArgumentException(
            "permute: " + Arrays.toString(order) + " does not name each axis of " + x + " once");
      }
      Scope scope = Scope.of(x);
      Tensor y = view(x, axes);
      scope.record(new Permute(x, axes, y));
      return y;
    }

    static Tensor view(Tensor x, int... axes) {
      int[] dims = Arrays.stream(axes).map(x.shape()::dim).toArray();
      long[] strides = Arrays.stream(axes).mapToLong(x::stride).toArray();
      return x.viewAs(Shape.of(dims), x.offset(), strides);
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
      int[] inverse = new int[order.length];
      for (int i = 0; i < order.length; i++) {
        inverse[order[i]] = i;
      }
      x.kernels().pointwise().copy(gradients.sink(x), view(gradients.of(y), inverse));
    }
  }

  /** y = x[.., start : end, ..] along one axis. */
  record Slice(Tensor x, int axis, int start, Tensor y) implements Node {
    static Tensor apply(Tensor x, int axis, int start, int end) {
      int counted = x.shape().axis(axis);
      if (start < 0 || end < start || end > x.shape().dim(counted)) {
        throw new IllegalArgumentException(
            "slice: " + start + " to " + end + " is outside of axis " + axis + " of " + x);
      }
      Scope scope = Scope.of(x);
      Tensor y = view(x, counted, start, end);
      scope.record(new Slice(x, counted, start, y));
      return y;
    }

    static Tensor view(Tensor x, int axis, int start, int end) {
      long offset = x.offset() + start * x.stride(axis);
      return x.viewAs(x.shape().with(axis, end - start), offset, x.strides());
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
      Tensor dy = gradients.of(y);
      Sink dx = gradients.sink(x);
      if (!dx.add()) {
        x.kernels().pointwise().fill(dx.into(), 0f);
      }
      Tensor part = view(dx.into(), axis, start, start + y.shape().dim(axis));
      x.kernels().pointwise().copy(new Sink(part, dx.add()), dy);
    }
  }

  /** y = x stretched to a larger shape by NumPy's rule. */
  record Expand(Tensor x, Tensor y) implements Node {
    static Tensor apply(Tensor x, int... dims) {
      Shape shape = Shape.of(dims);
      if (!Broadcasting.stretches(x.shape(), shape)) {
        throw new IllegalArgumentException("expand: " + x + " does not stretch to " + shape);
      }
      Scope scope = Scope.of(x);
      Tensor y = Broadcasting.expand(x, shape);
      if (y == x) {
        return x;
      }
      scope.record(new Expand(x, y));
      return y;
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
      Broadcasting.sumTo(gradients.sink(x), gradients.of(y), x.shape());
    }
  }

  /** y = x in row-major order, in another dtype or the same. */
  record Copy(Tensor x, Tensor y) implements Node {
    static Tensor apply(Tensor x, DType dtype) {
      Scope scope = Scope.of(x);
      Tensor y = scope.allocate(x.shape(), dtype);
      y.kernels().pointwise().copy(Sink.of(y), x);
      if (dtype.isFloating()) {
        scope.record(new Copy(x, y));
      }
      return y;
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
    public boolean readsOutputs() {
      return false;
    }

    @Override
    public void backward(Gradients gradients) {
      gradients.pass(x, gradients.of(y));
    }
  }

  /** y = the parts one behind the other along one axis. */
  record Concat(List<Tensor> parts, int axis, Tensor y) implements Node {
    static Tensor apply(int axis, List<Tensor> parts) {
      if (parts.isEmpty()) {
        throw new IllegalArgumentException("concat: there is nothing to put together");
      }
      Tensor first = parts.getFirst();
      Checks.sameDType("concat", first, parts.toArray(Tensor[]::new));
      int counted = first.shape().axis(axis);
      int total = 0;
      for (Tensor part : parts) {
        int rank = part.shape().rank();
        if (rank != first.shape().rank()
            || !part.shape().with(counted, 0).equals(first.shape().with(counted, 0))) {
          throw new IllegalArgumentException(
              "concat: " + first + " and " + part + " differ beside axis " + axis);
        }
        total += part.shape().dim(counted);
      }
      Scope scope = Scope.of(parts.toArray(Tensor[]::new));
      Tensor y = scope.allocate(first.shape().with(counted, total), first.dtype());
      int start = 0;
      for (Tensor part : parts) {
        int end = start + part.shape().dim(counted);
        y.kernels().pointwise().copy(Sink.of(Slice.view(y, counted, start, end)), part);
        start = end;
      }
      scope.record(new Concat(List.copyOf(parts), counted, y));
      return y;
    }

    @Override
    public List<Tensor> inputs() {
      return parts;
    }

    @Override
    public List<Tensor> outputs() {
      return List.of(y);
    }

    @Override
    public void backward(Gradients gradients) {
      Tensor dy = gradients.of(y);
      int start = 0;
      for (Tensor part : parts) {
        int end = start + part.shape().dim(axis);
        if (gradients.wants(part)) {
          y.kernels().pointwise().copy(gradients.sink(part), Slice.view(dy, axis, start, end));
        }
        start = end;
      }
    }
  }
}
