package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The inner loops of {@link Gemm}: micro-kernels that multiply packed panels, and products with few rows.
 *
 * <p>A micro-kernel reads and writes {@code float[]} alone: C2 keeps the accumulators of such a method in
 * registers, while accesses to a MemorySegment within the same method exhaust its inlining budget and box
 * every vector, which costs a factor of 100.
 */
final class GemmKernels {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /**
   * Rows of the large tile. The wider a tile, the fewer loads a multiplication; where two threads share
   * a core that counts more than the number of multiplications in flight. With 256 bits there are 16
   * registers: 6 x 2 accumulators, two vectors of B and one number of A. Other lanes come with 32.
   */
  static final int TILE_ROWS = LANES == 8 ? 6 : 4;

  /** Rows of the small tile, which takes the rows that do not fill a large one. */
  static final int FEW_ROWS = 4;

  /** Columns of every tile: four vectors, or two of 256 bits. */
  static final int TILE_COLUMNS = LANES == 8 ? 2 * LANES : 4 * LANES;

  private GemmKernels() {}

  /**
   * Adds the product of the panels a [depth, rows] and b [depth, TILE_COLUMNS] to rows that are
   * {@code fromStride} apart, and writes them to rows of c, {@code stride} apart. Each element is one
   * chain of fused multiply-adds in the order of depth, whichever kernel runs.
   */
  static void multiply(
      int rows, int depth, float[] a, int aAt, float[] b, int bAt, float[] from, int fromAt, int fromStride,
      float[] c, int cAt, int stride) {
    if (LANES == 8) {
      if (rows == TILE_ROWS) {
        multiply6x2(depth, a, aAt, b, bAt, from, fromAt, fromStride, c, cAt, stride);
      } else {
        multiply4x2(depth, a, aAt, b, bAt, from, fromAt, fromStride, c, cAt, stride);
      }
    } else {
      multiply4x4(depth, a, aAt, b, bAt, from, fromAt, fromStride, c, cAt, stride);
    }
  }

  private static void multiply4x2(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] from, int fromAt, int fromStride,
      float[] c, int cAt, int stride) {
    FloatVector c00 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c01 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c10 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c11 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c20 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c21 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c30 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c31 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(SPECIES, b, bAt);
      FloatVector b1 = FloatVector.fromArray(SPECIES, b, bAt + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[aAt]);
      c00 = b0.fma(a0, c00);
      c01 = b1.fma(a0, c01);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[aAt + 1]);
      c10 = b0.fma(a1, c10);
      c11 = b1.fma(a1, c11);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[aAt + 2]);
      c20 = b0.fma(a2, c20);
      c21 = b1.fma(a2, c21);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[aAt + 3]);
      c30 = b0.fma(a3, c30);
      c31 = b1.fma(a3, c31);
      aAt += 4;
      bAt += 2 * LANES;
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    cAt += stride;
    c10.intoArray(c, cAt);
    c11.intoArray(c, cAt + LANES);
    cAt += stride;
    c20.intoArray(c, cAt);
    c21.intoArray(c, cAt + LANES);
    cAt += stride;
    c30.intoArray(c, cAt);
    c31.intoArray(c, cAt + LANES);
  }

  private static void multiply4x4(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] from, int fromAt, int fromStride,
      float[] c, int cAt, int stride) {
    FloatVector c00 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c01 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    FloatVector c02 = FloatVector.fromArray(SPECIES, from, fromAt + 2 * LANES);
    FloatVector c03 = FloatVector.fromArray(SPECIES, from, fromAt + 3 * LANES);
    fromAt += fromStride;
    FloatVector c10 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c11 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    FloatVector c12 = FloatVector.fromArray(SPECIES, from, fromAt + 2 * LANES);
    FloatVector c13 = FloatVector.fromArray(SPECIES, from, fromAt + 3 * LANES);
    fromAt += fromStride;
    FloatVector c20 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c21 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    FloatVector c22 = FloatVector.fromArray(SPECIES, from, fromAt + 2 * LANES);
    FloatVector c23 = FloatVector.fromArray(SPECIES, from, fromAt + 3 * LANES);
    fromAt += fromStride;
    FloatVector c30 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c31 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    FloatVector c32 = FloatVector.fromArray(SPECIES, from, fromAt + 2 * LANES);
    FloatVector c33 = FloatVector.fromArray(SPECIES, from, fromAt + 3 * LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(SPECIES, b, bAt);
      FloatVector b1 = FloatVector.fromArray(SPECIES, b, bAt + LANES);
      FloatVector b2 = FloatVector.fromArray(SPECIES, b, bAt + 2 * LANES);
      FloatVector b3 = FloatVector.fromArray(SPECIES, b, bAt + 3 * LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[aAt]);
      c00 = b0.fma(a0, c00);
      c01 = b1.fma(a0, c01);
      c02 = b2.fma(a0, c02);
      c03 = b3.fma(a0, c03);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[aAt + 1]);
      c10 = b0.fma(a1, c10);
      c11 = b1.fma(a1, c11);
      c12 = b2.fma(a1, c12);
      c13 = b3.fma(a1, c13);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[aAt + 2]);
      c20 = b0.fma(a2, c20);
      c21 = b1.fma(a2, c21);
      c22 = b2.fma(a2, c22);
      c23 = b3.fma(a2, c23);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[aAt + 3]);
      c30 = b0.fma(a3, c30);
      c31 = b1.fma(a3, c31);
      c32 = b2.fma(a3, c32);
      c33 = b3.fma(a3, c33);
      aAt += 4;
      bAt += 4 * LANES;
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    c02.intoArray(c, cAt + 2 * LANES);
    c03.intoArray(c, cAt + 3 * LANES);
    cAt += stride;
    c10.intoArray(c, cAt);
    c11.intoArray(c, cAt + LANES);
    c12.intoArray(c, cAt + 2 * LANES);
    c13.intoArray(c, cAt + 3 * LANES);
    cAt += stride;
    c20.intoArray(c, cAt);
    c21.intoArray(c, cAt + LANES);
    c22.intoArray(c, cAt + 2 * LANES);
    c23.intoArray(c, cAt + 3 * LANES);
    cAt += stride;
    c30.intoArray(c, cAt);
    c31.intoArray(c, cAt + LANES);
    c32.intoArray(c, cAt + 2 * LANES);
    c33.intoArray(c, cAt + 3 * LANES);
  }

  /**
   * The tile for 16 registers. C2 puts the loads of a loop before its multiplications for as long as it
   * believes that registers suffice; here it would load six numbers of A at once and keep three
   * accumulators in memory. It believes otherwise when more vectors are alive: so two of B are read
   * before the loop and written back, unchanged, after it. They wait in memory, and the accumulators
   * do not. (Two: with one or three the accumulators go to memory again under one collector or another.)
   * The panel b must be this thread's own, then.
   */
  private static void multiply6x2(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] from, int fromAt, int fromStride,
      float[] c, int cAt, int stride) {
    int heldAt = bAt;
    FloatVector held0 = FloatVector.fromArray(SPECIES, b, heldAt);
    FloatVector held1 = FloatVector.fromArray(SPECIES, b, heldAt + LANES);
    FloatVector c00 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c01 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c10 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c11 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c20 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c21 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c30 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c31 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c40 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c41 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    fromAt += fromStride;
    FloatVector c50 = FloatVector.fromArray(SPECIES, from, fromAt);
    FloatVector c51 = FloatVector.fromArray(SPECIES, from, fromAt + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(SPECIES, b, bAt);
      FloatVector b1 = FloatVector.fromArray(SPECIES, b, bAt + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[aAt]);
      c00 = b0.fma(a0, c00);
      c01 = b1.fma(a0, c01);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[aAt + 1]);
      c10 = b0.fma(a1, c10);
      c11 = b1.fma(a1, c11);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[aAt + 2]);
      c20 = b0.fma(a2, c20);
      c21 = b1.fma(a2, c21);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[aAt + 3]);
      c30 = b0.fma(a3, c30);
      c31 = b1.fma(a3, c31);
      FloatVector a4 = FloatVector.broadcast(SPECIES, a[aAt + 4]);
      c40 = b0.fma(a4, c40);
      c41 = b1.fma(a4, c41);
      FloatVector a5 = FloatVector.broadcast(SPECIES, a[aAt + 5]);
      c50 = b0.fma(a5, c50);
      c51 = b1.fma(a5, c51);
      aAt += 6;
      bAt += 2 * LANES;
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    cAt += stride;
    c10.intoArray(c, cAt);
    c11.intoArray(c, cAt + LANES);
    cAt += stride;
    c20.intoArray(c, cAt);
    c21.intoArray(c, cAt + LANES);
    cAt += stride;
    c30.intoArray(c, cAt);
    c31.intoArray(c, cAt + LANES);
    cAt += stride;
    c40.intoArray(c, cAt);
    c41.intoArray(c, cAt + LANES);
    cAt += stride;
    c50.intoArray(c, cAt);
    c51.intoArray(c, cAt + LANES);
    held0.intoArray(b, heldAt);
    held1.intoArray(b, heldAt + LANES);
  }

  /** Brings rows of a tile [rows, TILE_COLUMNS] to rows of c that are {@code rowBytes} apart. */
  static void store(float[] tile, int tileAt, int rows, MemorySegment c, long place, long rowBytes) {
    for (int at = tileAt; at < tileAt + rows * TILE_COLUMNS; at += TILE_COLUMNS) {
      for (int j = 0; j < TILE_COLUMNS; j += LANES) {
        FloatVector.fromArray(SPECIES, tile, at + j).intoMemorySegment(c, place + j * Float.BYTES, ORDER);
      }
      place += rowBytes;
    }
  }

  /** Brings rows of a tile, with a bias added to each, to rows of c. */
  static void storeBiased(
      float[] tile, int tileAt, int rows, float[] bias, int biasAt, MemorySegment c, long place, long rowBytes) {
    for (int at = tileAt; at < tileAt + rows * TILE_COLUMNS; at += TILE_COLUMNS) {
      for (int j = 0; j < TILE_COLUMNS; j += LANES) {
        FloatVector sum =
            FloatVector.fromArray(SPECIES, tile, at + j).add(FloatVector.fromArray(SPECIES, bias, biasAt + j));
        sum.intoMemorySegment(c, place + j * Float.BYTES, ORDER);
      }
      place += rowBytes;
    }
  }

  /** Adds rows of a tile to rows of c. */
  static void storeAdded(float[] tile, int tileAt, int rows, MemorySegment c, long place, long rowBytes) {
    for (int at = tileAt; at < tileAt + rows * TILE_COLUMNS; at += TILE_COLUMNS) {
      for (int j = 0; j < TILE_COLUMNS; j += LANES) {
        FloatVector old = FloatVector.fromMemorySegment(SPECIES, c, place + j * Float.BYTES, ORDER);
        old.add(FloatVector.fromArray(SPECIES, tile, at + j)).intoMemorySegment(c, place + j * Float.BYTES, ORDER);
      }
      place += rowBytes;
    }
  }

  /**
   * sums[to + j] = Σ_i x[at + i] · w[j, i] for four rows of F32 that lie {@code rowBytes} apart. Reads
   * each weight once, where it is: at so few flops a byte, packing would cost more than the product.
   */
  static void dot4(
      float[] x, int at, int n, MemorySegment w, long place, long rowBytes, float[] sums, int to) {
    FloatVector s0 = FloatVector.zero(SPECIES);
    FloatVector s1 = FloatVector.zero(SPECIES);
    FloatVector s2 = FloatVector.zero(SPECIES);
    FloatVector s3 = FloatVector.zero(SPECIES);
    int whole = SPECIES.loopBound(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, x, at + i);
      long p = place + (long) i * Float.BYTES;
      s0 = FloatVector.fromMemorySegment(SPECIES, w, p, ORDER).fma(v, s0);
      s1 = FloatVector.fromMemorySegment(SPECIES, w, p + rowBytes, ORDER).fma(v, s1);
      s2 = FloatVector.fromMemorySegment(SPECIES, w, p + 2 * rowBytes, ORDER).fma(v, s2);
      s3 = FloatVector.fromMemorySegment(SPECIES, w, p + 3 * rowBytes, ORDER).fma(v, s3);
    }
    sums[to] = Lanes.sum(s0) + dot(x, at, whole, n, w, place);
    sums[to + 1] = Lanes.sum(s1) + dot(x, at, whole, n, w, place + rowBytes);
    sums[to + 2] = Lanes.sum(s2) + dot(x, at, whole, n, w, place + 2 * rowBytes);
    sums[to + 3] = Lanes.sum(s3) + dot(x, at, whole, n, w, place + 3 * rowBytes);
  }

  /** Σ_i x[at + i] · w[i] for i in [from, n), one after the other. */
  static float dot(float[] x, int at, int from, int n, MemorySegment w, long place) {
    float sum = 0;
    for (int i = from; i < n; i++) {
      sum = Math.fma(w.get(JAVA_FLOAT, place + (long) i * Float.BYTES), x[at + i], sum);
    }
    return sum;
  }
}
