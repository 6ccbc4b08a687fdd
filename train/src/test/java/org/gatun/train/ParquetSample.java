package org.gatun.train;

import io.airlift.compress.v3.snappy.SnappyJavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;

/**
 * The smallest parquet files there are: one required column of text in one page. Numbers of fields and types are those
 * of parquet-format's parquet.thrift, in Thrift's compact protocol.
 */
final class ParquetSample {
  /** Codecs by their numbers in the format. */
  enum Codec {
    UNCOMPRESSED,
    SNAPPY,
    GZIP,
    LZO,
    BROTLI,
    LZ4,
    ZSTD
  }

  private static final int I32 = 5;
  private static final int I64 = 6;
  private static final int BINARY = 8;
  private static final int LIST = 9;
  private static final int STRUCT = 12;
  private static final int BYTE_ARRAY = 6;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private int lastField;

  private ParquetSample() {}

  /** A file with these texts in a column of this name. */
  static byte[] file(String column, Codec codec, List<String> texts) throws IOException {
    byte[] plain = plain(texts);
    byte[] packed = pack(codec, plain);
    byte[] page = pageHeader(plain.length, packed.length, texts.size());
    var file = new ByteArrayOutputStream();
    file.writeBytes("PAR1".getBytes(StandardCharsets.US_ASCII));
    file.writeBytes(page);
    file.writeBytes(packed);
    byte[] footer = footer(column, codec, texts.size(), page.length + plain.length, page.length + packed.length);
    file.writeBytes(footer);
    file.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(footer.length).array());
    file.writeBytes("PAR1".getBytes(StandardCharsets.US_ASCII));
    return file.toByteArray();
  }

  private static byte[] plain(List<String> texts) {
    var bytes = new ByteArrayOutputStream();
    for (String text : texts) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      bytes.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(utf8.length).array());
      bytes.writeBytes(utf8);
    }
    return bytes.toByteArray();
  }

  private static byte[] pack(Codec codec, byte[] plain) throws IOException {
    return switch (codec) {
      case UNCOMPRESSED -> plain;
      case SNAPPY -> {
        var compressor = new SnappyJavaCompressor();
        var packed = new byte[compressor.maxCompressedLength(plain.length)];
        yield Arrays.copyOf(packed, compressor.compress(plain, 0, plain.length, packed, 0, packed.length));
      }
      case ZSTD -> zstd(plain);
      case GZIP -> gzip(plain);
      default -> throw new IllegalArgumentException(codec.toString());
    };
  }

  static byte[] zstd(byte[] plain) {
    var compressor = new ZstdJavaCompressor();
    var packed = new byte[compressor.maxCompressedLength(plain.length)];
    return Arrays.copyOf(packed, compressor.compress(plain, 0, plain.length, packed, 0, packed.length));
  }

  static byte[] gzip(byte[] plain) throws IOException {
    var packed = new ByteArrayOutputStream();
    try (var gzip = new GZIPOutputStream(packed)) {
      gzip.write(plain);
    }
    return packed.toByteArray();
  }

  private static byte[] pageHeader(int plain, int packed, int values) {
    var header = new ParquetSample();
    header.integer(1, I32, 0).integer(2, I32, plain).integer(3, I32, packed);
    header.begin(5).integer(1, I32, values).integer(2, I32, 0).integer(3, I32, 3).integer(4, I32, 3).end();
    return header.end().out.toByteArray();
  }

  private static byte[] footer(String column, Codec codec, int rows, long plain, long packed) {
    var footer = new ParquetSample();
    footer.integer(1, I32, 1);
    footer.list(2, 2);
    footer.element().string(4, "schema").integer(5, I32, 1).end();
    footer.element().integer(1, I32, BYTE_ARRAY).integer(3, I32, 0).string(4, column).integer(6, I32, 0).end();
    footer.lastField = 2;
    footer.integer(3, I64, rows);
    footer.list(4, 1);
    footer.element().list(1, 1);
    footer.element().integer(2, I64, 4).begin(3);
    footer.integer(1, I32, BYTE_ARRAY);
    footer.field(2, LIST).write(1 << 4 | I32);
    footer.varint(0);
    footer.field(3, LIST).write(1 << 4 | BINARY);
    footer.bytes(column);
    footer.integer(4, I32, codec.ordinal()).integer(5, I64, rows).integer(6, I64, plain).integer(7, I64, packed);
    footer.integer(9, I64, 4).end();
    footer.out.write(0); // the column chunk
    footer.lastField = 1;
    footer.integer(2, I64, plain).integer(3, I64, rows).end();
    return footer.end().out.toByteArray();
  }

  private ByteArrayOutputStream field(int id, int type) {
    out.write(id - lastField << 4 | type);
    lastField = id;
    return out;
  }

  private ParquetSample integer(int id, int type, long value) {
    field(id, type);
    varint(value << 1 ^ value >> 63);
    return this;
  }

  private ParquetSample string(int id, String value) {
    field(id, BINARY);
    bytes(value);
    return this;
  }

  private void bytes(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    out.write(utf8.length);
    out.writeBytes(utf8);
  }

  /** A list of structs, which follow. */
  private void list(int id, int size) {
    field(id, LIST).write(size << 4 | STRUCT);
  }

  private ParquetSample element() {
    lastField = 0;
    return this;
  }

  private ParquetSample begin(int id) {
    field(id, STRUCT);
    lastField = 0;
    return this;
  }

  private ParquetSample end() {
    out.write(0);
    return this;
  }

  private void varint(long value) {
    long left = value;
    while ((left & ~0x7FL) != 0) {
      out.write((int) (left & 0x7F | 0x80));
      left >>>= 7;
    }
    out.write((int) left);
  }
}
