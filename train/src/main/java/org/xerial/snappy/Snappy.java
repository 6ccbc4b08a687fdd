package org.xerial.snappy;

import io.airlift.compress.v3.MalformedInputException;
import io.airlift.compress.v3.snappy.SnappyJavaDecompressor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** Snappy as the parquet reader calls it. */
public final class Snappy {
  private Snappy() {}

  /**
   * Unpacks what is between position and limit of one direct buffer into another, and sets the limit of that to where
   * the bytes end; returns how many there are.
   *
   * @throws IOException if the bytes are no Snappy, or more than there is room for
   */
  public static int uncompress(ByteBuffer compressed, ByteBuffer uncompressed) throws IOException {
    try {
      int count =
          new SnappyJavaDecompressor()
              .decompress(MemorySegment.ofBuffer(compressed), MemorySegment.ofBuffer(uncompressed));
      uncompressed.limit(uncompressed.position() + count);
      return count;
    } catch (MalformedInputException | IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new IOException("damaged Snappy block: " + e.getMessage(), e);
    }
  }
}
