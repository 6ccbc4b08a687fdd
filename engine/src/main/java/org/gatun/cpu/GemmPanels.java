package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.gatun.cpu.GemmKernels.FEW_ROWS;
import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.gatun.cpu.X86Kernels.Rows;

/**
 * Brings matrices into the order in which {@link GemmKernels} reads them: panels of as many rows as a
 * tile has, the elements of equal index side by side.
 *
 * <p>The loops for large panels know the distance from one index to the next as a constant: of a variable one
 * C2 computes and checks every address.
 */
final class GemmPanels {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /** Elements of a row that go to a panel at a time, so that this part stays in the first-level cache. */
  private static final int STRIP = 128;

  /** Columns of which all rows are packed before the next ones: lines of the source serve several panels. */
  private static final int COLUMN_STRIP = 64;

  /** Rows of panels of A for large tiles. */
  private static final int LARGE = X86Kernels.TILE_ROWS;

  /** For copying so many. */
  private static final VectorSpecies<Float> NARROW = FloatVector.SPECIES_256;

  private GemmPanels() {}

  /**
   * Packs F32 x into panels [columns of x, width] of {@code width} rows each, the last one filled up with
   * zeros.
   *
   * @param code  machine code for panels of TILE_COLUMNS; null for none
   * @param width the rows of a tile of six, FEW_ROWS or TILE_COLUMNS
   */
  static void pack(X86Kernels code, Matrix x, int width, float[] packed, int at) {
    if (x.columnStride() == 1) {
      for (int row = 0; row < x.rows(); row += width) {
        int to = at + row * x.columns();
        boolean whole = width == TILE_COLUMNS && row + width <= x.rows();
        int done = whole && code != null ? transpose(code, x, row, packed, to) : 0;
        packRows(x, row, width, done, packed, to);
      }
    } else {
      int done = width == TILE_COLUMNS && code != null ? copy(code, x, packed, at) : 0;
      packColumns(x.part(done, 0, x.rows() - done, x.columns()), width, packed, at + done * x.columns());
    }
  }

  /** All whole panels of TILE_COLUMNS rows that are neighbours of each other; returns how many rows that are. */
  private static int copy(X86Kernels code, Matrix x, float[] packed, int at) {
    int whole = x.columns() > 0 ? x.rows() / TILE_COLUMNS * TILE_COLUMNS : 0;
    for (int row = 0; row < whole; row += TILE_COLUMNS) {
      var columns = Rows.of(x.bytes(), x.at(row, 0) * Float.BYTES, x.columnStride() * Float.BYTES);
      code.copy(columns, x.columns(), TILE_COLUMNS, Rows.of(packed, at + row * x.columns(), TILE_COLUMNS));
    }
    return whole;
  }

  /** As many elements of TILE_COLUMNS rows as fill whole vectors; returns how many. */
  private static int transpose(X86Kernels code, Matrix x, int row, float[] panel, int at) {
    int blocks = x.columns() / LANES;
    for (int j = 0; j < TILE_COLUMNS && blocks > 0; j += LANES) {
      var rows = Rows.of(x.bytes(), x.at(row + j, 0) * Float.BYTES, x.rowStride() * Float.BYTES);
      code.transpose(rows, blocks, Rows.of(panel, at + j, TILE_COLUMNS));
    }
    return blocks * LANES;
  }

  /** One panel from rows whose elements are neighbours, from column {@code first} on: a transposition. */
  private static void packRows(Matrix x, int row, int width, int first, float[] panel, int at) {
    long rowBytes = x.rowStride() * Float.BYTES;
    for (int k = first; k < x.columns(); k += STRIP) {
      int n = Math.min(STRIP, x.columns() - k);
      for (int quad = 0; quad < quads(width); quad++) {
        int j = quadRow(quad, width);
        int to = at + k * width + j;
        if (row + j + 4 <= x.rows()) {
          long place = x.at(row + j, k) * Float.BYTES;
          interleave(x.bytes(), place, rowBytes, n, panel, to, width);
        } else {
          packSingly(x, row + j, k, n, panel, to, width);
        }
      }
    }
  }

  /** All panels from rows that are neighbours of each other; the last panels by four rows at a time. */
  private static void packColumns(Matrix x, int width, float[] packed, int at) {
    for (int k = 0; k < x.columns(); k += COLUMN_STRIP) {
      packColumns(x, k, Math.min(COLUMN_STRIP, x.columns() - k), width, packed, at);
    }
  }

  /** The n columns from {@code k} on; panels of four rows by fours from the beginning. */
  private static void packColumns(Matrix x, int k, int n, int width, float[] packed, int at) {
    int depth = x.columns();
    int row = 0;
    for (; width > 4 && row + Math.max(width, NARROW.length()) <= x.rows(); row += width) {
      copyColumns(x, row, width, k, n, packed, at + row * depth + k * width);
    }
    int quads = Math.ceilDiv(x.rows(), width) * quads(width);
    for (int quad = row / width * quads(width); quad < quads; quad++) {
      int first = quadRow(quad, width);
      int to = at + first / width * width * depth + first % width + k * width;
      if (first + 4 <= x.rows()) {
        copyQuads(x.bytes(), x.at(first, k) * Float.BYTES, x.columnStride() * Float.BYTES, n, packed, to, width);
      } else {
        packSingly(x, first, k, n, packed, to, width);
      }
    }
  }

  /** Copies {@code width} rows: a panel for large tiles. */
  private static void copyColumns(Matrix x, int row, int width, int k, int n, float[] packed, int to) {
    long place = x.at(row, k) * Float.BYTES;
    long stepBytes = x.columnStride() * Float.BYTES;
    if (width == 4 * LANES) {
      copyFours(x.bytes(), place, stepBytes, n, packed, to);
    } else if (width == 2 * LANES) {
      copyPairs(x.bytes(), place, stepBytes, n, packed, to);
    } else {
      // What such a vector writes beyond the panel's width is overwritten by the next one, and the last of the panel
      // is written singly, for there a neighbour may be at work.
      boolean last = k + n == x.columns();
      int vectors = last ? n - 1 : n;
      copyNarrow(x.bytes(), place, stepBytes, vectors, packed, to);
      for (int j = 0; last && j < width; j++) {
        packed[to + (n - 1) * LARGE + j] = x.bytes().get(JAVA_FLOAT, x.at(row + j, k + n - 1) * Float.BYTES);
      }
    }
  }

  /** Copies n times four elements that lie {@code stepBytes} apart. */
  private static void copyQuads(MemorySegment x, long place, long stepBytes, int n, float[] packed, int to, int step) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(Quads.QUAD, x, place, ORDER).intoArray(packed, to);
      place += stepBytes;
      to += step;
    }
  }

  /** Copies n narrow vectors that lie {@code stepBytes} apart. */
  private static void copyNarrow(MemorySegment x, long place, long stepBytes, int n, float[] packed, int to) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(NARROW, x, place, ORDER).intoArray(packed, to);
      place += stepBytes;
      to += LARGE;
    }
  }

  /** Copies n pairs of vectors that lie {@code stepBytes} apart. */
  private static void copyPairs(MemorySegment x, long place, long stepBytes, int n, float[] packed, int to) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(SPECIES, x, place, ORDER).intoArray(packed, to);
      FloatVector.fromMemorySegment(SPECIES, x, place + LANES * Float.BYTES, ORDER).intoArray(packed, to + LANES);
      place += stepBytes;
      to += TILE_COLUMNS;
    }
  }

  /** Copies n times four vectors: all of a row at once is a third faster than two and two. */
  private static void copyFours(MemorySegment x, long place, long stepBytes, int n, float[] packed, int to) {
    for (int i = 0; i < n; i++) {
      FloatVector.fromMemorySegment(SPECIES, x, place, ORDER).intoArray(packed, to);
      FloatVector.fromMemorySegment(SPECIES, x, place + LANES * Float.BYTES, ORDER).intoArray(packed, to + LANES);
      FloatVector.fromMemorySegment(SPECIES, x, place + 2 * LANES * Float.BYTES, ORDER).intoArray(packed,
          to + 2 * LANES);
      FloatVector.fromMemorySegment(SPECIES, x, place + 3 * LANES * Float.BYTES, ORDER).intoArray(packed,
          to + 3 * LANES);
      place += stepBytes;
      to += TILE_COLUMNS;
    }
  }

  /** How many times four rows make a panel of {@code width} rows, where needed with some of them twice. */
  private static int quads(int width) {
    return Math.ceilDiv(width, 4);
  }

  /** The first of the four rows that bear the number {@code quad}, counted through all panels. */
  private static int quadRow(int quad, int width) {
    int panel = quad / quads(width);
    return panel * width + Math.min(quad % quads(width) * 4, width - 4);
  }

  /** Four rows of a panel, element by element, with zeros for rows that x does not have. */
  private static void packSingly(
      Matrix x, int row, int k, int n, float[] panel, int to, int step) {
    for (int j = 0; j < 4; j++) {
      for (int i = 0; i < n; i++) {
        boolean inside = row + j < x.rows();
        panel[to + i * step + j] =
            inside ? x.bytes().get(JAVA_FLOAT, x.at(row + j, k + i) * Float.BYTES) : 0f;
      }
    }
  }

  /** As {@link #interleave4}, compiled for each distance that is a constant. */
  private static void interleave(MemorySegment x, long place, long rowBytes, int n, float[] panel, int to, int step) {
    if (step == TILE_COLUMNS) {
      interleaveWide(x, place, rowBytes, n, panel, to);
    } else if (step == LARGE) {
      interleaveNarrow(x, place, rowBytes, n, panel, to);
    } else {
      interleaveFew(x, place, rowBytes, n, panel, to);
    }
  }

  private static void interleaveWide(MemorySegment x, long place, long rowBytes, int n, float[] panel, int to) {
    interleave4(x, place, rowBytes, n, panel, to, TILE_COLUMNS);
  }

  private static void interleaveFew(MemorySegment x, long place, long rowBytes, int n, float[] panel, int to) {
    interleave4(x, place, rowBytes, n, panel, to, FEW_ROWS);
  }

  private static void interleaveNarrow(MemorySegment x, long place, long rowBytes, int n, float[] panel, int to) {
    interleave4(x, place, rowBytes, n, panel, to, LARGE);
  }

  /**
   * Interleaves four rows of F32 that lie {@code rowBytes} apart: panel[to + i · step + j] = row j's
   * element i, for i in [0, n).
   */
  private static void interleave4(
      MemorySegment x, long place, long rowBytes, int n, float[] panel, int to, int step) {
    int i = 0;
    for (; i + 4 <= n; i += 4) {
      FloatVector r0 = FloatVector.fromMemorySegment(Quads.QUAD, x, place, ORDER);
      FloatVector r1 = FloatVector.fromMemorySegment(Quads.QUAD, x, place + rowBytes, ORDER);
      FloatVector r2 = FloatVector.fromMemorySegment(Quads.QUAD, x, place + 2 * rowBytes, ORDER);
      FloatVector r3 = FloatVector.fromMemorySegment(Quads.QUAD, x, place + 3 * rowBytes, ORDER);
      Quads.storeColumns(r0, r1, r2, r3, panel, to, step);
      place += 4 * Float.BYTES;
      to += 4 * step;
    }
    for (; i < n; i++) {
      for (int j = 0; j < 4; j++) {
        panel[to + j] = x.get(JAVA_FLOAT, place + j * rowBytes);
      }
      place += Float.BYTES;
      to += step;
    }
  }
}
