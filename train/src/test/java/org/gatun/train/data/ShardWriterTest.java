package org.gatun.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.gatun.train.data.PrepareOptions.EndOfText;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardWriterTest {
  private static final byte[] TOKENS = {1, 0, 2, 0, 3, 0};

  @TempDir
  Path folder;

  /** Where bytes no longer fit an int, and where they would fit one again if it had overflowed. */
  @Test
  void rawFilesGrowBeyondTwoGibibytes() throws IOException {
    for (long begun : new long[]{1L << 30, (1L << 31) - 3, (1L << 31) + 5}) {
      Path part = folder.resolve(".train.bin.part");
      try (var file = new RandomAccessFile(part.toFile(), "rw")) {
        file.setLength(2 * begun); // a hole: nothing of it is on the disk
      }
      try (var writer = new ShardWriter(folder, Split.TRAIN, options(), 2, List.of(), begun)) {
        assertFalse(writer.write(TOKENS, TOKENS.length));
        assertEquals(begun + 3, writer.tokens());
      }
      try (var file = new RandomAccessFile(part.toFile(), "r")) {
        assertEquals(2 * begun + TOKENS.length, file.length());
        file.seek(2 * begun);
        var written = new byte[TOKENS.length];
        file.readFully(written);
        assertArrayEquals(TOKENS, written);
      }
      Files.delete(part);
    }
  }

  private static PrepareOptions options() {
    return new PrepareOptions("gpt2", 0.1, false, 1, "text", EndOfText.APPEND, 100, TokenFormat.RAW, 1, 1 << 20);
  }
}
