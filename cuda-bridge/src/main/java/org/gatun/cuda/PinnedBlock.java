package org.gatun.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.gatun.cuda.ffi.NativeHandle;
import org.gatun.cuda.ffi.NativeLibrary;

/**
 * Page-locked host memory. Any thread may read and write it; only the owner of the device makes and closes it. One that is forgotten stays
 * until the device is closed, since its segment may still be in use.
 */
public final class PinnedBlock implements AutoCloseable {
  private final NativeHandle handle;
  private final MemorySegment segment;

  PinnedBlock(CudaContext context, long byteSize) {
    if (byteSize <= 0) {
      throw new IllegalArgumentException("allocate " + byteSize + " bytes of pinned memory; expected at least one");
    }
    long address = DriverMemory.allocateHost(byteSize);
    // Guards the segment: touching it after close() is an exception instead of the end of the process.
    Arena arena = Arena.ofShared();
    segment = NativeLibrary.memory(address, byteSize, arena);
    handle = context.handles().ownUntilClosed("block of pinned memory", address, memory -> {
      arena.close();
      DriverMemory.freeHost(memory);
    });
  }

  /** The memory; throws {@code IllegalStateException} when touched after {@link #close}. */
  public MemorySegment segment() {
    return segment;
  }

  public long byteSize() {
    return segment.byteSize();
  }

  /** Frees it; no copy from or to it may be under way. */
  @Override
  public void close() {
    handle.close();
  }
}
