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

  /**
   * Whether {@link Kernels.Epilogue.GeluGradient} computes the GELU again on the way, which then need not be kept from the
   * forward pass: where memory is slower than arithmetic.
   */
  boolean recomputesGelu();

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

  /**
   * Begins to bring the elements of a contiguous F32 tensor to the host, as they are once all earlier work is done; later work may change them.
   * Does not wait.
   */
  Reading readLater(Tensor source);

  /** Elements on their way to the host. */
  interface Reading {
    /** Waits until they are there. */
    float[] floats();
  }

  /** Now, in this device's own order of work: for measuring how long it takes over something. */
  Moment mark();

  /** A moment in a device's order of work. */
  interface Moment {
    /** How long the device took from an earlier moment to this one; waits until it has come to both. */
    double millisecondsSince(Moment earlier);
  }

  /**
   * Work to be done again and again on the same tensors, without asking Java for it each time where the device can. Nothing
   * is done yet: each {@link Captured#run} does it once. Work must read and write tensors that outlive it, whose contents
   * are overwritten between runs; what it makes and gives back itself is its own; what it makes and leaves behind, such as
   * a loss, is written by each run. Run the same work once before it is captured, so that all it needs is there. It must
   * read no tensor on the host: on a device that records it, that is refused in a sentence.
   *
   * <p>On a CPU the captured work is {@code work} itself; on a GPU {@code work} is called here once, and never again.
   */
  Captured capture(Runnable work);

  /** Captured work. Close it before the device. */
  interface Captured extends AutoCloseable {
    /** Of a device that asks Java for the work each time. */
    static Captured byHost(Runnable work) {
      return new Captured() {
        @Override
        public void run() {
          work.run();
        }

        @Override
        public void close() {}
      };
    }

    /** Does the work once more, in order with all other work of the device. */
    void run();

    /** Forgets the work; what it kept for itself is given back. */
    @Override
    void close();
  }

  /** Bytes this device has taken from the system so far; does not grow once a loop is under way. */
  long bytesReserved();

  /** Bytes of {@link #bytesReserved} that tensors hold at present. */
  long bytesInUse();

  @Override
  void close();
}
