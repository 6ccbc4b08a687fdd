package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link org.gatun.tensor.Philox#uniform} for neighbouring positions: a block of the generator
 * makes four numbers, and a vector of longs computes as many blocks as it has lanes.
 */
final class UniformNumbers {
  private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
  private static final int BLOCKS = LONGS.length();

  /** Numbers made together; {@link #fill} fills arrays up to a multiple of it. */
  static final int GROUP = 4 * BLOCKS;

  private static final long M0 = 0xD2511F53L;
  private static final long M1 = 0xCD9E8D57L;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;
  private static final long LOW = 0xFFFFFFFFL;

  // Pairs of numbers (0, 1) and (2, 3) of each block, merged into the order of positions.
  private static final VectorShuffle<Long> FIRST_HALF = VectorShuffle.fromOp(LONGS, i -> i / 2);
  private static final VectorShuffle<Long> SECOND_HALF =
      VectorShuffle.fromOp(LONGS, i -> BLOCKS / 2 + i / 2);
  private static final VectorMask<Long> ODD = VectorMask.fromLong(LONGS, 0xAAAA_AAAA_AAAA_AAAAL);

  private UniformNumbers() {}

  /** The numbers of n positions, from one that is a multiple of four on. */
  static void fill(float[] into, long seed, long position, int n) {
    for (int i = 0; i < n; i += GROUP) {
      group(into, i, seed, position + i >>> 2);
    }
  }

  private static void group(float[] into, int at, long seed, long block) {
    LongVector blocks = LongVector.broadcast(LONGS, block).addIndex(1);
    LongVector c0 = blocks.and(LOW);
    LongVector c1 = blocks.lanewise(VectorOperators.LSHR, 32);
    LongVector c2 = LongVector.zero(LONGS);
    LongVector c3 = c2;
    // C2 takes a product of two masked vectors for one of lower halves, which is one instruction.
    LongVector m0 = LongVector.broadcast(LONGS, M0).and(LOW);
    LongVector m1 = LongVector.broadcast(LONGS, M1).and(LOW);
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < 10; round++) {
      LongVector p0 = c0.and(LOW).mul(m0);
      LongVector p1 = c2.and(LOW).mul(m1);
      c0 =
          p1.lanewise(VectorOperators.LSHR, 32)
              .lanewise(VectorOperators.XOR, c1)
              .lanewise(VectorOperators.XOR, k0 & LOW);
      c2 =
          p0.lanewise(VectorOperators.LSHR, 32)
              .lanewise(VectorOperators.XOR, c3)
              .lanewise(VectorOperators.XOR, k1 & LOW);
      c1 = p1;
      c3 = p0;
      k0 += W0;
      k1 += W1;
    }
    LongVector c01 = c0.and(LOW).or(c1.lanewise(VectorOperators.LSHL, 32));
    LongVector c23 = c2.and(LOW).or(c3.lanewise(VectorOperators.LSHL, 32));
    store(into, at, c01.rearrange(FIRST_HALF).blend(c23.rearrange(FIRST_HALF), ODD));
    store(into, at + 2 * BLOCKS, c01.rearrange(SECOND_HALF).blend(c23.rearrange(SECOND_HALF), ODD));
  }

  private static void store(float[] into, int at, LongVector bits) {
    ((FloatVector) bits.reinterpretAsInts()
        .lanewise(VectorOperators.LSHR, 8)
        .convertShape(VectorOperators.I2F, SPECIES, 0))
        .mul(0x1p-24f)
        .intoArray(into, at);
  }
}
