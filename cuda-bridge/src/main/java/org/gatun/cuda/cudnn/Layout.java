package org.gatun.cuda.cudnn;

import java.util.Collections;
import java.util.ArrayList;
import java.util.List;

/** The dimensions of a graph's tensor and, for each, the elements from one index to the next. */
public record Layout(List<Long> dims, List<Long> strides) {
  public Layout {
    dims = List.copyOf(dims);
    strides = List.copyOf(strides);
    if (dims.isEmpty() || dims.size() != strides.size() || Collections.min(dims) < 1 || Collections.min(strides) < 0) {
      throw new IllegalArgumentException("layout of dimensions " + dims + " and strides " + strides
          + ": there must be as many of each, dimensions positive, strides not negative");
    }
  }

  /** Without gaps, the last dimension next to each other. */
  public static Layout packed(long... dims) {
    var sizes = new ArrayList<Long>();
    var strides = new ArrayList<Long>();
    long stride = 1;
    for (int i = dims.length - 1; i >= 0; i--) {
      sizes.addFirst(dims[i]);
      strides.addFirst(stride);
      stride = Math.multiplyExact(stride, dims[i]);
    }
    return new Layout(sizes, strides);
  }

  /** The same elements with the last two dimensions exchanged. */
  public Layout transposed() {
    int last = dims.size() - 1;
    var swappedDims = new ArrayList<>(dims);
    var swappedStrides = new ArrayList<>(strides);
    Collections.swap(swappedDims, last, last - 1);
    Collections.swap(swappedStrides, last, last - 1);
    return new Layout(swappedDims, swappedStrides);
  }

  /** A packed layout of the same dimensions but for the last one. */
  Layout withLast(long size) {
    long[] sizes = sizes();
    sizes[sizes.length - 1] = size;
    return packed(sizes);
  }

  /** Elements from the first to behind the last one. */
  public long extent() {
    long last = 0;
    for (int i = 0; i < dims.size(); i++) {
      last = Math.addExact(last, Math.multiplyExact(dims.get(i) - 1, strides.get(i)));
    }
    return last + 1;
  }

  long[] sizes() {
    return dims.stream().mapToLong(Long::longValue).toArray();
  }

  long[] steps() {
    return strides.stream().mapToLong(Long::longValue).toArray();
  }

  @Override
  public String toString() {
    return dims + " strides " + strides;
  }
}
