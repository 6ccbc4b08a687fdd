package org.gatun.train.data;

import java.io.IOException;
import java.util.Arrays;
import org.gatun.io.MalformedFileException;

/** A file of JSON lines. */
final class LineRecords extends Records {
  private final Source source;
  private final Unpacked in;
  private byte[] buffer = new byte[1 << 18];
  private int start;
  private int filled;
  private boolean ended;
  private long number;

  LineRecords(Source source, Unpacked in) {
    this.source = source;
    this.in = in;
  }

  @Override
  Piece next() throws IOException {
    while (true) {
      byte[] line = line();
      if (line == null) {
        return null;
      }
      number++;
      if (!isBlank(line)) {
        return new Piece(source, number, line, true, true, true);
      }
    }
  }

  private static boolean isBlank(byte[] line) {
    for (byte b : line) {
      if (b != ' ' && b != '\t' && b != '\r') {
        return false;
      }
    }
    return true;
  }

  private byte[] line() throws IOException {
    int from = start;
    while (true) {
      for (int at = from; at < filled; at++) {
        if (buffer[at] == '\n') {
          byte[] line = Arrays.copyOfRange(buffer, start, at);
          start = at + 1;
          return line;
        }
      }
      from = filled - start;
      if (ended) {
        byte[] rest = from == 0 ? null : Arrays.copyOfRange(buffer, start, filled);
        start = filled;
        return rest;
      }
      refill(from);
    }
  }

  /** Moves the begun line to the beginning and reads on behind it. */
  private void refill(int begun) throws IOException {
    System.arraycopy(buffer, start, buffer, 0, begun);
    start = 0;
    if (begun == buffer.length) {
      if (begun >= MOST_BYTES) {
        throw new MalformedFileException(
            source.path(),
            "line %s has more than %s bytes, which is more than one document may have; leave it out"
                .formatted(number + 1, MOST_BYTES));
      }
      buffer = Arrays.copyOf(buffer, 2 * begun);
    }
    filled = in.fill(buffer, begun, buffer.length);
    ended = filled < buffer.length;
  }

  @Override
  long position() {
    return in.position();
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
