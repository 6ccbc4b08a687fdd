package org.gatun.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Where tensors live and kernels run. One thread drives a device; only {@link #give} may be called
 * from others, because a forgotten scope is given back by the cleaner's thread.
 */
public interface Device extends AutoCloseable {
  /** What this device is, in a few words, for messages and logs. */
  String name();

  /** The computations of this device. */
  Kernels kernels();

  /** Uninitialised memory of at least this many bytes, recycled from earlier use where possible. */
  Memory take(long byteSize);

  /** Returns memory for reuse by later work of this device. */
  void give(Memory memory);

  /**
   * Overwrites a contiguous tensor with the elements of {@code source}, which holds exactly the
   * tensor's elements in its dtype, row-major, in native byte order.
   */
  void upload(Tensor target, MemorySegment source);

  /** Copies a contiguous tensor's elements to {@code target}; waits for the device. */
  void download(MemorySegment target, Tensor source);

  /** Now, in this device's own order of work: for measuring how long it takes over something. */
  Moment mark();

  /** A moment in a device's order of work. */
  interface Moment {
    /** How long the device took from an earlier moment to this one; waits until it has come to both. */
    double millisecondsSince(Moment earlier);
  }

  /** Bytes this device has taken from the system so far; does not grow once a loop is under way. */
  long bytesReserved();

  /** Bytes of {@link #bytesReserved} that tensors hold at present. */
  long bytesInUse();

  @Override
  void close();
}
