package org.gatun.train.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import io.airlift.compress.v3.zstd.ZstdJavaInputStream;
import org.gatun.io.MalformedFileException;

/**
 * A file with documents in it.
 *
 * @param modified its time of last change in milliseconds since 1970
 */
public record Source(Path path, long bytes, long modified, Kind kind, Packing packing) {
  /** What is inside. */
  public enum Kind {
    /** One document. */
    TEXT,
    /** A JSON object a line, each a document. */
    JSONL,
    /** A row a document. */
    PARQUET
  }

  /** What is around it. */
  public enum Packing {
    /** Nothing. */
    NONE,
    /** One or several gzip members. */
    GZIP,
    /** One or several Zstandard frames. */
    ZSTD
  }

  private static final int SNIFFED = 8192;
  private static final byte[] PARQUET_MAGIC = {'P', 'A', 'R', '1'};
  private static final byte[] GZIP_MAGIC = {0x1f, (byte) 0x8b};
  private static final byte[] ZSTD_MAGIC = {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd};

  /**
   * Looks at a file's name and, where that does not tell, at its beginning.
   *
   * @throws MalformedFileException if it is none of what can be read
   */
  static Source of(Path path) throws IOException {
    long size = Files.size(path);
    long modified = Files.getLastModifiedTime(path).toMillis();
    String name = path.getFileName().toString().toLowerCase(Locale.ROOT);
    Packing packing = packing(name, path);
    String inner = packing == Packing.NONE ? name : name.replaceFirst("\\.(gz|gzip|zst|zstd)$", "");
    Kind kind = kindByName(inner);
    var source = new Source(path, size, modified, kind == null ? Kind.TEXT : kind, packing);
    return kind != null ? source : new Source(path, size, modified, source.kindByContent(), packing);
  }

  private static Packing packing(String name, Path path) throws IOException {
    if (name.endsWith(".gz") || name.endsWith(".gzip")) {
      return Packing.GZIP;
    }
    if (name.endsWith(".zst") || name.endsWith(".zstd")) {
      return Packing.ZSTD;
    }
    if (kindByName(name) != null) {
      return Packing.NONE;
    }
    byte[] start = start(path);
    return startsWith(start, GZIP_MAGIC)
        ? Packing.GZIP
        : startsWith(start, ZSTD_MAGIC) ? Packing.ZSTD : Packing.NONE;
  }

  private static Kind kindByName(String name) {
    if (name.endsWith(".txt")) {
      return Kind.TEXT;
    }
    if (name.endsWith(".jsonl") || name.endsWith(".ndjson")) {
      return Kind.JSONL;
    }
    return name.endsWith(".parquet") ? Kind.PARQUET : null;
  }

  private Kind kindByContent() throws IOException {
    byte[] start;
    try (InputStream in = open()) {
      start = in.readNBytes(SNIFFED);
    }
    if (startsWith(start, PARQUET_MAGIC)) {
      return Kind.PARQUET;
    }
    for (byte b : start) {
      if (b == 0) {
        throw new MalformedFileException(
            path, "is neither text nor JSON lines nor parquet; leave it out, or name the files by a pattern (*.txt)");
      }
    }
    return looksLikeJson(start) ? Kind.JSONL : Kind.TEXT;
  }

  /** An object with a first key, in quotes: no prose begins like that, and hardly any program. */
  private static boolean looksLikeJson(byte[] start) {
    int brace = skipSpaces(start, 0);
    int quote = brace < start.length && start[brace] == '{' ? skipSpaces(start, brace + 1) : start.length;
    return quote < start.length && start[quote] == '"';
  }

  private static int skipSpaces(byte[] text, int from) {
    int at = from;
    while (at < text.length && (text[at] == ' ' || text[at] == '\t')) {
      at++;
    }
    return at;
  }

  private static byte[] start(Path path) throws IOException {
    try (InputStream in = Files.newInputStream(path)) {
      return in.readNBytes(ZSTD_MAGIC.length);
    }
  }

  private static boolean startsWith(byte[] bytes, byte[] magic) {
    return bytes.length >= magic.length
        && Arrays.equals(bytes, 0, magic.length, magic, 0, magic.length);
  }

  /** What is inside the packing. */
  InputStream open() throws IOException {
    return unpack(Files.newInputStream(path));
  }

  /** What is inside of a stream packed like this file. */
  InputStream unpack(InputStream in) throws IOException {
    try {
      return switch (packing) {
        case NONE -> in;
        case GZIP -> new GZIPInputStream(in, 1 << 16);
        case ZSTD -> new ZstdJavaInputStream(new BufferedInputStream(in, 1 << 16));
      };
    } catch (IOException e) {
      in.close();
      throw broken(e);
    }
  }

  /** The sentence for a file whose packing is broken. */
  MalformedFileException broken(Exception e) {
    return new MalformedFileException(
        path,
        "cannot be unpacked as "
            + packing.toString().toLowerCase(Locale.ROOT)
            + " ("
            + e.getMessage()
            + "); it is damaged or cut short",
        e);
  }
}
