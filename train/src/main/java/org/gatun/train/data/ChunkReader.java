package org.gatun.train.data;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.gatun.model.Tokenizer;

/** All records of all sources, in chunks whose borders depend on nothing but the sources. */
final class ChunkReader implements Closeable {
  private static final int CHUNK_BYTES = 1 << 20;

  private final List<Source> sources;
  private final Tokenizer tokenizer;
  private final PrepareOptions options;
  private Records records;
  private int source;
  private long taken;
  private Split split;
  private long number;
  private long before;

  /** Begins at a place where chunk {@code number} does. */
  ChunkReader(List<Source> sources, Tokenizer tokenizer, PrepareOptions options, Chunk.Place place, long number)
      throws IOException {
    this.sources = sources;
    this.tokenizer = tokenizer;
    this.options = options;
    this.source = place.source();
    this.split = place.split();
    this.number = number;
    for (int i = 0; i < source; i++) {
      before += sources.get(i).bytes();
    }
    if (place.records() > 0) {
      records = open();
      while (taken < place.records() && records.next() != null) {
        taken++;
      }
    }
  }

  private Records open() throws IOException {
    taken = 0;
    return Records.of(sources.get(source), tokenizer, options.textField());
  }

  /** The next chunk, or null behind the last record. */
  Chunk next() throws IOException {
    var pieces = new ArrayList<Piece>();
    var splits = new ArrayList<Split>();
    long bytes = 0;
    while (bytes < CHUNK_BYTES) {
      Piece piece = nextPiece();
      if (piece == null) {
        break;
      }
      pieces.add(piece);
      splits.add(splitOf(piece));
      bytes += piece.bytes().length;
    }
    return pieces.isEmpty()
        ? null
        : new Chunk(number++, pieces, splits, bytes, new Chunk.Place(source, taken, split));
  }

  /** The parts of a long document follow the first: who encodes a later one has not seen it. */
  private Split splitOf(Piece piece) {
    if (options.tail() || piece.first() && piece.last()) {
      return null;
    }
    if (piece.first()) {
      split = Encoder.split(piece.bytes(), options);
    }
    Split own = split;
    if (piece.last()) {
      split = null;
    }
    return own;
  }

  private Piece nextPiece() throws IOException {
    while (source < sources.size()) {
      if (records == null) {
        records = open();
      }
      Piece piece = records.next();
      if (piece != null) {
        taken++;
        return piece;
      }
      close();
      before += sources.get(source).bytes();
      source++;
      taken = 0;
    }
    return null;
  }

  /** Bytes of files that have been read so far, about. */
  long position() {
    return before + (records == null ? 0 : records.position());
  }

  @Override
  public void close() throws IOException {
    if (records != null) {
      records.close();
      records = null;
    }
  }
}
