package org.gatun.train;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * Files of little-endian u16 tokens: raw, as nanoGPT writes them, or behind llm.c's header of 256
 * integers. Mapped, not read.
 */
final class TokenFile {
  private static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int LLMC_MAGIC = 20240520;
  private static final int LLMC_HEADER_BYTES = 1024;
  private static final int NUMPY_MAGIC = 0x4D554E93;

  private TokenFile() {}

  /** Whether a file name says that this is what it holds. */
  static boolean isNamed(Path file) {
    return file.toString().endsWith(".bin");
  }

  /**
   * The tokens of a file.
   *
   * @throws IllegalArgumentException if it is empty or holds something else
   */
  static Tokens open(Path file) throws IOException {
    try (var channel = FileChannel.open(file)) {
      if (channel.size() == 0) {
        throw new IllegalArgumentException(
            file + " is empty; a token file holds two bytes a token");
      }
      // Mapped for as long as the process lives: unmapping under a reader's feet would end the VM.
      MemorySegment bytes =
          channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.global());
      return Tokens.of(file.toString(), withoutHeader(file, bytes));
    }
  }

  private static MemorySegment withoutHeader(Path file, MemorySegment bytes) {
    int magic = bytes.byteSize() < 4 ? 0 : bytes.get(I32, 0);
    if (magic == NUMPY_MAGIC) {
      throw new IllegalArgumentException(
          file + " is a NumPy file; write it with tofile() to have raw u16 tokens");
    }
    if (magic == LLMC_MAGIC && bytes.byteSize() > LLMC_HEADER_BYTES) {
      return bytes.asSlice(LLMC_HEADER_BYTES);
    }
    if (bytes.byteSize() % 2 != 0) {
      throw new IllegalArgumentException(
          file
              + " has "
              + bytes.byteSize()
              + " bytes, an odd number; u16 tokens take two each. Is it text? Then its name must"
              + " not end in .bin");
    }
    return bytes;
  }
}
