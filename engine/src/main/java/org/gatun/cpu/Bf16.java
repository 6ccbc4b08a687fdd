package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.gatun.cpu.Lanes.SPECIES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The upper half of a float: widened by a shift, narrowed to the nearest, ties to even. */
final class Bf16 {
  private static final int LANES = SPECIES.length();
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private Bf16() {}

  /** The float a BF16's bits stand for. */
  static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** The bits of the nearest BF16, ties to even; NaN stays NaN. */
  static short of(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (value != value) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
  }

  /** Reads n elements as floats. */
  static void load(float[] into, int at, MemorySegment source, long element, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      widen(source, element + i).intoArray(into, at + i);
    }
    for (; i < n; i++) {
      into[at + i] = toFloat(source.getAtIndex(JAVA_SHORT, element + i));
    }
  }

  /** Writes n floats. */
  static void store(MemorySegment target, long element, float[] from, int at, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      narrow(target, element + i, FloatVector.fromArray(SPECIES, from, at + i));
    }
    for (; i < n; i++) {
      target.setAtIndex(JAVA_SHORT, element + i, of(from[at + i]));
    }
  }

  /** Adds n floats; the sum is formed in F32. */
  static void add(MemorySegment target, long element, float[] from, int at, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      var sum = widen(target, element + i).add(FloatVector.fromArray(SPECIES, from, at + i));
      narrow(target, element + i, sum);
    }
    for (; i < n; i++) {
      float old = toFloat(target.getAtIndex(JAVA_SHORT, element + i));
      target.setAtIndex(JAVA_SHORT, element + i, of(old + from[at + i]));
    }
  }

  private static FloatVector widen(MemorySegment source, long element) {
    var bits =
        (IntVector) ShortVector.fromMemorySegment(SHORTS, source, element * Short.BYTES, ORDER)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
    return bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  private static void narrow(MemorySegment target, long element, FloatVector value) {
    IntVector bits = value.reinterpretAsInts();
    IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
    IntVector rounded =
        bits.add(0x7FFF)
            .add(odd)
            .blend(bits.or(0x400000), value.compare(VectorOperators.NE, value).cast(INTS))
            .lanewise(VectorOperators.LSHR, 16);
    ((ShortVector) rounded.convertShape(VectorOperators.I2S, SHORTS, 0))
        .intoMemorySegment(target, element * Short.BYTES, ORDER);
  }
}
