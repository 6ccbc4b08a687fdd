package org.gatun.tensor;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Sink;

/** y[.., m, n] = a[.., m, k] b[.., k, n]; the dimensions before the last two broadcast. */
record Matmul(Tensor a, Tensor b, Tensor y) implements Node {
  static Tensor apply(Tensor a, Tensor b) {
    Checks.floating("matmul", a);
    Checks.sameDType("matmul", a, b);
    Checks.atLeast("matmul", 2, a);
    Checks.atLeast("matmul", 2, b);
    if (a.shape().dim(-1) != b.shape().dim(-2)) {
      throw new IllegalArgumentException("matmul: inner dimensions differ: " + a + " by " + b);
    }
    Scope scope = Scope.of(a, b);
    Shape batch = batch(a, b);
    int[] dims = Arrays.copyOf(batch.toArray(), batch.rank() + 2);
    dims[batch.rank()] = a.shape().dim(-2);
    dims[batch.rank() + 1] = b.shape().dim(-1);
    Tensor y = scope.allocate(Shape.of(dims), a.dtype());
    multiply(Sink.of(y), a, b, scope);
    scope.record(new Matmul(a, b, y));
    return y;
  }

  private static Shape batch(Tensor a, Tensor b) {
    try {
      return Shape.broadcast(a.shape().rowShape().rowShape(), b.shape().rowShape().rowShape());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "matmul: the batch dimensions of " + a + " and " + b + " do not broadcast", e);
    }
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(a, b);
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
    Tensor dy = gradients.of(y);
    if (gradients.wants(a)) {
      send(gradients, a, dy, transposed(b), y.scope());
    }
    if (gradients.wants(b)) {
      send(gradients, b, transposed(a), dy, y.scope());
    }
  }

  /** The gradient of an input: a product, summed over the batches it served. */
  private static void send(Gradients gradients, Tensor input, Tensor left, Tensor right, Scope scope) {
    Shape batch = batch(left, right);
    int[] dims = Arrays.copyOf(batch.toArray(), batch.rank() + 2);
    dims[batch.rank()] = input.shape().dim(-2);
    dims[batch.rank() + 1] = input.shape().dim(-1);
    Shape full = Shape.of(dims);
    if (full.equals(input.shape())) {
      multiply(gradients.sink(input), left, right, scope);
      return;
    }
    Tensor each = gradients.temporary(full, DType.F32);
    multiply(Sink.of(each), left, right, scope);
    Broadcasting.sumTo(gradients.sink(input), each, input.shape());
    gradients.release(each);
  }

  private static void multiply(Sink y, Tensor a, Tensor b, Scope scope) {
    Shape shape = y.into().shape();
    Tensor a3 = batched(a, shape, scope);
    Tensor b3 = batched(b, shape, scope);
    Tensor y3 = batched(y.into(), shape, scope);
    if (b3.stride(0) == 0 && rowsFold(a3) && a3.shape().dim(0) > 1) {
      // One matrix for the whole batch: fold the batch into rows, so that it is packed once.
      a3 = folded(a3);
      y3 = folded(y3);
      b3 = b3.viewAs(b3.shape().with(0, 1), b3.offset(), b3.strides());
    }
    y3.kernels().linear().matmul(new Sink(y3, y.add()), a3, b3);
    giveBack(scope, a, a3);
    giveBack(scope, b, b3);
  }

  private static void giveBack(Scope scope, Tensor original, Tensor used) {
    if (used.storage() != original.storage()) {
      scope.release(used.storage());
    }
  }

  private static boolean rowsFold(Tensor x) {
    return x.stride(2) == 1 && x.stride(0) == x.stride(1) * x.shape().dim(1);
  }

  private static Tensor folded(Tensor x) {
    Shape shape = Shape.of(1, x.shape().dim(0) * x.shape().dim(1), x.shape().dim(2));
    return x.viewAs(shape, x.offset(), new long[]{0, x.stride(1), x.stride(2)});
  }

  /** x with the batch of {@code shape} in one dimension: a view where strides allow, else a copy. */
  private static Tensor batched(Tensor x, Shape shape, Scope scope) {
    int[] dims = shape.toArray();
    int rank = dims.length;
    int m = x.shape().dim(-2);
    int n = x.shape().dim(-1);
    dims[rank - 2] = m;
    dims[rank - 1] = n;
    Tensor wide = Broadcasting.expand(x, Shape.of(dims));
    long[] strides = wide.strides();
    boolean unit = strides[rank - 1] == 1 || strides[rank - 2] == 1 || m == 1 || n == 1;
    int batch = Math.toIntExact(wide.shape().size() / Math.max(1, (long) m * n));
    if (!unit || !collapses(wide)) {
      Tensor copy = scope.allocate(wide.shape(), x.dtype());
      x.kernels().pointwise().copy(Sink.of(copy), wide);
      wide = copy;
      strides = copy.strides();
    }
    long batchStride = batch <= 1 ? 0 : batchStride(wide);
    // The stride of a dimension of one says nothing; one of the two is to be one.
    long column = n == 1 ? 1 : strides[rank - 1];
    long row = m > 1 ? strides[rank - 2] : column == 1 ? n : 1;
    return wide.viewAs(Shape.of(batch, m, n), wide.offset(), new long[]{batchStride, row, column});
  }

  /** The stride between one matrix and the next: that of the innermost batch axis longer than one. */
  private static long batchStride(Tensor x) {
    int axis = x.shape().rank() - 3;
    while (x.shape().dim(axis) == 1) {
      axis--;
    }
    return x.stride(axis);
  }

  /** Whether one stride leads through all batch dimensions. */
  private static boolean collapses(Tensor x) {
    long expected = -1;
    for (int axis = x.shape().rank() - 3; axis >= 0; axis--) {
      if (x.shape().dim(axis) == 1) {
        continue;
      }
      if (expected >= 0 && x.stride(axis) != expected) {
        return false;
      }
      expected = x.stride(axis) * x.shape().dim(axis);
    }
    return true;
  }

  private static Tensor transposed(Tensor x) {
    int rank = x.shape().rank();
    int[] order = IntStream.range(0, rank).toArray();
    order[rank - 1] = rank - 2;
    order[rank - 2] = rank - 1;
    return Views.Permute.view(x, order);
  }
}
