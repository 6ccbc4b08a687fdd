package org.gatun.train;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * A sequence of tokens, two or four bytes each: mapped files one after the other, or an array. Reading it changes
 * nothing, from any thread.
 */
final class Tokens {
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** What {@link #sha256} reads at most, at each of three places. */
  private static final long HASHED_BYTES = 1 << 20;

  /** Tokens side by side in memory: little-endian, {@code width} bytes each. */
  record Run(String name, MemorySegment bytes, int width) {
    long size() {
      return bytes.byteSize() / width;
    }

    /** Larger tokens than an int can hold come out as its largest: no vocabulary has them. */
    int at(long position) {
      if (width == 2) {
        return Short.toUnsignedInt(bytes.get(U16, 2 * position));
      }
      int token = bytes.get(U32, 4 * position);
      return token < 0 ? Integer.MAX_VALUE : token;
    }
  }

  private final String name;
  private final List<Run> runs;
  /** Where in the whole sequence each run begins, and behind them where the last one ends. */
  private final long[] starts;
  private final long from;
  private final long to;

  private Tokens(String name, List<Run> runs, long[] starts, long from, long to) {
    this.name = name;
    this.runs = runs;
    this.starts = starts;
    this.from = from;
    this.to = to;
  }

  /** One run after the other; {@code name} is for messages. */
  static Tokens of(String name, List<Run> runs) {
    var starts = new long[runs.size() + 1];
    for (int i = 0; i < runs.size(); i++) {
      starts[i + 1] = starts[i] + runs.get(i).size();
    }
    return new Tokens(name, List.copyOf(runs), starts, 0, starts[runs.size()]);
  }

  /** Tokens as little-endian u16. */
  static Tokens of(String name, MemorySegment bytes) {
    return of(name, List.of(new Run(name, bytes, 2)));
  }

  /** How many there are. */
  long size() {
    return to - from;
  }

  /** What they were read from. */
  String name() {
    return name;
  }

  /** The tokens from one position up to another. */
  Tokens slice(long first, long last) {
    return new Tokens(name, runs, starts, from + first, from + last);
  }

  /** The token at a position. */
  int at(long position) {
    int run = runOf(from + position);
    return runs.get(run).at(from + position - starts[run]);
  }

  private int runOf(long position) {
    int found = Arrays.binarySearch(starts, position);
    int run = found < 0 ? -found - 2 : found;
    while (run + 1 < runs.size() && starts[run + 1] == position) {
      run++; // an empty file begins where the next one does
    }
    return run;
  }

  /**
   * Copies tokens to an array.
   *
   * @throws IllegalArgumentException if one is not below {@code vocabulary}: names it and its
   *     position
   */
  void read(long position, int[] into, int offset, int count, int vocabulary) {
    int done = 0;
    while (done < count) {
      long at = from + position + done;
      int index = runOf(at);
      Run run = runs.get(index);
      long local = at - starts[index];
      int part = (int) Math.min(count - done, run.size() - local);
      for (int i = 0; i < part; i++) {
        int token = run.at(local + i);
        if (token >= vocabulary) {
          throw tooLarge(run, local + i, vocabulary);
        }
        into[offset + done + i] = token;
      }
      done += part;
    }
  }

  /**
   * @throws IllegalArgumentException if one of the first {@code count} tokens is not below {@code
   *     vocabulary}
   */
  void requireBelow(int vocabulary, long count) {
    var portion = new int[1 << 14];
    long end = Math.min(count, size());
    for (long position = 0; position < end; position += portion.length) {
      read(position, portion, 0, (int) Math.min(portion.length, end - position), vocabulary);
    }
  }

  private static IllegalArgumentException tooLarge(Run run, long position, int vocabulary) {
    return new IllegalArgumentException(
        ("%s: token %s at position %s is beyond the vocabulary of %s;"
            + " give --vocab, or the file is not of u%s tokens")
            .formatted(run.name(), run.at(position), position, vocabulary, 8 * run.width()));
  }

  /**
   * A hash of the length and of the beginning, the middle and the end: the whole for 1.5 million
   * tokens or fewer.
   */
  String sha256() {
    try {
      var digest = MessageDigest.getInstance("SHA-256");
      digest.update(Long.toString(size()).getBytes(StandardCharsets.US_ASCII));
      long hashed = HASHED_BYTES / 2;
      if (size() <= 3 * hashed) {
        update(digest, 0, size());
      } else {
        for (long at : new long[]{0, size() / 2, size() - hashed}) {
          update(digest, at, hashed);
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private void update(MessageDigest digest, long position, long count) {
    long done = 0;
    while (done < count) {
      int index = runOf(from + position + done);
      Run run = runs.get(index);
      long local = from + position + done - starts[index];
      long part = Math.min(count - done, run.size() - local);
      digest.update(run.bytes().asSlice(local * run.width(), part * run.width()).asByteBuffer());
      done += part;
    }
  }
}
