package org.gatun.model;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Bytes changed, cut out, or put in twice: what {@link ModelFilesFuzz} searches for, in a second of each build. */
class DamagedModelFilesTest {
  private static final long SEED = ModelFilesFuzz.SEED;
  private static final int MUTATIONS = 400;
  private static final int LLMC_HEADER = 40;

  private interface Check {
    void of(byte[] bytes) throws IOException;
  }

  @ParameterizedTest
  @EnumSource
  void aDamagedFileIsAModelOrRefused(ModelFormat format) throws IOException {
    byte[] valid = ModelFilesFuzz.valid(format);
    byte[] config = ModelFilesFuzz.validConfig();
    switch (format) {
      case HF -> damage(valid, valid.length, bytes -> ModelFilesFuzz.checkFolder(config, bytes));
      case LLMC -> damage(valid, LLMC_HEADER, bytes -> ModelFilesFuzz.check(format, bytes));
      case GGUF -> damage(valid, valid.length, bytes -> ModelFilesFuzz.check(format, bytes));
    }
  }

  @Test
  void aDamagedConfigurationIsOneOrRefused() throws IOException {
    byte[] weights = ModelFilesFuzz.valid(ModelFormat.HF);
    byte[] valid = ModelFilesFuzz.validConfig();
    damage(valid, valid.length, bytes -> ModelFilesFuzz.checkFolder(bytes, weights));
  }

  private static void damage(byte[] valid, int reach, Check check) throws IOException {
    var random = new SplittableRandom(SEED);
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] damaged = damaged(valid, random, reach);
      try {
        check.of(damaged);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("seed " + SEED + ", mutation " + i, e);
      }
    }
  }

  private static byte[] damaged(byte[] valid, SplittableRandom random, int reach) {
    byte[] bytes = valid.clone();
    int at = random.nextInt(reach);
    switch (random.nextInt(5)) {
      case 0 -> bytes[at] = (byte) random.nextInt();
      case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 8), (byte) (random.nextBoolean() ? 0xFF : 0x7F));
      case 3 -> bytes = Arrays.copyOf(bytes, at);
      default -> {
        int count = Math.min(random.nextInt(1, 9), bytes.length - at);
        System.arraycopy(valid, at, bytes, Math.max(0, at - count), count);
      }
    }
    return bytes;
  }
}
