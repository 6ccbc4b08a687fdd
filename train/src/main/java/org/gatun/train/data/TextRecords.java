package org.gatun.train.data;

import java.io.IOException;
import java.util.Arrays;
import org.gatun.io.MalformedFileException;
import org.gatun.model.Tokenizer;

/** A text file: one document, in parts where it is long, cut where that leaves its tokens as they are. */
final class TextRecords extends Records {
  private static final int PART_BYTES = 1 << 20;
  /** Room behind a possible cut for the character there. */
  private static final int CHARACTER_BYTES = 4;

  private final Source source;
  private final Unpacked in;
  private final Tokenizer tokenizer;
  private byte[] buffer = new byte[PART_BYTES];
  private int filled;
  private boolean ended;
  private long number;

  TextRecords(Source source, Unpacked in, Tokenizer tokenizer) {
    this.source = source;
    this.in = in;
    this.tokenizer = tokenizer;
  }

  @Override
  Piece next() throws IOException {
    if (ended) {
      return null;
    }
    int cut = fill();
    if (cut == 0) {
      return null; // an empty file has no document
    }
    number++;
    var piece = new Piece(source, number, Arrays.copyOf(buffer, cut), false, number == 1, ended);
    System.arraycopy(buffer, cut, buffer, 0, filled - cut);
    filled -= cut;
    return piece;
  }

  /** Reads until a part is whole; returns its length. */
  private int fill() throws IOException {
    while (true) {
      filled = in.fill(buffer, filled, buffer.length);
      if (filled < buffer.length) {
        ended = true;
        return filled;
      }
      int cut = tokenizer.lastCut(buffer, 0, filled - CHARACTER_BYTES);
      if (cut > 0) {
        return cut;
      }
      if (buffer.length >= MOST_BYTES) {
        throw new MalformedFileException(
            source.path(),
            "has "
                + MOST_BYTES
                + " bytes of one kind (letters, digits, signs or white space) without a break, which is no text;"
                + " leave it out");
      }
      buffer = Arrays.copyOf(buffer, 2 * buffer.length);
    }
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
