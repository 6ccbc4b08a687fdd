package org.gatun.tensor;

import java.lang.foreign.MemorySegment;

/** A block of bytes a tensor lives in: host bytes Java may read, or device bytes it may only name. */
public sealed interface Memory {
  /** The block's size in bytes. */
  long byteSize();

  /**
   * The size of the block for a request, so that requests that differ little share blocks: steps of 512 bytes, from 1 MB
   * eighths of a power of two.
   */
  static long rounded(long byteSize) {
    if (byteSize < 0) {
      throw new IllegalArgumentException("take: " + byteSize + " bytes; ask for zero or more");
    }
    long step = byteSize < 1 << 20 ? 512 : Long.highestOneBit(byteSize) / 8;
    return Math.max(512, Math.ceilDiv(byteSize, step) * step);
  }

  /** Bytes of the host, 64-byte aligned. */
  record Host(MemorySegment segment) implements Memory {
    @Override
    public long byteSize() {
      return segment.byteSize();
    }
  }

  /** Deliberately not a MemorySegment: reading device memory from Java would end the VM. */
  record OnDevice(long address, long byteSize) implements Memory {}
}
