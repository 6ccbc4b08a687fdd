package org.gatun.train.data;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.OptionalInt;
import org.gatun.io.MalformedFileException;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.Tokenizer;
import org.gatun.model.Utf8;

/** Chunks to tokens; any number of threads may use it at once. */
final class Encoder {
  /** How much of a document decides its split; enough to tell documents apart, and always in its first part. */
  private static final int HASHED_BYTES = 1 << 16;

  /** Longer texts are encoded part by part, so that what lies between text and tokens stays small. */
  private static final int PART_BYTES = 1 << 20;

  private final Tokenizer tokenizer;
  private final PrepareOptions options;
  private final OptionalInt endOfText;
  private final Survey survey;
  private final int width;

  /** {@code survey} may be null where the options need none. */
  Encoder(Tokenizer tokenizer, PrepareOptions options, Survey survey) {
    this.tokenizer = tokenizer;
    this.options = options;
    this.endOfText =
        options.endOfText() == PrepareOptions.EndOfText.NONE ? OptionalInt.empty() : tokenizer.endOfText();
    this.survey = survey;
    this.width = tokenizer.vocabulary() <= 1 << Short.SIZE ? 2 : 4;
  }

  /** Bytes of a token. */
  int width() {
    return width;
  }

  /**
   * The split of a document: validation where the first 53 bits of SHA-256 over the seed (eight bytes, big-endian)
   * and the document's first 65,536 bytes, as a fraction, are below the fraction asked for.
   */
  static Split split(byte[] document, PrepareOptions options) {
    MessageDigest digest = Sha256.digest();
    digest.update(ByteBuffer.allocate(Long.BYTES).putLong(options.seed()).flip());
    digest.update(document, 0, Math.min(document.length, HASHED_BYTES));
    long bits = ByteBuffer.wrap(digest.digest()).getLong() >>> 11;
    return bits * 0x1p-53 < options.valFraction() ? Split.VAL : Split.TRAIN;
  }

  Encoded encode(Chunk chunk) throws MalformedFileException {
    var encoded = new Encoded(width);
    long character = 0;
    for (int i = 0; i < chunk.pieces().size(); i++) {
      Piece piece = chunk.pieces().get(i);
      byte[] text = piece.json() ? JsonText.of(piece, options.textField()) : piece.bytes();
      if (text == null || text.length == 0) {
        continue; // no text, no document
      }
      encoded.addText(text.length);
      byte[] valid = valid(text, encoded);
      if (options.tail()) {
        int cut = survey.cut(chunk.number(), character, valid);
        encodeTail(piece, valid, cut, encoded);
        character += Survey.characters(valid);
      } else {
        Split known = chunk.splits().get(i);
        encodePiece(piece, known == null ? split(text, options) : known, valid, encoded);
      }
    }
    return encoded;
  }

  /** Bytes are tokens themselves for one tokenizer, whether they make sense as text or not. */
  private byte[] valid(byte[] text, Encoded encoded) {
    if (tokenizer instanceof ByteTokenizer || Utf8.isValid(text, 0, text.length)) {
      return text;
    }
    encoded.addRepaired();
    return Utf8.repaired(text, 0, text.length);
  }

  private void encodeTail(Piece piece, byte[] text, int cut, Encoded encoded) throws MalformedFileException {
    if (cut == 0 || cut == text.length) {
      encodePiece(piece, cut == 0 ? Split.VAL : Split.TRAIN, text, encoded);
    } else {
      begin(piece, Split.TRAIN, encoded);
      encode(piece, Split.TRAIN, text, 0, cut, encoded);
      encode(piece, Split.VAL, text, cut, text.length, encoded);
      end(piece, Split.VAL, encoded);
    }
  }

  private void encodePiece(Piece piece, Split split, byte[] text, Encoded encoded) throws MalformedFileException {
    begin(piece, split, encoded);
    encode(piece, split, text, 0, text.length, encoded);
    end(piece, split, encoded);
  }

  private void begin(Piece piece, Split split, Encoded encoded) {
    if (piece.first()) {
      encoded.addDocument(split);
      if (endOfText.isPresent() && options.endOfText() == PrepareOptions.EndOfText.PREPEND) {
        encoded.add(split, endOfText.getAsInt());
      }
    }
  }

  private void end(Piece piece, Split split, Encoded encoded) {
    if (piece.last() && endOfText.isPresent() && options.endOfText() == PrepareOptions.EndOfText.APPEND) {
      encoded.add(split, endOfText.getAsInt());
    }
  }

  private void encode(Piece piece, Split split, byte[] text, int from, int to, Encoded encoded)
      throws MalformedFileException {
    try {
      int at = from;
      while (at < to) {
        int end = to;
        if (to - at > PART_BYTES) {
          int cut = tokenizer.lastCut(text, at, at + PART_BYTES - 4);
          end = cut < 0 ? to : cut;
        }
        encoded.add(split, tokenizer.encode(text, at, end));
        at = end;
      }
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(piece.source().path(), e.getMessage(), e);
    }
  }
}
