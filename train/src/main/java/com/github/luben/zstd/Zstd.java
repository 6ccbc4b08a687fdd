package com.github.luben.zstd;

import io.airlift.compress.v3.MalformedInputException;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** Zstandard as the parquet reader calls it. */
public final class Zstd {
  private Zstd() {}

  /**
   * Unpacks what is between position and limit of a direct buffer; returns how many bytes it were.
   *
   * @throws IllegalArgumentException if the bytes are no Zstandard, or more than there is room for
   */
  public static int decompress(byte[] uncompressed, ByteBuffer compressed) {
    try {
      return new ZstdJavaDecompressor()
          .decompress(MemorySegment.ofBuffer(compressed), MemorySegment.ofArray(uncompressed));
    } catch (MalformedInputException | IndexOutOfBoundsException e) {
      throw new IllegalArgumentException("damaged Zstandard frame: " + e.getMessage(), e);
    }
  }
}
