package org.gatun.train.data;

import java.util.Arrays;

/** The tokens of a chunk as bytes, little-endian, for each split. */
final class Encoded {
  /** Bytes that grow. */
  private static final class Bytes {
    private byte[] array = new byte[1 << 16];
    private int length;
  }

  private final int width;
  private final Bytes[] bytes = {new Bytes(), new Bytes()};
  private final long[] documents = new long[Split.values().length];
  private long textBytes;
  private long repaired;

  /** Tokens of {@code width} bytes, 2 or 4. */
  Encoded(int width) {
    this.width = width;
  }

  void add(Split split, int token) {
    add(split, new int[]{token});
  }

  void add(Split split, int[] tokens) {
    Bytes to = bytes[split.ordinal()];
    int needed = to.length + tokens.length * width;
    if (needed > to.array.length) {
      to.array = Arrays.copyOf(to.array, Math.max(needed, 2 * to.array.length));
    }
    int at = to.length;
    for (int token : tokens) {
      for (int i = 0; i < width; i++) {
        to.array[at++] = (byte) (token >>> 8 * i);
      }
    }
    to.length = at;
  }

  void addDocument(Split split) {
    documents[split.ordinal()]++;
  }

  void addText(long count) {
    textBytes += count;
  }

  /** A piece had bytes that are no UTF-8. */
  void addRepaired() {
    repaired++;
  }

  byte[] bytes(Split split) {
    return bytes[split.ordinal()].array;
  }

  int length(Split split) {
    return bytes[split.ordinal()].length;
  }

  long documents(Split split) {
    return documents[split.ordinal()];
  }

  long textBytes() {
    return textBytes;
  }

  long repaired() {
    return repaired;
  }
}
