package org.gatun.gpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.gatun.tensor.Tensor;

/**
 * {@code Walk<N>} of common.cuh as the host makes it: how N tensors of one shape are walked together. Dimensions that
 * all of them can walk as one are one.
 */
final class Walk {
  /** Dimensions a kernel can be told of. */
  static final int MAX_RANK = 8;

  private final long size;
  private final long[] dims = new long[MAX_RANK];
  private final long[][] strides;
  private int rank;

  private Walk(long size, int tensors) {
    this.size = size;
    strides = new long[tensors][MAX_RANK];
  }

  /** All elements of tensors of one shape. */
  static Walk of(Tensor... tensors) {
    return along(IntStream.range(0, tensors[0].shape().rank()).toArray(), tensors);
  }

  /** Elements along some axes of tensors of one shape, the last axis fastest. */
  static Walk along(int[] axes, Tensor... tensors) {
    long size = 1;
    for (int axis : axes) {
      size *= tensors[0].shape().dim(axis);
    }
    var walk = new Walk(size, tensors.length);
    if (size > 1) {
      for (int axis : axes) {
        walk.add(axis, tensors);
      }
    } else {
      walk.append(size, 1);
    }
    return walk;
  }

  /** Elements of one array, this many and this far apart. */
  static Walk of(long size, long stride) {
    var walk = new Walk(size, 1);
    walk.append(size, stride);
    return walk;
  }

  private void add(int axis, Tensor... tensors) {
    long dim = tensors[0].shape().dim(axis);
    if (dim == 1) {
      return;
    }
    int last = rank - 1;
    boolean joins = rank > 0;
    for (int k = 0; k < tensors.length && joins; k++) {
      joins = strides[k][last] == tensors[k].stride(axis) * dim;
    }
    if (!joins) {
      append(dim, 0);
      last++;
    } else {
      dims[last] *= dim;
    }
    for (int k = 0; k < tensors.length; k++) {
      strides[k][last] = tensors[k].stride(axis);
    }
  }

  private void append(long dim, long stride) {
    if (rank == MAX_RANK) {
      throw new IllegalArgumentException("a view on a CUDA device has at most " + MAX_RANK
          + " dimensions that do not lie one in the other; copy it with contiguous()");
    }
    dims[rank] = dim;
    for (long[] row : strides) {
      row[rank] = stride;
    }
    rank++;
  }

  /** The number of elements. */
  long size() {
    return size;
  }

  /** The number of dimensions left, one or more. */
  int rank() {
    return rank;
  }

  long dim(int axis) {
    return dims[axis];
  }

  long stride(int tensor, int axis) {
    return strides[tensor][axis];
  }

  /** Whether every tensor's elements lie side by side. */
  boolean isFlat() {
    return rank == 1 && Arrays.stream(strides).allMatch(row -> row[0] == 1);
  }

  /** This walk without one of its dimensions. */
  Walk without(int... axes) {
    int[] left = IntStream.range(0, rank).filter(axis -> Arrays.stream(axes).noneMatch(a -> a == axis)).toArray();
    long product = 1;
    for (int axis : left) {
      product *= dims[axis];
    }
    var walk = new Walk(product, strides.length);
    for (int axis : left) {
      walk.append(dims[axis], 0);
      for (int k = 0; k < strides.length; k++) {
        walk.strides[k][walk.rank - 1] = strides[k][axis];
      }
    }
    if (left.length == 0) {
      walk.append(1, 0);
    }
    return walk;
  }

  /** The argument of a kernel. */
  MemorySegment argument() {
    long[] words = new long[2 + MAX_RANK * (1 + strides.length)];
    words[0] = size;
    words[1] = rank;
    System.arraycopy(dims, 0, words, 2, MAX_RANK);
    for (int k = 0; k < strides.length; k++) {
      System.arraycopy(strides[k], 0, words, 2 + MAX_RANK * (1 + k), MAX_RANK);
    }
    return MemorySegment.ofArray(words);
  }
}
