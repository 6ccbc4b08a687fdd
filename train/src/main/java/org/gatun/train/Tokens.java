package org.gatun.train;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A sequence of tokens, two bytes each: a mapped file or an array. Reading it changes nothing, from
 * any thread.
 */
final class Tokens {
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** What {@link #sha256} reads at most, at each of three places. */
  private static final long HASHED_BYTES = 1 << 20;

  private final String name;
  private final MemorySegment bytes;
  private final long first;

  private Tokens(String name, MemorySegment bytes, long first) {
    this.name = name;
    this.bytes = bytes;
    this.first = first;
  }

  /** Tokens as little-endian u16; {@code name} is for messages. */
  static Tokens of(String name, MemorySegment bytes) {
    return new Tokens(name, bytes, 0);
  }

  /** How many there are. */
  long size() {
    return bytes.byteSize() / 2;
  }

  /** What they were read from. */
  String name() {
    return name;
  }

  /** The tokens from one position up to another. */
  Tokens slice(long from, long to) {
    return new Tokens(name, bytes.asSlice(2 * from, 2 * (to - from)), first + from);
  }

  /** The token at a position. */
  int at(long position) {
    return Short.toUnsignedInt(bytes.get(U16, 2 * position));
  }

  /**
   * Copies tokens to an array.
   *
   * @throws IllegalArgumentException if one is not below {@code vocabulary}: names it and its
   *     position
   */
  void read(long position, int[] into, int offset, int count, int vocabulary) {
    for (int i = 0; i < count; i++) {
      int token = at(position + i);
      if (token >= vocabulary) {
        throw tooLarge(position + i, vocabulary);
      }
      into[offset + i] = token;
    }
  }

  /**
   * @throws IllegalArgumentException if one of the first {@code count} tokens is not below {@code
   *     vocabulary}
   */
  void requireBelow(int vocabulary, long count) {
    int largest = 0;
    long end = Math.min(count, size());
    for (long position = 0; position < end; position++) {
      largest = Math.max(largest, at(position));
    }
    for (long position = 0; largest >= vocabulary; position++) {
      if (at(position) >= vocabulary) {
        throw tooLarge(position, vocabulary);
      }
    }
  }

  private IllegalArgumentException tooLarge(long position, int vocabulary) {
    return new IllegalArgumentException(
        ("%s: token %s at position %s is beyond the vocabulary of %s;"
            + " give --vocab, or the file is not of u16 tokens")
            .formatted(name, at(position), first + position, vocabulary));
  }

  /**
   * A hash of the length and of the beginning, the middle and the end: the whole for 1.5 million
   * tokens or fewer.
   */
  String sha256() {
    try {
      var digest = MessageDigest.getInstance("SHA-256");
      digest.update(Long.toString(size()).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
      long length = bytes.byteSize();
      if (length <= 3 * HASHED_BYTES) {
        digest.update(bytes.asByteBuffer());
      } else {
        for (long at : new long[]{0, length / 2, length - HASHED_BYTES}) {
          digest.update(bytes.asSlice(at, HASHED_BYTES).asByteBuffer());
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
