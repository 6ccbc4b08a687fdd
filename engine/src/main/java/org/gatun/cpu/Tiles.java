package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;
import static org.gatun.cpu.Quads.QUAD;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.cpu.X86Loops.Left;

/**
 * Products of tiles: pieces of matrices of up to {@link #SIDE} rows and columns that lie in {@code
 * float[]}, always {@code SIDE} apart from row to row.
 *
 * <p>The fixed distance is what lets the compiler take the bounds checks out of the inner loops.
 * Rows are computed in fours and columns in pairs of vectors; what lies beyond the asked size holds
 * nothing of meaning, in arguments and in results.
 */
final class Tiles {
  private static final int LANES = SPECIES.length();

  /** Columns computed together. */
  static final int STRIP = 2 * LANES;

  /** Rows and columns of a tile. */
  static final int SIDE = Math.max(64, STRIP);

  /** Elements of a tile. */
  static final int AREA = SIDE * SIDE;

  private static final X86Kernels CODE = X86Kernels.orNull();

  private Tiles() {}

  /** How many tiles cover n columns (or rows). */
  static int count(int n) {
    return (n + SIDE - 1) / SIDE;
  }

  /** c[i, j] = row[j] + Σ_k a[i, k] b[k, j]; the products in order of k. */
  static void setProduct(
      float[] c, int cAt, float[] row, int rowAt, float[] a, int aAt, float[] b, int bAt, int rows, int columns,
      int depth) {
    if (CODE != null) {
      multiplyByCode(true, c, cAt, row, rowAt, 0, a, aAt, b, bAt, rows, columns, depth);
      return;
    }
    for (int i = 0; i < rows; i++) {
      System.arraycopy(row, rowAt, c, cAt + i * SIDE, columns);
    }
    addProduct(c, cAt, a, aAt, b, bAt, rows, columns, depth);
  }

  /** c[i, j] += Σ_k a[i, k] b[k, j]; the products in order of k. */
  static void addProduct(
      float[] c, int cAt, float[] a, int aAt, float[] b, int bAt, int rows, int columns,
      int depth) {
    if (CODE != null) {
      multiplyByCode(true, c, cAt, c, cAt, SIDE, a, aAt, b, bAt, rows, columns, depth);
      return;
    }
    for (int j = 0; j < columns; j += STRIP) {
      for (int i = 0; i < rows; i += 4) {
        addFourRows(c, cAt + i * SIDE + j, a, aAt + i * SIDE, b, bAt + j, depth);
      }
    }
  }

  /** c[i, j] += Σ_k a[k, i] b[k, j]; the products in order of k. */
  static void addTransposedProduct(
      float[] c, int cAt, float[] a, int aAt, float[] b, int bAt, int rows, int columns,
      int depth) {
    if (CODE != null) {
      multiplyByCode(false, c, cAt, c, cAt, SIDE, a, aAt, b, bAt, rows, columns, depth);
      return;
    }
    for (int j = 0; j < columns; j += STRIP) {
      for (int i = 0; i < rows; i += 4) {
        addFourColumns(c, cAt + i * SIDE + j, a, aAt + i, b, bAt + j, depth);
      }
    }
  }

  /** By machine code, which sums first and then adds rows that lie so far apart. */
  private static void multiplyByCode(
      boolean byRows, float[] c, int cAt, float[] added, int addedAt, int distance, float[] a, int aAt, float[] b,
      int bAt,
      int rows, int columns, int depth) {
    int large = rows / X86Kernels.TILE_ROWS;
    int first = large * X86Kernels.TILE_ROWS;
    Left left = byRows ? Left.ROWS : Left.COLUMNS;
    for (int j = 0; j < columns; j += STRIP) {
      Rows right = Rows.of(b, bAt + j, SIDE);
      if (large > 0) {
        Rows to = Rows.of(c, cAt + j, SIDE);
        Rows addend = Rows.of(added, addedAt + j, distance);
        CODE.strip(X86Kernels.TILE_ROWS, left)
            .multiply(large, depth, Rows.of(a, aAt, SIDE), right, to, addend);
      }
      if (first < rows) {
        Rows to = Rows.of(c, cAt + first * SIDE + j, SIDE);
        Rows addend = Rows.of(added, addedAt + first * distance + j, distance);
        CODE.strip(rows - first, left)
            .multiply(1, depth, Rows.of(a, aAt + (byRows ? first * SIDE : first), SIDE), right, to, addend);
      }
    }
  }

  // Eight sums are the fewest that hide the latency of fma on two ports. 5x2 is as fast but does
  // not divide a tile; 4x3, and 6x2 on columns of a, run at half the rate (Zen 3, 16 registers).
  private static void addFourRows(
      float[] c, int cAt, float[] a, int aAt, float[] b, int bAt, int depth) {
    FloatVector c00 = FloatVector.fromArray(SPECIES, c, cAt);
    FloatVector c01 = FloatVector.fromArray(SPECIES, c, cAt + LANES);
    FloatVector c10 = FloatVector.fromArray(SPECIES, c, cAt + SIDE);
    FloatVector c11 = FloatVector.fromArray(SPECIES, c, cAt + SIDE + LANES);
    FloatVector c20 = FloatVector.fromArray(SPECIES, c, cAt + 2 * SIDE);
    FloatVector c21 = FloatVector.fromArray(SPECIES, c, cAt + 2 * SIDE + LANES);
    FloatVector c30 = FloatVector.fromArray(SPECIES, c, cAt + 3 * SIDE);
    FloatVector c31 = FloatVector.fromArray(SPECIES, c, cAt + 3 * SIDE + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(SPECIES, b, bAt + k * SIDE);
      FloatVector b1 = FloatVector.fromArray(SPECIES, b, bAt + k * SIDE + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[aAt + k]);
      c00 = a0.fma(b0, c00);
      c01 = a0.fma(b1, c01);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[aAt + SIDE + k]);
      c10 = a1.fma(b0, c10);
      c11 = a1.fma(b1, c11);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[aAt + 2 * SIDE + k]);
      c20 = a2.fma(b0, c20);
      c21 = a2.fma(b1, c21);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[aAt + 3 * SIDE + k]);
      c30 = a3.fma(b0, c30);
      c31 = a3.fma(b1, c31);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    c10.intoArray(c, cAt + SIDE);
    c11.intoArray(c, cAt + SIDE + LANES);
    c20.intoArray(c, cAt + 2 * SIDE);
    c21.intoArray(c, cAt + 2 * SIDE + LANES);
    c30.intoArray(c, cAt + 3 * SIDE);
    c31.intoArray(c, cAt + 3 * SIDE + LANES);
  }

  private static void addFourColumns(
      float[] c, int cAt, float[] a, int aAt, float[] b, int bAt, int depth) {
    FloatVector c00 = FloatVector.fromArray(SPECIES, c, cAt);
    FloatVector c01 = FloatVector.fromArray(SPECIES, c, cAt + LANES);
    FloatVector c10 = FloatVector.fromArray(SPECIES, c, cAt + SIDE);
    FloatVector c11 = FloatVector.fromArray(SPECIES, c, cAt + SIDE + LANES);
    FloatVector c20 = FloatVector.fromArray(SPECIES, c, cAt + 2 * SIDE);
    FloatVector c21 = FloatVector.fromArray(SPECIES, c, cAt + 2 * SIDE + LANES);
    FloatVector c30 = FloatVector.fromArray(SPECIES, c, cAt + 3 * SIDE);
    FloatVector c31 = FloatVector.fromArray(SPECIES, c, cAt + 3 * SIDE + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(SPECIES, b, bAt + k * SIDE);
      FloatVector b1 = FloatVector.fromArray(SPECIES, b, bAt + k * SIDE + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[aAt + k * SIDE]);
      c00 = a0.fma(b0, c00);
      c01 = a0.fma(b1, c01);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[aAt + k * SIDE + 1]);
      c10 = a1.fma(b0, c10);
      c11 = a1.fma(b1, c11);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[aAt + k * SIDE + 2]);
      c20 = a2.fma(b0, c20);
      c21 = a2.fma(b1, c21);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[aAt + k * SIDE + 3]);
      c30 = a3.fma(b0, c30);
      c31 = a3.fma(b1, c31);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    c10.intoArray(c, cAt + SIDE);
    c11.intoArray(c, cAt + SIDE + LANES);
    c20.intoArray(c, cAt + 2 * SIDE);
    c21.intoArray(c, cAt + 2 * SIDE + LANES);
    c30.intoArray(c, cAt + 3 * SIDE);
    c31.intoArray(c, cAt + 3 * SIDE + LANES);
  }

  /** t[j, i] = x[i, j] for rows i and columns j; both are rounded up, which a tile has room for. */
  static void transpose(float[] t, int tAt, float[] x, int xAt, int rows, int columns) {
    if (CODE != null) {
      for (int i = 0; i < rows; i += LANES) {
        CODE.transpose(Rows.of(x, xAt + i * SIDE, SIDE), Math.ceilDiv(columns, LANES), Rows.of(t, tAt + i, SIDE));
      }
      return;
    }
    for (int i = 0; i < rows; i += 4) {
      transposeFourRows(t, tAt + i, x, xAt + i * SIDE, columns);
    }
  }

  private static void transposeFourRows(float[] t, int to, float[] x, int row, int columns) {
    for (int j = 0; j < columns; j += 4) {
      FloatVector r0 = FloatVector.fromArray(QUAD, x, row + j);
      FloatVector r1 = FloatVector.fromArray(QUAD, x, row + SIDE + j);
      FloatVector r2 = FloatVector.fromArray(QUAD, x, row + 2 * SIDE + j);
      FloatVector r3 = FloatVector.fromArray(QUAD, x, row + 3 * SIDE + j);
      Quads.storeColumns(r0, r1, r2, r3, t, to, SIDE);
      to += 4 * SIDE;
    }
  }

  /** x[i, j] = value for rows i, and columns j from {@code first} to before {@code end}. */
  static void fill(float[] x, int at, int rows, int first, int end, float value) {
    for (int i = 0; i < rows; i++) {
      Arrays.fill(x, at + i * SIDE + first, at + i * SIDE + end, value);
    }
  }

  /** x[i, j] *= factors[i], where factors begin at a position. */
  static void scaleRows(float[] x, int at, int rows, int columns, float[] factors, int factorsAt) {
    if (X86Pass.AVAILABLE) {
      Rows tile = Rows.of(x, at, SIDE);
      X86Pass.SCALE_ROWS.runRows(rows, columns, tile, Rows.of(factors, factorsAt, 1), tile);
      return;
    }
    for (int i = 0; i < rows; i++) {
      Lanes.scale(x, at + i * SIDE, factors[factorsAt + i], columns);
    }
  }

  /** sums[i] = Σ_j a[i, j] b[i, j]. */
  static void dotRows(float[] sums, float[] a, int aAt, float[] b, int bAt, int rows, int columns) {
    if (X86Pass.AVAILABLE) {
      X86Pass.DOT_ROWS.runRows(rows, columns, Rows.of(a, aAt, SIDE), Rows.of(b, bAt, SIDE), Rows.of(sums, 0, 1));
      return;
    }
    for (int i = 0; i < rows; i++) {
      sums[i] = Lanes.dot(a, aAt + i * SIDE, b, bAt + i * SIDE, columns);
    }
  }

  /** x[i, j] *= factor. */
  static void scale(float[] x, int at, int rows, int columns, float factor) {
    if (X86Pass.AVAILABLE) {
      Rows tile = Rows.of(x, at, SIDE);
      X86Pass.MULTIPLY_BY_NUMBER.run(rows, columns, factor, 0, tile, tile);
      return;
    }
    for (int i = 0; i < rows; i++) {
      Lanes.scale(x, at + i * SIDE, factor, columns);
    }
  }
}
