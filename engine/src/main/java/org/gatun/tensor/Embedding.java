package org.gatun.tensor;

import java.util.Arrays;
import java.util.List;

/** y[.., :] = table[indices[..], :] for a table [rows, C], of which the last rows may be padding. */
record Embedding(Tensor table, Tensor indices, Tensor y) implements Node {
  static Tensor apply(Tensor table, Tensor indices, int rows) {
    Checks.floating("embedding", table);
    Checks.indices("embedding", indices);
    if (table.shape().rank() != 2 || !table.isContiguous()) {
      throw new IllegalArgumentException("embedding: a table is [rows, C], contiguous; got " + table);
    }
    if (rows < 1 || rows > table.shape().dim(0)) {
      throw new IllegalArgumentException("embedding: " + rows + " rows are not in " + table);
    }
    Tensor packed = indices.contiguous();
    Scope scope = Scope.of(table, packed);
    int rank = indices.shape().rank();
    int[] dims = Arrays.copyOf(indices.shape().toArray(), rank + 1);
    dims[rank] = table.shape().dim(1);
    Tensor y = scope.allocate(Shape.of(dims), table.dtype());
    y.kernels().index().embedding(y, Views.Slice.view(table, 0, 0, rows), packed);
    scope.record(new Embedding(table, packed, y));
    return y;
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(table);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(y);
  }

  @Override
  public void backward(Gradients gradients) {
    y.kernels().index().embeddingBackward(gradients.sink(table), gradients.of(y), indices);
  }
}
