package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;
import org.gatun.cpu.Gemm.Matrix;

/**
 * The inner loops of {@link Gemm}: micro-kernels that multiply packed panels, and the re-ordering
 * of elements into panels.
 *
 * <p>A micro-kernel reads and writes {@code float[]} alone, and that once at its end: C2 keeps the accumulators of such a method in registers, while accesses to a MemorySegment within the
 * same method exhaust its inlining budget and box every vector, which costs a factor of 100.
 */
final class GemmKernels {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /**
   * Rows of the large tile. Lanes of 512 bits come with 32 registers: 8 x 2 accumulators leave room for
   * what is multiplied. With 256 bits there are 16 registers: 6 x 2 accumulators, two vectors of B and
   * one number of A. The wider the tile, the fewer loads a multiplication; where two threads share a
   * core that counts more than the number of multiplications in flight.
   */
  static final int TILE_ROWS = LANES >= 16 ? 8 : LANES == 8 ? 6 : 4;

  /** Rows of the small tile, which takes the rows that do not fill a large one. */
  static final int FEW_ROWS = 4;

  /** Columns of every tile: two vectors, or four of 128 bits. */
  static final int TILE_COLUMNS = LANES >= 8 ? 2 * LANES : 4 * LANES;

  /** Elements of a row that go to a panel at a time, so that this part stays in the first-level cache. */
  private static final int STRIP = 128;

  private static final VectorSpecies<Float> QUAD = FloatVector.SPECIES_128;
  private static final VectorShuffle<Float> SWAP_NEIGHBOURS = VectorShuffle.fromValues(QUAD, 1, 0, 3, 2);
  private static final VectorShuffle<Float> SWAP_HALVES = VectorShuffle.fromValues(QUAD, 2, 3, 0, 1);
  private static final VectorMask<Float> EVEN = VectorMask.fromValues(QUAD, true, false, true, false);
  private static final VectorMask<Float> ODD = VectorMask.fromValues(QUAD, false, true, false, true);
  private static final VectorMask<Float> LOW = VectorMask.fromValues(QUAD, true, true, false, false);
  private static final VectorMask<Float> HIGH = VectorMask.fromValues(QUAD, false, false, true, true);

  private GemmKernels() {}

  /**
   * Writes the product of the panels a [depth, rows] and b [depth, TILE_COLUMNS] to rows of c that are
   * {@code stride} apart. Each element is one chain of fused multiply-adds in the order of depth,
   * whichever kernel runs.
   */
  static void multiply(
      int rows, int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    if (LANES < 8) {
      multiply4x4(depth, a, aAt, b, bAt, c, cAt, stride);
    } else if (rows == FEW_ROWS) {
      multiply4x2(depth, a, aAt, b, bAt, c, cAt, stride);
    } else if (LANES == 8) {
      multiply6x2(depth, a, aAt, b, bAt, c, cAt, stride);
    } else {
      multiply8x2(depth, a, aAt, b, bAt, c, cAt, stride);
    }
  }

  private static void multiply4x2(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    FloatVector c00 = FloatVector.zero(SPECIES);
    FloatVector c01 = FloatVector.zero(SPECIES);
    FloatVector c10 = FloatVector.zero(SPECIES);
    FloatVector c11 = FloatVector.zero(SPECIES);
    FloatVector c20 = FloatVector.zero(SPECIES);
    FloatVector c21 = FloatVector.zero(SPECIES);
    FloatVector c30 = FloatVector.zero(SPECIES);
    FloatVector c31 = FloatVector.zero(SPECIES);
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
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    FloatVector c00 = FloatVector.zero(SPECIES);
    FloatVector c01 = FloatVector.zero(SPECIES);
    FloatVector c02 = FloatVector.zero(SPECIES);
    FloatVector c03 = FloatVector.zero(SPECIES);
    FloatVector c10 = FloatVector.zero(SPECIES);
    FloatVector c11 = FloatVector.zero(SPECIES);
    FloatVector c12 = FloatVector.zero(SPECIES);
    FloatVector c13 = FloatVector.zero(SPECIES);
    FloatVector c20 = FloatVector.zero(SPECIES);
    FloatVector c21 = FloatVector.zero(SPECIES);
    FloatVector c22 = FloatVector.zero(SPECIES);
    FloatVector c23 = FloatVector.zero(SPECIES);
    FloatVector c30 = FloatVector.zero(SPECIES);
    FloatVector c31 = FloatVector.zero(SPECIES);
    FloatVector c32 = FloatVector.zero(SPECIES);
    FloatVector c33 = FloatVector.zero(SPECIES);
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
   */
  private static void multiply6x2(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    int heldAt = bAt;
    FloatVector held0 = FloatVector.fromArray(SPECIES, b, heldAt);
    FloatVector held1 = FloatVector.fromArray(SPECIES, b, heldAt + LANES);
    FloatVector c00 = FloatVector.zero(SPECIES);
    FloatVector c01 = FloatVector.zero(SPECIES);
    FloatVector c10 = FloatVector.zero(SPECIES);
    FloatVector c11 = FloatVector.zero(SPECIES);
    FloatVector c20 = FloatVector.zero(SPECIES);
    FloatVector c21 = FloatVector.zero(SPECIES);
    FloatVector c30 = FloatVector.zero(SPECIES);
    FloatVector c31 = FloatVector.zero(SPECIES);
    FloatVector c40 = FloatVector.zero(SPECIES);
    FloatVector c41 = FloatVector.zero(SPECIES);
    FloatVector c50 = FloatVector.zero(SPECIES);
    FloatVector c51 = FloatVector.zero(SPECIES);
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

  private static void multiply8x2(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    FloatVector c00 = FloatVector.zero(SPECIES);
    FloatVector c01 = FloatVector.zero(SPECIES);
    FloatVector c10 = FloatVector.zero(SPECIES);
    FloatVector c11 = FloatVector.zero(SPECIES);
    FloatVector c20 = FloatVector.zero(SPECIES);
    FloatVector c21 = FloatVector.zero(SPECIES);
    FloatVector c30 = FloatVector.zero(SPECIES);
    FloatVector c31 = FloatVector.zero(SPECIES);
    FloatVector c40 = FloatVector.zero(SPECIES);
    FloatVector c41 = FloatVector.zero(SPECIES);
    FloatVector c50 = FloatVector.zero(SPECIES);
    FloatVector c51 = FloatVector.zero(SPECIES);
    FloatVector c60 = FloatVector.zero(SPECIES);
    FloatVector c61 = FloatVector.zero(SPECIES);
    FloatVector c70 = FloatVector.zero(SPECIES);
    FloatVector c71 = FloatVector.zero(SPECIES);
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
      FloatVector a6 = FloatVector.broadcast(SPECIES, a[aAt + 6]);
      c60 = b0.fma(a6, c60);
      c61 = b1.fma(a6, c61);
      FloatVector a7 = FloatVector.broadcast(SPECIES, a[aAt + 7]);
      c70 = b0.fma(a7, c70);
      c71 = b1.fma(a7, c71);
      aAt += 8;
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
    cAt += stride;
    c60.intoArray(c, cAt);
    c61.intoArray(c, cAt + LANES);
    cAt += stride;
    c70.intoArray(c, cAt);
    c71.intoArray(c, cAt + LANES);
  }

  /** Packs F32 x into panels [columns of x, width], the last one filled up with zeros. */
  static void pack(Matrix x, int width, float[] packed, int at) {
    if (x.columnStride() == 1) {
      for (int row = 0; row < x.rows(); row += width) {
        packRows(x, row, width, packed, at + row * x.columns());
      }
    } else {
      packColumns(x, width, packed, at);
    }
  }

  /** One panel from rows whose elements are neighbours: a transposition. */
  private static void packRows(Matrix x, int row, int width, float[] panel, int at) {
    long rowBytes = x.rowStride() * Float.BYTES;
    for (int k = 0; k < x.columns(); k += STRIP) {
      int n = Math.min(STRIP, x.columns() - k);
      for (int quad = 0; quad < quads(width); quad++) {
        int j = quadRow(quad, width);
        int to = at + k * width + j;
        if (row + j + 4 <= x.rows()) {
          long place = x.at(row + j, k) * Float.BYTES;
          interleave4(x.bytes(), place, rowBytes, n, panel, to, width);
        } else {
          packSingly(x, row + j, k, n, panel, to, width);
        }
      }
    }
  }

  /** All panels from rows that are neighbours of each other; the last panels by four rows at a time. */
  private static void packColumns(Matrix x, int width, float[] packed, int at) {
    int n = x.columns();
    int row = 0;
    for (; n > 0 && row + Math.max(width, LANES) <= x.rows(); row += width) {
      for (int j = 0; j < width; j += 2 * LANES) {
        copyColumns(x, row + j, width - j, packed, at + row * n + j, width);
      }
    }
    int quads = ceilDiv(x.rows(), width) * quads(width);
    for (int quad = row / width * quads(width); quad < quads; quad++) {
      int first = quadRow(quad, width);
      int to = at + placeInPanels(first, n, width);
      if (first + 4 <= x.rows()) {
        copyQuads(x.bytes(), x.at(first, 0) * Float.BYTES, x.columnStride() * Float.BYTES, n, packed, to,
            width);
      } else {
        packSingly(x, first, 0, n, packed, to, width);
      }
    }
  }

  /** Copies {@code rows} rows, or as many as two vectors hold. */
  private static void copyColumns(Matrix x, int row, int rows, float[] packed, int to, int width) {
    long place = x.at(row, 0) * Float.BYTES;
    long step = x.columnStride() * Float.BYTES;
    int n = x.columns();
    if (rows >= 2 * LANES) {
      copyPairs(x.bytes(), place, step, n, packed, to, width);
      return;
    }
    // A vector may be longer than the panel is wide: what it writes beyond is overwritten by the next one, and the last
    // is written singly, for there a neighbour may be at work.
    copyVectors(x.bytes(), place, step, n - 1, packed, to, width);
    for (int j = 0; j < rows; j++) {
      packed[to + (n - 1) * width + j] = x.bytes().get(JAVA_FLOAT, x.at(row + j, n - 1) * Float.BYTES);
    }
  }

  /** Copies n times four elements that lie {@code step} bytes apart. */
  private static void copyQuads(MemorySegment x, long place, long step, int n, float[] packed, int to, int width) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(QUAD, x, place, ORDER).intoArray(packed, to);
      place += step;
      to += width;
    }
  }

  /** Copies n vectors that lie {@code step} bytes apart. */
  private static void copyVectors(MemorySegment x, long place, long step, int n, float[] packed, int to, int width) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(SPECIES, x, place, ORDER).intoArray(packed, to);
      place += step;
      to += width;
    }
  }

  /** Copies n pairs of vectors that lie {@code step} bytes apart. */
  private static void copyPairs(MemorySegment x, long place, long step, int n, float[] packed, int to, int width) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(SPECIES, x, place, ORDER).intoArray(packed, to);
      FloatVector.fromMemorySegment(SPECIES, x, place + LANES * Float.BYTES, ORDER).intoArray(packed, to + LANES);
      place += step;
      to += width;
    }
  }

  /** How many times four rows make a panel of {@code width} rows, where needed with some of them twice. */
  private static int quads(int width) {
    return ceilDiv(width, 4);
  }

  /** The first of the four rows that bear the number {@code quad}, counted through all panels. */
  private static int quadRow(int quad, int width) {
    int panel = quad / quads(width);
    return panel * width + Math.min(quad % quads(width) * 4, width - 4);
  }

  private static int ceilDiv(int a, int b) {
    return -Math.floorDiv(-a, b);
  }

  /** Four rows of a panel, element by element, with zeros for rows that x does not have. */
  private static void packSingly(
      Matrix x, int row, int k, int n, float[] panel, int to, int width) {
    for (int j = 0; j < 4; j++) {
      for (int i = 0; i < n; i++) {
        boolean inside = row + j < x.rows();
        panel[to + i * width + j] =
            inside ? x.bytes().get(JAVA_FLOAT, x.at(row + j, k + i) * Float.BYTES) : 0f;
      }
    }
  }

  /**
   * Interleaves four rows of F32 that lie {@code rowBytes} apart: panel[to + i · width + j] = row j's
   * element i, for i in [0, n). Blocks of 4 x 4 are transposed in registers of 128 bits, which every
   * machine has.
   */
  private static void interleave4(
      MemorySegment x, long place, long rowBytes, int n, float[] panel, int to, int width) {
    int i = 0;
    for (; i + 4 <= n; i += 4) {
      FloatVector r0 = FloatVector.fromMemorySegment(QUAD, x, place, ORDER);
      FloatVector r1 = FloatVector.fromMemorySegment(QUAD, x, place + rowBytes, ORDER);
      FloatVector r2 = FloatVector.fromMemorySegment(QUAD, x, place + 2 * rowBytes, ORDER);
      FloatVector r3 = FloatVector.fromMemorySegment(QUAD, x, place + 3 * rowBytes, ORDER);
      FloatVector even01 = r0.blend(r1.rearrange(SWAP_NEIGHBOURS), ODD);
      FloatVector odd01 = r1.blend(r0.rearrange(SWAP_NEIGHBOURS), EVEN);
      FloatVector even23 = r2.blend(r3.rearrange(SWAP_NEIGHBOURS), ODD);
      FloatVector odd23 = r3.blend(r2.rearrange(SWAP_NEIGHBOURS), EVEN);
      even01.blend(even23.rearrange(SWAP_HALVES), HIGH).intoArray(panel, to);
      odd01.blend(odd23.rearrange(SWAP_HALVES), HIGH).intoArray(panel, to + width);
      even23.blend(even01.rearrange(SWAP_HALVES), LOW).intoArray(panel, to + 2 * width);
      odd23.blend(odd01.rearrange(SWAP_HALVES), LOW).intoArray(panel, to + 3 * width);
      place += 4 * Float.BYTES;
      to += 4 * width;
    }
    for (; i < n; i++) {
      for (int j = 0; j < 4; j++) {
        panel[to + j] = x.get(JAVA_FLOAT, place + j * rowBytes);
      }
      place += Float.BYTES;
      to += width;
    }
  }

  /** Where the first element of a row is in panels [depth, width]. */
  private static int placeInPanels(int row, int depth, int width) {
    return row / width * width * depth + row % width;
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
