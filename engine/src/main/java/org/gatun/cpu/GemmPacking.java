package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.gatun.cpu.GemmKernels.FEW_ROWS;
import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;
import static org.gatun.cpu.GemmProduct.PACKED_COLUMNS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.gatun.cpu.GemmProduct.Block;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.cpu.X86Loops.Left;
import org.gatun.tensor.DType;

/**
 * How one worker brings the factors of a product into the order in which the loops read them, and the arrays that it
 * needs for that, grown as needed.
 *
 * <p>Machine code reads A where its rows lie, or its columns if they are near each other; elsewhere, and for the Vector
 * API, it is packed. B is packed always.
 */
final class GemmPacking {
  private final X86Kernels code;
  private float[] a = {};
  private float[] b = {};
  private Block packedFor;
  private int packedChunk;
  private float[] line = {};
  private MemorySegment wide = MemorySegment.NULL;

  /** @param code the loops in machine code; null for those of the Vector API */
  GemmPacking(X86Kernels code) {
    this.code = code;
  }

  /** Whether A must be packed for the loops. */
  boolean packs(Matrix a) {
    return code == null || left(a) == Left.PANELS;
  }

  /** How machine code reads A. */
  static Left left(Matrix a) {
    return a.dtype() == DType.F32 && a.columnStride() == 1
        ? Left.ROWS
        : GemmProduct.isNarrow(a) ? Left.COLUMNS : Left.PANELS;
  }

  /** Whether rows of A are read where they lie. */
  boolean readsRows(Matrix a) {
    return code != null && left(a) == Left.ROWS;
  }

  /** Whether a product can be computed as its transposed: then B is packed, and its columns are summed on request. */
  boolean transposes(GemmProduct product) {
    return code != null && product.canBeTransposed();
  }

  /** Whether the rows of A are summed while they are packed: where its columns lie in memory. */
  boolean sumsRows(Matrix a) {
    return code != null && a.columnStride() != 1 && packs(a);
  }

  /** Room for a packed block of A, and none where it is not packed. */
  float[] roomForA(GemmProduct product) {
    return roomForA(packs(product.a()) ? product.packedRows() * product.depth() : 0);
  }

  /** Room for so many floats of A. */
  float[] roomForA(int length) {
    a = grown(a, length);
    return a;
  }

  /** Into how many tasks the packing of A is cut. */
  int packings(Block block) {
    return sumsRows(block.product().a()) ? block.stripPackings() : block.packings();
  }

  /**
   * Packs the {@code task}-th part of a block's rows of A.
   *
   * @param sums where the sums of A's rows go, those of a strip after those of the one before; null for none, and where
   *             {@link #sumsRows} says no
   */
  void packA(Block block, int task, float[] packedA, float[] sums) {
    Matrix a = block.product().a();
    if (sumsRows(a)) {
      packStrip(block, task, packedA, sums);
      return;
    }
    int from = task * block.packed();
    int to = Math.min(block.rows(), from + block.packed());
    int large = code == null ? GemmKernels.TILE_ROWS : X86Kernels.TILE_ROWS;
    int few = code == null ? FEW_ROWS : X86Kernels.TILE_ROWS;
    int end = from + (to - from) / large * large;
    GemmPanels.pack(code, part(a, block, block.row() + from, end - from), large, packedA, from * block.depth());
    GemmPanels.pack(code, part(a, block, block.row() + end, to - end), few, packedA, end * block.depth());
  }

  private void packStrip(Block block, int task, float[] packedA, float[] sums) {
    int parts = block.stripPackings() / block.strips();
    int strip = task / parts;
    int row = task % parts * block.stripRows();
    int rows = Math.min(block.rows() - row, block.stripRows());
    int k = strip * PACKED_COLUMNS;
    int columns = Math.min(block.depth() - k, PACKED_COLUMNS);
    Matrix a = inF32(block.product().a().part(block.row() + row, block.from() + k, rows, columns));
    Rows source = Rows.of(a.bytes(), a.at(0, 0) * Float.BYTES, a.columnStride() * Float.BYTES);
    int tile = X86Kernels.TILE_ROWS;
    Rows panels = Rows.of(packedA, row * block.depth() + k * tile, block.depth() * tile);
    int sumsAt = (block.firstStrip() + strip) * block.product().sumsDistance() + block.row() + row;
    code.packColumns(source, columns, rows, panels, sums == null ? Rows.NONE : Rows.of(sums, sumsAt));
  }

  /**
   * A chunk of columns of B in panels, until the next call.
   *
   * @param sums where the sums of B's columns go, if it has whole panels of F32 that lie in rows; null for none
   */
  float[] packB(Block block, int chunk, float[] sums) {
    if (packedFor == block && packedChunk == chunk) {
      return b;
    }
    b = grown(b, block.chunk() * Math.max(1, block.depth())); // the kernels look at the first of k
    int from = chunk * block.chunk();
    Matrix whole = block.product().b().transposed();
    Matrix part = part(whole, block, from, Math.min(whole.rows() - from, block.chunk()));
    if (sums == null) {
      GemmPanels.pack(code, part, TILE_COLUMNS, b, 0);
    } else {
      packAndSum(block, part, sums, from);
    }
    packedFor = block;
    packedChunk = chunk;
    return b;
  }

  /** As many rows of Bᵀ as whole panels have, and their sums: of each strip of k those after the sums of the one before. */
  private void packAndSum(Block block, Matrix x, float[] sums, int first) {
    for (int row = 0; row < x.rows(); row += TILE_COLUMNS) {
      for (int strip = 0; strip < block.strips(); strip++) {
        int k = strip * PACKED_COLUMNS;
        int count = Math.min(block.depth() - k, PACKED_COLUMNS);
        Rows source = Rows.of(x.bytes(), x.at(row, k) * Float.BYTES, x.columnStride() * Float.BYTES);
        Rows panel = Rows.of(b, row * block.depth() + k * TILE_COLUMNS, TILE_COLUMNS);
        int sumsAt = (block.firstStrip() + strip) * block.product().sumsDistance() + first + row;
        code.copyAndSum(source, count, panel, Rows.of(sums, sumsAt));
      }
    }
  }

  /** Rows of x over a block's part of k; BF16 is widened first, so that packing knows F32 alone. */
  private Matrix part(Matrix x, Block block, int row, int rows) {
    return inF32(x.part(row, block.from(), rows, block.depth()));
  }

  private Matrix inF32(Matrix x) {
    return x.dtype() == DType.F32 ? x : widened(x);
  }

  /** The same elements in F32, in the same order, without gaps. */
  private Matrix widened(Matrix x) {
    boolean byRows = x.columnStride() == 1;
    int lines = byRows ? x.rows() : x.columns();
    int length = byRows ? x.columns() : x.rows();
    line = grown(line, length);
    wide = grown(wide, (long) lines * length);
    for (int i = 0; i < lines; i++) {
      Lanes.load(line, 0, x.bytes(), x.dtype(), byRows ? x.at(i, 0) : x.at(0, i), length);
      MemorySegment.copy(line, 0, wide, JAVA_FLOAT, (long) i * length * Float.BYTES, length);
    }
    Matrix all = Matrix.of(wide, DType.F32, 0, lines, length);
    return byRows ? all : all.transposed();
  }

  static float[] grown(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }

  static MemorySegment grown(MemorySegment floats, long length) {
    long bytes = length * Float.BYTES;
    return floats.byteSize() >= bytes ? floats : Arena.ofAuto().allocate(bytes, 64);
  }
}
