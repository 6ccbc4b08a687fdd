package org.gatun.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** Four vectors of four floats, transposed in registers: of 128 bits, which every machine has. */
final class Quads {
  static final VectorSpecies<Float> QUAD = FloatVector.SPECIES_128;

  private static final VectorShuffle<Float> SWAP_NEIGHBOURS = VectorShuffle.fromValues(QUAD, 1, 0, 3, 2);
  private static final VectorShuffle<Float> SWAP_HALVES = VectorShuffle.fromValues(QUAD, 2, 3, 0, 1);
  private static final VectorMask<Float> EVEN = VectorMask.fromValues(QUAD, true, false, true, false);
  private static final VectorMask<Float> ODD = VectorMask.fromValues(QUAD, false, true, false, true);
  private static final VectorMask<Float> LOW = VectorMask.fromValues(QUAD, true, true, false, false);
  private static final VectorMask<Float> HIGH = VectorMask.fromValues(QUAD, false, false, true, true);

  private Quads() {}

  /** Transposes 4 x 4 floats: into[at + j · step + i] = element j of row i, for i and j in [0, 4). */
  static void storeColumns(
      FloatVector r0, FloatVector r1, FloatVector r2, FloatVector r3, float[] into, int at, int step) {
    FloatVector even01 = r0.blend(r1.rearrange(SWAP_NEIGHBOURS), ODD);
    FloatVector odd01 = r1.blend(r0.rearrange(SWAP_NEIGHBOURS), EVEN);
    FloatVector even23 = r2.blend(r3.rearrange(SWAP_NEIGHBOURS), ODD);
    FloatVector odd23 = r3.blend(r2.rearrange(SWAP_NEIGHBOURS), EVEN);
    even01.blend(even23.rearrange(SWAP_HALVES), HIGH).intoArray(into, at);
    odd01.blend(odd23.rearrange(SWAP_HALVES), HIGH).intoArray(into, at + step);
    even23.blend(even01.rearrange(SWAP_HALVES), LOW).intoArray(into, at + 2 * step);
    odd23.blend(odd01.rearrange(SWAP_HALVES), LOW).intoArray(into, at + 3 * step);
  }
}
