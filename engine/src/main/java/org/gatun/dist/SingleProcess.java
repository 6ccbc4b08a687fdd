package org.gatun.dist;

import org.gatun.tensor.Tensor;

/** The group of one: a mean over one rank is the number itself. */
public final class SingleProcess implements Communicator {
  /** Rank 0 of one. */
  public SingleProcess() {}

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public int size() {
    return 1;
  }

  @Override
  public void allReduceMean(Tensor tensor) {}

  @Override
  public void broadcast(Tensor tensor, int root) {
    if (root != 0) {
      throw new IllegalArgumentException("broadcast: rank " + root + ", but there is only rank 0");
    }
  }

  @Override
  public void join() {}

  @Override
  public void requireSame(String what, long value) {}

  @Override
  public void abort() {}

  @Override
  public void close() {}
}
