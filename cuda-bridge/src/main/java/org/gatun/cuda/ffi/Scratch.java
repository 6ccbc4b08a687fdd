package org.gatun.cuda.ffi;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A thread's few bytes for what functions write through pointers, reused by each call, so that a call needs no arena. What was written
 * is to be read before the next call that uses it.
 */
public final class Scratch {
  private static final long BYTES = 512;
  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  // Native memory of a thread that ended goes back with its Scratch.
  private final MemorySegment memory = Arena.ofAuto().allocate(BYTES, 16);
  private final long address = memory.address();

  private Scratch() {}

  /** This thread's, with its first 16 bytes cleared. */
  public static Scratch cleared() {
    Scratch scratch = OF_THREAD.get();
    scratch.memory.set(JAVA_LONG, 0, 0L);
    scratch.memory.set(JAVA_LONG, 8, 0L);
    return scratch;
  }

  /** Where a function may write. */
  public long address() {
    return address;
  }

  /** Where a function may write its second result: 8 bytes after {@link #address}. */
  public long secondAddress() {
    return address + JAVA_LONG.byteSize();
  }

  public long int64() {
    return memory.get(JAVA_LONG, 0);
  }

  public long secondInt64() {
    return memory.get(JAVA_LONG, 8);
  }

  public int int32() {
    return memory.get(JAVA_INT, 0);
  }

  public float float32() {
    return memory.get(JAVA_FLOAT, 0);
  }

  /** All of it, 512 bytes: for names and small structures. */
  public MemorySegment memory() {
    return memory;
  }
}
