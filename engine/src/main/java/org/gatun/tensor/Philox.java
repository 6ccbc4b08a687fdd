package org.gatun.tensor;

/**
 * Philox4x32-10, a counter-based random generator (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", 2011). A number depends on a seed and a position alone, so any thread on any device
 * finds the same one without having made those before it.
 */
public final class Philox {
  private static final int M0 = 0xD2511F53;
  private static final int M1 = 0xCD9E8D57;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;

  private Philox() {}

  /** The random 32 bits at a position of the stream of a seed. */
  public static int bits(long seed, long position) {
    long block = position >>> 2;
    int c0 = (int) block;
    int c1 = (int) (block >>> 32);
    int c2 = 0;
    int c3 = 0;
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < 10; round++) {
      long p0 = (M0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
      long p1 = (M1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
      c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      c1 = (int) p1;
      c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c3 = (int) p0;
      k0 += W0;
      k1 += W1;
    }
    return switch ((int) position & 3) {
      case 0 -> c0;
      case 1 -> c1;
      case 2 -> c2;
      default -> c3;
    };
  }

  /** A number in [0, 1), a multiple of 2⁻²⁴. */
  public static float uniform(long seed, long position) {
    return (bits(seed, position) >>> 8) * 0x1p-24f;
  }

  /**
   * A number of the standard normal distribution: the quantile function at a uniform number, by
   * Wichura's algorithm AS 241 (PPND7, relative error 1e-7). Plain double arithmetic and {@link
   * StrictMath} make it the same on every platform.
   */
  public static float normal(long seed, long position) {
    double p = ((bits(seed, position) & 0xFFFFFFFFL) + 0.5) * 0x1p-32;
    double q = p - 0.5;
    if (Math.abs(q) <= 0.425) {
      double r = 0.180625 - q * q;
      double above = ((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179;
      double below = ((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1;
      return (float) (q * above / below);
    }
    // Uniform numbers of 32 bits come no closer to 0 than 2⁻³³: the algorithm's farthest tail is out of reach.
    double r = StrictMath.sqrt(-StrictMath.log(Math.min(p, 1 - p))) - 1.6;
    double above = ((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777;
    double tail = above / ((0.12021132975 * r + 0.73700164250) * r + 1);
    return (float) (q < 0 ? -tail : tail);
  }

  /** An independent seed for the stream with this number. */
  public static long derive(long seed, long stream) {
    return (long) bits(seed, 2 * stream) << 32 | bits(~seed, 2 * stream + 1) & 0xFFFFFFFFL;
  }
}
