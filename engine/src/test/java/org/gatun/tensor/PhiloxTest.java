package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.HashSet;
import org.gatun.proof.Oracle;
import org.junit.jupiter.api.Test;

/** The generator gives the published numbers, and distributions made from it have their shape. */
class PhiloxTest {
  /** Philox4x32-10 as the paper defines it, with every product in big integers. */
  private static int[] block(int[] counter, int[] key) {
    int[] c = counter.clone();
    int[] k = key.clone();
    for (int round = 0; round < 10; round++) {
      BigInteger p0 = unsigned(0xD2511F53).multiply(unsigned(c[0]));
      BigInteger p1 = unsigned(0xCD9E8D57).multiply(unsigned(c[2]));
      c = new int[]{
        p1.shiftRight(32).intValue() ^ c[1] ^ k[0], p1.intValue(),
        p0.shiftRight(32).intValue() ^ c[3] ^ k[1], p0.intValue()};
      k = new int[]{k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
    }
    return c;
  }

  private static BigInteger unsigned(int bits) {
    return BigInteger.valueOf(Integer.toUnsignedLong(bits));
  }

  @Test
  void definitionGivesKnownAnswers() {
    // Random123, tests/kat_vectors, philox4x32 10.
    assertArrayEquals(new int[]{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, block(new int[4], new int[2]));
    assertArrayEquals(new int[]{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        block(new int[]{-1, -1, -1, -1}, new int[]{-1, -1}));
    assertArrayEquals(new int[]{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
        block(new int[]{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, new int[]{0xa4093822, 0x299f31d0}));
  }

  @Test
  void bitsFollowTheDefinition() {
    long[] seeds = {0, 1, -1, 42, 0x0123456789abcdefL, Long.MIN_VALUE};
    long[] positions = {0, 1, 2, 3, 4, 17, (1L << 34) - 1, 1L << 34, (1L << 40) + 5, Long.MAX_VALUE};
    for (long seed : seeds) {
      for (long position : positions) {
        long counter = position >>> 2;
        int[] expected =
            block(new int[]{(int) counter, (int) (counter >>> 32), 0, 0}, new int[]{(int) seed, (int) (seed >>> 32)});
        assertEquals(expected[(int) (position & 3)], Philox.bits(seed, position), seed + " at " + position);
      }
    }
  }

  @Test
  void uniformNumbersFillTheUnitInterval() {
    int n = 100_000;
    var bins = new int[10];
    double sum = 0;
    for (int i = 0; i < n; i++) {
      float u = Philox.uniform(7, i);
      assertTrue(u >= 0 && u < 1);
      bins[(int) (u * 10)]++;
      sum += u;
    }
    // Six standard deviations.
    assertEquals(0.5, sum / n, 6 * Math.sqrt(1.0 / 12 / n));
    for (int bin : bins) {
      assertEquals(0.1, (double) bin / n, 6 * Math.sqrt(0.09 / n));
    }
  }

  @Test
  void normalNumbersAreQuantiles() {
    // Of Φ(z) = p; the step of Newton's method from z to the exact quantile is z's error.
    for (int i = 0; i < 20_000; i++) {
      double p = ((Philox.bits(5, i) & 0xFFFFFFFFL) + 0.5) * 0x1p-32;
      double z = Philox.normal(5, i);
      double distribution = 0.5 * (1 + Oracle.erf(z / Math.sqrt(2)));
      double density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
      // AS 241's relative error of 1e-7, and the rounding to a float.
      assertEquals(0, (distribution - p) / density, 3e-7 * Math.max(Math.abs(z), 0.01), "p = " + p);
    }
  }

  @Test
  void normalNumbersHaveTheirMoments() {
    int n = 100_000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < n; i++) {
      double z = Philox.normal(11, i);
      sum += z;
      squares += z * z;
    }
    assertEquals(0, sum / n, 6 / Math.sqrt(n));
    assertEquals(1, squares / n, 6 * Math.sqrt(2.0 / n));
  }

  @Test
  void derivedSeedsDiffer() {
    var seeds = new HashSet<Long>();
    for (int stream = 0; stream < 10_000; stream++) {
      assertTrue(seeds.add(Philox.derive(3, stream)), "stream " + stream);
    }
    assertNotEquals(Philox.derive(1, 0), Philox.derive(2, 0));
    assertEquals(Philox.derive(1, 9), Philox.derive(1, 9));
  }
}
