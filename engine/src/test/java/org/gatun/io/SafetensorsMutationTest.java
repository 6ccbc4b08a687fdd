package org.gatun.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damages good files at random: each is either read within its bounds, or refused in one sentence. */
class SafetensorsMutationTest {
  private static final int FILES = 2000;
  private static final String[] SNIPPETS = {"\"", "{", "}", "[", "]", ",", ":", "-1", "1.5", "1e9", "null", "true", "0",
    "9223372036854775808", "\\u0000", "\"dtype\":\"F32\",", "\"a\":{}", "NaN", "[[[[", " ", "\n"};

  @TempDir
  Path folder;

  @Test
  void noDamageEndsInAnotherExceptionThanTheSentence() throws IOException {
    Path good = folder.resolve("good.safetensors");
    new SafetensorsWriter().metadata("format", "pt").add("a.weight", new float[]{1, 2, 3, 4, 5, 6}, 2, 3)
        .add("b", new int[]{7}).add("c", new long[]{1, 2}, 2).add("empty", new float[0], 0).write(good);
    byte[] bytes = Files.readAllBytes(good);
    int refused = 0;
    for (long seed = 0; seed < FILES; seed++) {
      Path file = folder.resolve("damaged.safetensors");
      Files.write(file, damaged(bytes, new Random(seed)));
      refused += refused(file, seed) ? 1 : 0;
    }
    assertTrue(refused > FILES / 2, refused + " of " + FILES + " refused");
  }

  private static boolean refused(Path file, long seed) throws IOException {
    try (var read = Safetensors.open(file)) {
      long end = 0;
      for (String name : read.names()) {
        end += read.bytes(name).byteSize();
        readAll(read, name);
      }
      assertTrue(end <= Files.size(file), "seed " + seed);
      return false;
    } catch (MalformedFileException e) {
      assertEquals(1, e.getMessage().lines().count(), () -> "seed " + seed + ": " + e.getMessage());
      assertTrue(e.getMessage().startsWith(file + ": "), () -> "seed " + seed + ": " + e.getMessage());
      return true;
    } catch (RuntimeException e) {
      throw new AssertionError("seed " + seed, e);
    }
  }

  private static void readAll(Safetensors read, String name) throws IOException {
    switch (read.entry(name).type()) {
      case F32, BF16, F16 -> read.floats(name);
      case I32, I64 -> read.longs(name);
      default -> read.bytes(name);
    }
  }

  private static byte[] damaged(byte[] good, Random random) {
    byte[] bytes = good.clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      bytes = switch (random.nextInt(5)) {
        case 0 -> flipped(bytes, random);
        case 1 -> Arrays.copyOf(bytes, random.nextInt(bytes.length + 1));
        case 2 -> replaced(bytes, random, new byte[random.nextInt(8)], random.nextInt(8));
        case 3 -> replaced(bytes, random, SNIPPETS[random.nextInt(SNIPPETS.length)].getBytes(), random.nextInt(4));
        default -> Arrays.copyOf(bytes, bytes.length + random.nextInt(20));
      };
    }
    return bytes;
  }

  private static byte[] flipped(byte[] bytes, Random random) {
    if (bytes.length > 0) {
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
    }
    return bytes;
  }

  /** Exchanges some bytes for others and corrects the header's length, so that the parser gets to see them. */
  private static byte[] replaced(byte[] bytes, Random random, byte[] by, int count) {
    if (bytes.length <= 8) {
      return bytes;
    }
    int at = 8 + random.nextInt(bytes.length - 8);
    int end = Math.min(bytes.length, at + count);
    var result = new byte[bytes.length - (end - at) + by.length];
    System.arraycopy(bytes, 0, result, 0, at);
    System.arraycopy(by, 0, result, at, by.length);
    System.arraycopy(bytes, end, result, at + by.length, bytes.length - end);
    int length = (bytes[0] & 0xFF | (bytes[1] & 0xFF) << 8) + by.length - (end - at);
    result[0] = (byte) length;
    result[1] = (byte) (length >> 8);
    return result;
  }
}
