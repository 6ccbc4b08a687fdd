package org.gatun.cpu;

import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;

import org.gatun.tensor.DType;

/**
 * One product c [m, n] = finish(a [m, k] · b [k, n]), and how {@link Gemm} cuts it: by its shape alone, so that results do not
 * depend on the number of threads.
 *
 * @param add   whether c is added to
 * @param index where in a batch it is, for the finish
 */
record GemmProduct(Matrix c, Matrix a, Matrix b, boolean add, int index, Finish finish) {
  /**
   * Elements of k in one packed block, a third of GPT-2's 4C = 3072. Every further block reads and writes C once
   * more; of deeper ones the second-level cache would not hold a panel of B and A's rows together.
   */
  private static final int MAX_DEPTH = 1024;

  /**
   * Floats of packed B a worker keeps at hand: 192 KiB of a second-level cache of 512, at C = 768 four
   * panels of 16 columns or one of 64.
   */
  private static final int B_FLOATS = 48 * 1024;

  /** Elements of A packed at a time, for the whole team: 8 MiB. */
  private static final int A_FLOATS = 2 * 1024 * 1024;

  /** Multiply-adds worth a task of their own, some 20 µs. */
  static final int TASK_WORK = 1 << 20;

  /** Rows between which a product may be cut: a multiple of every tile's. */
  static final int ROW_UNIT = 12;

  /** The same where C's columns lie in memory: a multiple of every vector's length too. */
  private static final int COLUMN_UNIT = 4 * ROW_UNIT;

  /** Rows of A packed by one task or a multiple of it. */
  private static final int PACKED_ROWS = 24;

  /** Columns of A packed by one task where they lie in memory, for some ten microseconds, and summed in F32. */
  static final int PACKED_COLUMNS = 128;

  /** Tasks that such a packing is cut into, if there are enough rows. */
  private static final int STRIP_TASKS = 16;

  /**
   * Floats from column to column of an A that is read where its columns lie: further apart, lines push each other out of
   * the first-level cache, and packing costs less (at 384 one core does 160 GFLOP/s, at 512 140, of 175). So few rows are
   * one block, which COLUMN_UNIT relies on.
   */
  private static final int NARROW = 256;

  /** Rows of A multiplied with a panel of B before the next one, if they are short. */
  static final int MAX_SWEEP = 96;

  /** Elements of A in these rows: 288 KiB, which the second-level cache holds besides B. */
  private static final int SWEEP_FLOATS = 72 * 1024;

  /** Elements of A that a worker keeps at hand: 1 MiB. */
  private static final int OWN_FLOATS = 256 * 1024;

  /** Elements of k for which a panel of B takes 32 KiB, so that it stays in the first-level cache for a sweep. */
  static final int NEAR_DEPTH = 8 * 1024 / TILE_COLUMNS;

  int depths() {
    return Math.max(1, Math.ceilDiv(a.columns(), MAX_DEPTH));
  }

  /** Equal blocks of k, a multiple of four but for the last. */
  int depth() {
    return roundUp(Math.ceilDiv(a.columns(), depths()), 4);
  }

  /** Rows of A packed at a time. */
  int rows() {
    return Math.min(c.rows(), Math.max(1, A_FLOATS / Math.max(1, depth()) / PACKED_ROWS) * PACKED_ROWS);
  }

  /** Rows of packed A: the last panels are filled up. */
  int packedRows() {
    return rows() + ROW_UNIT;
  }

  /** The k-th block of the rows from {@code row} on; {@code sums} holds what earlier blocks gave. */
  Block block(int row, int k, Matrix sums) {
    int height = Math.min(rows(), c.rows() - row);
    int from = k * depth();
    int depth = Math.min(depth(), a.columns() - from);
    return new Block(this, row, height, from, depth, k == 0, k == depths() - 1, sums);
  }

  /** Whether such a matrix of F32 has its columns in memory, near each other. */
  static boolean isNarrow(Matrix x) {
    return x.dtype() == DType.F32 && x.rowStride() == 1 && x.columnStride() > 1 && x.columnStride() <= NARROW;
  }

  /** The same product as cᵀ = bᵀ·aᵀ, which reads each factor as the other one. */
  GemmProduct transposed() {
    return new GemmProduct(c.transposed(), b.transposed(), a.transposed(), add, index, finish);
  }

  /** Whether it can be computed as {@link #transposed}, if there is machine code: as whole tiles, that are only added. */
  boolean canBeTransposed() {
    return finish instanceof Finish.None
        && c.dtype() == DType.F32
        && a.dtype() == DType.F32
        && isNarrow(b.transposed())
        && a.rowStride() == 1
        && c.columnStride() == 1
        && a.rows() % TILE_COLUMNS == 0
        && b.columns() % TILE_COLUMNS == 0;
  }

  /** Strips of {@link #PACKED_COLUMNS} columns of A, counted through all blocks of k. */
  int strips() {
    int last = a.columns() - (depths() - 1) * depth();
    return (depths() - 1) * Math.ceilDiv(depth(), PACKED_COLUMNS) + Math.ceilDiv(last, PACKED_COLUMNS);
  }

  /** From the sums of one strip to those of the next, of A's rows or of B's columns, and what fills the last panel up. */
  int sumsDistance() {
    return Math.max(c.rows(), c.columns()) + ROW_UNIT;
  }

  boolean needsSums() {
    return c.dtype() != DType.F32 && depths() > 1;
  }

  /** The part of a product that one packed block of A serves: C [row.., all columns] over some of k. */
  record Block(
      GemmProduct product, int row, int rows, int from, int depth, boolean first, boolean last, Matrix sums) {
    /** Columns of one packed chunk of B, as equal as whole tiles allow. */
    int chunk() {
      int fitting = Math.max(1, B_FLOATS / Math.max(1, depth) / TILE_COLUMNS);
      int tiles = Math.ceilDiv(product.c.columns(), TILE_COLUMNS);
      return Math.ceilDiv(tiles, Math.ceilDiv(tiles, fitting)) * TILE_COLUMNS;
    }

    int chunks() {
      return Math.ceilDiv(product.c.columns(), chunk());
    }

    /** Rows of A for one packing task: an eighth, from 24 to 192; where they are neighbours they are read at once. */
    int packed() {
      return Math.clamp(rows / 8 / PACKED_ROWS * PACKED_ROWS, PACKED_ROWS, 8 * PACKED_ROWS);
    }

    /** How many such tasks there are. */
    int packings() {
      return Math.ceilDiv(rows, packed());
    }

    /** The first of this block's strips, counted through all of k. */
    int firstStrip() {
      return from / product.depth() * Math.ceilDiv(product.depth(), PACKED_COLUMNS);
    }

    /** Strips of A's columns in this block. */
    int strips() {
      return Math.ceilDiv(depth, PACKED_COLUMNS);
    }

    /** Rows of A for one task that packs a strip of columns. */
    int stripRows() {
      int parts = Math.max(1, STRIP_TASKS / Math.max(1, strips()));
      return roundUp(Math.ceilDiv(rows, parts), PACKED_ROWS);
    }

    /**
     * How many such tasks there are: all of a strip before the next one, so that most workers pack rows that they have
     * written themselves.
     */
    int stripPackings() {
      return strips() * Math.ceilDiv(rows, stripRows());
    }

    /** Rows of A in one sweep over a chunk of B. */
    int sweep() {
      return Math.clamp(SWEEP_FLOATS / Math.max(1, depth) / unit() * unit(), unit(), MAX_SWEEP);
    }

    /** Rows between which it may be cut. */
    int unit() {
      return product.c.columnStride() == 1 ? ROW_UNIT : COLUMN_UNIT;
    }

    /** Whether a tile can go to C as soon as it is there: nothing is done to it but an addition. */
    boolean storesTiles() {
      return product.c.dtype() == DType.F32
          && (!last
              || product.finish instanceof Finish.None
              || product.finish instanceof Finish.Bias && !adds());
    }

    /** Whether results are added to what C holds. */
    boolean adds() {
      return product.add || !first;
    }

    /**
     * Into how many ranges of rows the tasks fall, each with all chunks of B before the next range; they are given to
     * workers in this order, which no sum depends on. One range a worker where its rows of A stay in its second-level
     * cache: there it finds what it has written itself, an operation before, for most operations share rows out like
     * that. Each worker packs all of B then; so 1 where B has more columns than A rows.
     */
    int shares(int threads) {
      boolean near = (long) rows * depth <= (long) OWN_FLOATS * threads;
      return near && rows >= product.c.columns() && cuts() % threads == 0 ? threads : 1;
    }

    /** Into how many row ranges each chunk is cut, so that no worker waits long for another. */
    int cuts() {
      long work = (long) rows * chunk() * depth;
      long wanted = Math.max(1, 16 / chunks());
      return (int) Math.clamp(work / TASK_WORK, 1, Math.min(wanted, Math.ceilDiv(rows, unit())));
    }
  }

  private static int roundUp(int n, int multiple) {
    return Math.ceilDiv(n, multiple) * multiple;
  }
}
