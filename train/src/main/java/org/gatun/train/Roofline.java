package org.gatun.train;

import org.gatun.train.TimedDevice.Work;

/**
 * The two bounds of a kernel's speed (Williams, Waterman and Patterson, 2009): floating-point operations and bytes a second.
 */
record Roofline(double flops, double bandwidth) {
  /** The least time for this work in milliseconds. */
  double milliseconds(Work work) {
    return 1e3 * Math.max(work.flops() / flops, work.bytes() / bandwidth);
  }

  /** Whether it is the operations, and not the bytes, that take longer. */
  boolean isBoundByProducts(Work work) {
    return work.flops() / flops > work.bytes() / bandwidth;
  }

  /** The same with shares of both. */
  Roofline times(double shareOfFlops, double shareOfBandwidth) {
    return new Roofline(shareOfFlops * flops, shareOfBandwidth * bandwidth);
  }
}
