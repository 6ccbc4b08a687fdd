package org.gatun.tensor;

import java.lang.foreign.MemorySegment;

/** A block of bytes a tensor lives in: host bytes Java may read, or device bytes it may only name. */
public sealed interface Memory {
  /** The block's size in bytes. */
  long byteSize();

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
