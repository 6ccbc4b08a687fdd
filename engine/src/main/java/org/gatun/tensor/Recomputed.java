package org.gatun.tensor;

import java.util.List;
import java.util.function.Supplier;

/**
 * A stretch of operations of which only the results were kept; see {@link Tape#recomputed}. {@code
 * stream} is the number of the first random operation in it.
 */
record Recomputed(
    Tape tape, Supplier<List<Tensor>> segment, long stream, List<Tensor> inputs, List<Tensor> outputs)
    implements
      Node {
  @Override
  public boolean readsOutputs() {
    return false;
  }

  @Override
  public void backward(Gradients gradients) {
    tape.recompute(this, gradients);
  }

  /** A segment that computes something else the second time would give wrong gradients. */
  void requireSame(List<Tensor> again) {
    boolean same = again.size() == outputs.size();
    for (int i = 0; same && i < again.size(); i++) {
      Tensor first = outputs.get(i);
      same = first.shape().equals(again.get(i).shape()) && first.dtype() == again.get(i).dtype();
    }
    if (!same) {
      throw new IllegalStateException("recomputed: the segment returned " + outputs + " at first and " + again
          + " when run again; it must compute the same each time");
    }
  }
}
