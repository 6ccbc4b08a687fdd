package org.gatun.train.data;

import java.io.Closeable;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.zip.ZipException;
import org.gatun.model.Tokenizer;

/** The records of one file in their order. */
abstract sealed class Records implements Closeable permits TextRecords, LineRecords, ParquetRecords {
  /** A line or a row of more bytes is refused: it has to be held in memory several times over. */
  static final int MOST_BYTES = 16 << 20;

  static Records of(Source source, Tokenizer tokenizer, String field) throws IOException {
    return switch (source.kind()) {
      case TEXT -> new TextRecords(source, new Unpacked(source), tokenizer);
      case JSONL -> new LineRecords(source, new Unpacked(source));
      case PARQUET -> new ParquetRecords(source, field);
    };
  }

  /** The next record, or null behind the last. */
  abstract Piece next() throws IOException;

  /** Bytes of the file that have been read so far, about. */
  abstract long position();

  /** The inside of a file, counted on the outside. */
  static final class Unpacked implements Closeable {
    private final Source source;
    private final InputStream in;
    private long read;

    Unpacked(Source source) throws IOException {
      this.source = source;
      this.in =
          source.unpack(
              new FilterInputStream(Files.newInputStream(source.path())) {
                @Override
                public int read() throws IOException {
                  int b = super.read();
                  read += b < 0 ? 0 : 1;
                  return b;
                }

                @Override
                public int read(byte[] into, int offset, int length) throws IOException {
                  int count = super.read(into, offset, length);
                  read += Math.max(0, count);
                  return count;
                }
              });
    }

    /** Fills an array up to {@code end} unless the file ends before; returns where the bytes end. */
    int fill(byte[] into, int start, int end) throws IOException {
      int at = start;
      try {
        while (at < end) {
          int count = in.read(into, at, end - at);
          if (count < 0) {
            break;
          }
          at += count;
        }
      } catch (ZipException | java.io.EOFException | RuntimeException e) {
        throw source.broken(e);
      } catch (IOException e) {
        throw source.packing() == Source.Packing.ZSTD ? source.broken(e) : e;
      }
      return at;
    }

    long position() {
      return read;
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }
}
