package org.gatun.cpu;

import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.gatun.tensor.Memory;

/**
 * Blocks of host memory for reuse: one free list a rounded size, last in first out, so that a step
 * finds the blocks (and the cache lines) of the step before. Any thread may call.
 */
final class HostPool implements AutoCloseable {
  private static final long ALIGNMENT = 64;

  // One for all blocks: closing a shared arena stops every thread of the VM for a moment.
  private final Arena arena = Arena.ofShared();
  private final Map<Long, ArrayDeque<Memory.Host>> free = new HashMap<>();
  private long bytesReserved;
  private long bytesInUse;
  private boolean closed;

  /**
   * A 64-byte aligned block of at least this many bytes, with whatever was in it before.
   *
   * @throws IllegalStateException if the pool is closed
   */
  synchronized Memory.Host take(long byteSize) {
    if (closed) {
      throw new IllegalStateException(
          "take: the device is closed; make tensors before it is closed, or on another");
    }
    long size = Memory.rounded(byteSize);
    ArrayDeque<Memory.Host> list = free.get(size);
    Memory.Host block = list == null ? null : list.pollLast();
    if (block == null) {
      block = new Memory.Host(arena.allocate(size, ALIGNMENT));
      bytesReserved += size;
    }
    bytesInUse += size;
    return block;
  }

  /** Takes a block back. After close it does nothing: the cleaner may be late. */
  synchronized void give(Memory.Host block) {
    if (!closed) {
      free.computeIfAbsent(block.byteSize(), _ -> new ArrayDeque<>()).addLast(block);
      bytesInUse -= block.byteSize();
    }
  }

  synchronized long bytesReserved() {
    return bytesReserved;
  }

  synchronized long bytesInUse() {
    return bytesInUse;
  }

  /** Gives all memory back to the system; a second call does nothing. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      free.clear();
      bytesReserved = 0;
      bytesInUse = 0;
      arena.close();
    }
  }
}
