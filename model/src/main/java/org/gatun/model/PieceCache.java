package org.gatun.model;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Tokens of short pieces of text that were met before. Each piece has one place; a newcomer takes it over,
 * so that the memory is the same whatever the text: 2.4 MB. For one thread at a time.
 */
final class PieceCache {
  /** Longer pieces, and such of more tokens, are not kept. */
  static final int MOST_BYTES = 16;
  static final int MOST_TOKENS = 4;

  private static final int SLOT_BITS = 16;
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final long[] low = new long[1 << SLOT_BITS];
  private final long[] high = new long[1 << SLOT_BITS];
  /** Bytes of the piece in the upper, number of its tokens in the lower half; 0 where nothing is. */
  private final short[] sizes = new short[1 << SLOT_BITS];
  private final int[] tokens = new int[MOST_TOKENS << SLOT_BITS];

  private long keyLow;
  private long keyHigh;
  private int slot;

  /**
   * Looks for a piece of 1 to {@link #MOST_BYTES} bytes; the array must go on for that many. Appends its
   * tokens and returns how many, 0 if it is not here.
   */
  int find(byte[] text, int start, int length, int[] into, int at) {
    long first = (long) LONGS.get(text, start);
    if (length <= 8) {
      keyLow = first << (64 - 8 * length) >>> (64 - 8 * length);
      keyHigh = 0;
    } else {
      keyLow = first;
      keyHigh = (long) LONGS.get(text, start + 8) << (128 - 8 * length) >>> (128 - 8 * length);
    }
    // Multiplication moves what differs into the upper bits; the constants are odd fractions of 2^64.
    slot = (int) ((keyLow * 0x9E3779B97F4A7C15L ^ (keyHigh + length) * 0xC2B2AE3D27D4EB4FL) >>> (64 - SLOT_BITS));
    int size = sizes[slot];
    if (size >>> 8 != length || low[slot] != keyLow || high[slot] != keyHigh) {
      return 0;
    }
    int count = size & 0xFF;
    int from = slot * MOST_TOKENS;
    into[at] = tokens[from];
    for (int i = 1; i < count; i++) {
      into[at + i] = tokens[from + i];
    }
    return count;
  }

  /** Keeps the tokens of the piece that {@link #find} has just missed. */
  void put(int length, int[] from, int at, int count) {
    if (count <= MOST_TOKENS) {
      low[slot] = keyLow;
      high[slot] = keyHigh;
      sizes[slot] = (short) (length << 8 | count);
      System.arraycopy(from, at, tokens, slot * MOST_TOKENS, count);
    }
  }
}
