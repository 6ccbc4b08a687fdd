package org.gatun.dist;

import org.gatun.tensor.Tensor;

/**
 * A group of processes, one a device, that call the same methods in the same order. Reductions run beside the device's own work: they
 * begin when what the device was told before is done, and only {@link #join} makes later work of the device wait for them.
 */
public interface Communicator extends AutoCloseable {
  /** This process's number, from 0 to before {@link #size}. */
  int rank();

  /** How many processes there are. */
  int size();

  /** Replaces the elements of a contiguous F32 tensor by their mean over all ranks; the same bits on each. */
  void allReduceMean(Tensor tensor);

  /** Replaces the elements of a contiguous tensor by those of rank {@code root}. */
  void broadcast(Tensor tensor, int root);

  /** Work given to the device from here on waits for every reduction and broadcast begun so far. */
  void join();

  /**
   * Waits for all ranks and compares a number with theirs.
   *
   * @throws IllegalStateException if they differ; the message begins with {@code what}, such as "the initial weights"
   */
  void requireSame(String what, long value);

  /**
   * Ends every call that waits for other ranks, on whatever thread, with an exception: for when one of them is known to be gone. The one
   * method that another thread may call.
   */
  void abort();

  @Override
  void close();
}
