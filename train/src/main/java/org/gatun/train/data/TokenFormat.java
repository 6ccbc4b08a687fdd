package org.gatun.train.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** How files of little-endian tokens are laid out. */
public enum TokenFormat {
  /** Tokens and nothing else, one file a split, as nanoGPT has them. */
  RAW("bin", 0),
  /** Shards behind llm.c's header of 256 integers: magic, version, number of tokens. */
  LLMC("bin", 1024),
  /** Shards as one-dimensional NumPy arrays. */
  NPY("npy", 128);

  static final int LLMC_MAGIC_U16 = 20240520;
  static final int LLMC_VERSION_U16 = 1;
  static final int LLMC_MAGIC_U32 = 20240801;
  static final int LLMC_VERSION_U32 = 7;
  static final byte[] NUMPY_MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};

  private final String ending;
  private final int headerBytes;

  TokenFormat(String ending, int headerBytes) {
    this.ending = ending;
    this.headerBytes = headerBytes;
  }

  int headerBytes() {
    return headerBytes;
  }

  /** Whether a split may take several files. */
  boolean isSharded() {
    return this != RAW;
  }

  String fileName(Split split, int shard) {
    return isSharded()
        ? String.format(Locale.ROOT, "%s_%06d.%s", split, shard, ending)
        : split + "." + ending;
  }

  /** What stands before {@code tokens} of {@code width} bytes each. */
  byte[] header(long tokens, int width) {
    return switch (this) {
      case RAW -> new byte[0];
      case LLMC -> llmcHeader(tokens, width);
      case NPY -> numpyHeader(tokens, width);
    };
  }

  private byte[] llmcHeader(long tokens, int width) {
    var header = ByteBuffer.allocate(headerBytes).order(ByteOrder.LITTLE_ENDIAN);
    header.putInt(width == 2 ? LLMC_MAGIC_U16 : LLMC_MAGIC_U32);
    header.putInt(width == 2 ? LLMC_VERSION_U16 : LLMC_VERSION_U32);
    header.putInt(Math.toIntExact(tokens));
    return header.array();
  }

  /** Version 1.0 of NumPy's format, padded with spaces to a multiple of 64 bytes as NumPy does. */
  private byte[] numpyHeader(long tokens, int width) {
    String dictionary =
        "{'descr': '<u%d', 'fortran_order': False, 'shape': (%d,), }"
            .formatted(width, tokens);
    var header = ByteBuffer.allocate(headerBytes).order(ByteOrder.LITTLE_ENDIAN);
    header.put(NUMPY_MAGIC).put((byte) 1).put((byte) 0).putShort((short) (headerBytes - 10));
    header.put(dictionary.getBytes(StandardCharsets.US_ASCII));
    while (header.remaining() > 1) {
      header.put((byte) ' ');
    }
    return header.put((byte) '\n').array();
  }
}
