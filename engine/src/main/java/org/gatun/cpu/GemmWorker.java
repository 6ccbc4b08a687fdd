package org.gatun.cpu;

import static org.gatun.cpu.GemmKernels.FEW_ROWS;
import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;
import static org.gatun.cpu.GemmPacking.grown;
import static org.gatun.cpu.GemmProduct.MAX_SWEEP;
import static org.gatun.cpu.GemmProduct.NEAR_DEPTH;
import static org.gatun.cpu.GemmProduct.ROW_UNIT;
import static org.gatun.cpu.X86Kernels.STRIP_DISTANCE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.gatun.cpu.GemmProduct.Block;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.cpu.X86Loops.Left;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;

/**
 * One worker's part in the products of a {@link Gemm}, and the arrays it needs for that, grown as needed.
 */
final class GemmWorker {
  private static final float[] ZEROS = new float[TILE_COLUMNS];

  private final X86Kernels code;
  private final GemmPacking packing;
  private MemorySegment partial = MemorySegment.NULL;
  private float[] strip = {};
  private float[] line = {};

  /** @param code the loops in machine code; null for those of the Vector API */
  GemmWorker(X86Kernels code) {
    this.code = code;
    packing = new GemmPacking(code);
  }

  /** What brings the factors into the order of its loops; of its own. */
  GemmPacking packing() {
    return packing;
  }

  /** What holds the sums of the first blocks of k until the last: C itself where it is as precise. */
  Matrix partial(GemmProduct product) {
    Matrix c = product.c();
    if (!product.needsSums()) {
      return c;
    }
    partial = grown(partial, (long) c.rows() * c.columns());
    return Matrix.of(partial, DType.F32, 0, c.rows(), c.columns());
  }

  /** A whole product. */
  void multiply(GemmProduct product) {
    boolean packs = packing.packs(product.a());
    float[] packedA = packing.roomForA(product);
    Matrix partial = partial(product);
    for (int row = 0; row < product.c().rows(); row += product.rows()) {
      for (int k = 0; k < product.depths(); k++) {
        Block block = product.block(row, k, partial);
        for (int task = 0; packs && task < packing.packings(block); task++) {
          packing.packA(block, task, packedA, null);
        }
        for (int chunk = 0; chunk < block.chunks(); chunk++) {
          multiply(block, packedA, chunk, 0, 1, null);
        }
      }
    }
  }

  /** Rows and columns of c, by a system's BLAS. */
  void multiplyPart(SystemBlas blas, GemmProduct product, int row, int rows, int column, int columns) {
    Matrix c = product.c();
    Matrix a = product.a();
    Matrix b = product.b();
    blas.multiply(
        c.part(row, column, rows, columns),
        a.part(row, 0, rows, a.columns()),
        b.part(0, column, b.rows(), columns),
        product.add());
    if (product.finish() instanceof Finish.None) {
      return;
    }
    if (finishesByCode(product)) {
      keepByCode(product, c, row, rows, column, columns);
      finishByCode(product, row, rows, column, columns);
      return;
    }
    strip = grown(strip, columns);
    for (int i = row; i < row + rows; i++) {
      Lanes.load(strip, 0, c.bytes(), c.dtype(), c.at(i, column), columns);
      finish(product, 0, i, column, columns);
      Lanes.store(c.bytes(), c.dtype(), c.at(i, column), strip, 0, columns);
    }
  }

  /**
   * A chunk of columns with the {@code cut}-th part of a block's rows.
   *
   * @param sums as of {@link GemmPacking#packB}
   */
  void multiply(Block block, float[] packedA, int chunk, int cut, int cuts, float[] sums) {
    float[] packedB = packing.packB(block, chunk, sums);
    int unit = block.unit();
    int units = Math.ceilDiv(block.rows(), unit);
    int first = (int) ((long) units * cut / cuts) * unit;
    int end = Math.min(block.rows(), (int) ((long) units * (cut + 1) / cuts) * unit);
    int sweep = block.sweep();
    strip = grown(strip, (MAX_SWEEP + ROW_UNIT) * block.chunk());
    for (int row = first; row < end; row += sweep) {
      int rows = Math.min(end - row, sweep);
      if (code == null) {
        sweep(block, packedA, packedB, chunk, row, rows);
      } else {
        sweepByCode(block, packedA, packedB, chunk, row, rows);
      }
      storeRows(block, chunk, row, rows);
    }
  }

  /** Some rows of A with all panels of a chunk of B. */
  private void sweepByCode(Block block, float[] packedA, float[] packedB, int chunk, int row, int rows) {
    Matrix c = block.product().c();
    Matrix target = target(block);
    Left left = GemmPacking.left(block.product().a());
    boolean byRows = c.columnStride() == 1;
    boolean storesTiles = storesTiles(block);
    int from = chunk * block.chunk();
    int columns = Math.min(c.columns() - from, block.chunk());
    int depth = block.depth();
    int stride = stride(storesTiles, columns);
    float[] bias = bias(block, from, columns);
    for (int j = 0; j < columns; j += TILE_COLUMNS) {
      Rows panel = Rows.of(packedB, j * depth, TILE_COLUMNS);
      int width = Math.min(TILE_COLUMNS, columns - j);
      boolean inPlace = storesTiles && width == TILE_COLUMNS && byRows;
      for (int i = 0; i < rows;) {
        int height = Math.min(rows - i, X86Kernels.TILE_ROWS);
        int tiles = (rows - i) / height;
        Rows numbers = numbers(block, left, packedA, row + i);
        int at = i * stride + (storesTiles ? 0 : j);
        int rowOfC = block.row() + row + i;
        Rows to = inPlace ? rows(target, rowOfC, from + j) : Rows.of(strip, at, stride);
        Rows addend = Rows.NONE;
        if (inPlace && block.adds()) {
          addend = rows(c, rowOfC, from + j);
        } else if (inPlace && bias != null) {
          addend = Rows.of(bias, j, 0);
        }
        code.panel(height, left).multiply(tiles, depth, numbers, panel, to, addend);
        if (storesTiles && !inPlace && byRows) {
          storeTile(block, at, bias, j, rowOfC, tiles * height, from + j, width);
        }
        i += tiles * height;
      }
      if (!byRows) {
        storeTransposed(block, block.row() + row, rows, from + j);
      }
    }
  }

  /** A from a row of a block on. */
  private static Rows numbers(Block block, Left left, float[] packedA, int row) {
    Matrix a = block.product().a();
    return switch (left) {
      case ROWS -> rows(a, block.row() + row, block.from());
      case COLUMNS -> rows(a.transposed(), block.from(), block.row() + row);
      case PANELS -> Rows.of(packedA, row * block.depth(), X86Kernels.TILE_ROWS);
    };
  }

  /**
   * Brings a panel's tiles from the strip, where they lie one below the other, to a C whose columns lie in memory; a
   * multiple of the lanes of them.
   */
  private void storeTransposed(Block block, int row, int rows, int column) {
    Matrix c = block.product().c();
    int lanes = code.lanes();
    line = grown(line, TILE_COLUMNS * STRIP_DISTANCE);
    for (int i = 0; i < rows; i += STRIP_DISTANCE) {
      int n = Math.min(rows - i, STRIP_DISTANCE);
      for (int j = 0; j < n; j += lanes) {
        Rows tile = Rows.of(strip, (i + j) * TILE_COLUMNS, TILE_COLUMNS);
        code.transpose(tile, TILE_COLUMNS / lanes, Rows.of(line, j, STRIP_DISTANCE));
      }
      Rows columns = Rows.of(line, 0, STRIP_DISTANCE);
      Rows to = rows(c.transposed(), column, row + i);
      if (block.adds()) {
        X86Pass.ADD.runRows(TILE_COLUMNS, n, columns, to, to);
      } else {
        code.copy(columns, TILE_COLUMNS, n, to);
      }
    }
  }

  /** Floats from row to row in the strip: tiles one below the other, or whole rows where something is done to them in the end. */
  private static int stride(boolean storesTiles, int columns) {
    return storesTiles ? TILE_COLUMNS : Math.ceilDiv(columns, TILE_COLUMNS) * TILE_COLUMNS;
  }

  /**
   * Some panels of A with all panels of a chunk of B, by the Vector API. So much of k is taken at a time that this
   * part of a panel of B stays in the first-level cache while those of A pass; what is summed so far waits in the
   * strip.
   */
  private void sweep(Block block, float[] packedA, float[] packedB, int chunk, int row, int rows) {
    int from = chunk * block.chunk();
    int columns = Math.min(block.product().c().columns() - from, block.chunk());
    boolean storesTiles = storesTiles(block);
    int stride = stride(storesTiles, columns);
    float[] bias = bias(block, from, columns);
    int parts = Math.max(1, Math.ceilDiv(block.depth(), NEAR_DEPTH));
    for (int j = 0; j < columns; j += TILE_COLUMNS) {
      for (int part = 0; part < parts; part++) {
        int k = (int) ((long) block.depth() * part / parts);
        int depth = (int) ((long) block.depth() * (part + 1) / parts) - k;
        int b = j * block.depth() + k * TILE_COLUMNS;
        for (int i = 0; i < rows;) {
          int height = rows - i >= GemmKernels.TILE_ROWS ? GemmKernels.TILE_ROWS : FEW_ROWS;
          int a = (row + i) * block.depth() + k * height;
          int at = !storesTiles ? i * stride + j : parts > 1 ? i * stride : 0;
          if (part == 0) {
            GemmKernels.multiply(height, depth, packedA, a, packedB, b, ZEROS, 0, 0, strip, at, stride);
          } else {
            GemmKernels.multiply(height, depth, packedA, a, packedB, b, strip, at, stride, strip, at, stride);
          }
          if (storesTiles && part == parts - 1) {
            int width = Math.min(TILE_COLUMNS, columns - j);
            storeTile(block, at, bias, j, block.row() + row + i, Math.min(height, rows - i), from + j, width);
          }
          i += height;
        }
      }
    }
  }

  /** Whether tiles go to memory as soon as they are there; a GELU, by machine code, is computed from there. */
  private boolean storesTiles(Block block) {
    return block.storesTiles() || block.last() && finishesByCode(block.product());
  }

  /** Where such tiles go: C, or what the GELU keeps, which it is computed from. */
  private static Matrix target(Block block) {
    GemmProduct product = block.product();
    return block.last() && product.finish() instanceof Finish.BiasGelu(Matrix _, Matrix preActivation, Gelu _)
        ? preActivation.item(product.index())
        : product.c();
  }

  /** What is added to the columns of a chunk with their tiles, when that makes the sums complete; null for nothing. */
  private float[] bias(Block block, int column, int columns) {
    Matrix bias = switch (block.product().finish()) {
      case Finish.Bias(Matrix some) -> some;
      case Finish.BiasGelu(Matrix some, Matrix _, Gelu _) -> some;
      default -> null;
    };
    if (bias == null || !block.last() || block.adds() || !storesTiles(block)) {
      return null;
    }
    line = grown(line, Math.ceilDiv(columns, TILE_COLUMNS) * TILE_COLUMNS);
    Lanes.load(line, 0, bias.bytes(), bias.dtype(), bias.at(0, column), columns);
    return line;
  }

  /**
   * Brings a tile from the strip to where it goes, in F32, while it is in the first-level cache: its few stores wait for
   * memory while the next tile is computed.
   */
  private void storeTile(
      Block block, int tileAt, float[] bias, int biasAt, int row, int rows, int column, int columns) {
    Matrix c = block.product().c();
    Matrix target = target(block);
    if (columns == TILE_COLUMNS) { // by the Vector API, where C is the target
      long place = c.at(row, column) * Float.BYTES;
      long rowBytes = c.rowStride() * Float.BYTES;
      if (bias != null) {
        GemmKernels.storeBiased(strip, tileAt, rows, bias, biasAt, c.bytes(), place, rowBytes);
      } else if (block.adds()) {
        GemmKernels.storeAdded(strip, tileAt, rows, c.bytes(), place, rowBytes);
      } else {
        GemmKernels.store(strip, tileAt, rows, c.bytes(), place, rowBytes);
      }
      return;
    }
    for (int i = 0; i < rows; i++) {
      int at = tileAt + i * TILE_COLUMNS;
      if (bias != null) {
        Lanes.axpy(strip, at, 1f, bias, biasAt, columns);
      }
      if (block.adds()) {
        add(c, row + i, column, at, columns);
      }
      Lanes.store(target.bytes(), target.dtype(), target.at(row + i, column), strip, at, columns);
    }
  }

  /** Brings whole rows from the strip to where they belong. */
  private void storeRows(Block block, int chunk, int row, int rows) {
    if (block.storesTiles()) {
      return;
    }
    int from = chunk * block.chunk();
    int columns = Math.min(block.product().c().columns() - from, block.chunk());
    if (storesTiles(block)) {
      if (block.adds()) { // else the bias came with the tiles
        keepByCode(block.product(), target(block), block.row() + row, rows, from, columns);
      }
      finishByCode(block.product(), block.row() + row, rows, from, columns);
      return;
    }
    int stride = stride(false, columns);
    for (int i = 0; i < rows; i++) {
      store(block, i * stride, block.row() + row + i, from, columns);
    }
  }

  /** Whether GELU and its gradient can be computed by machine code. */
  private boolean finishesByCode(GemmProduct product) {
    return code != null
        && product.c().dtype() == DType.F32
        && switch (product.finish()) {
          case Finish.BiasGelu(Matrix bias, Matrix kept, Gelu _) ->
              (bias == null || bias.dtype() == DType.F32) && kept.dtype() == DType.F32;
          case Finish.GeluGradient(Matrix kept, Gelu _, Matrix gelu) ->
              kept.dtype() == DType.F32 && (gelu == null || gelu.dtype() == DType.F32);
          default -> false;
        };
  }

  /** What a GELU keeps, of n sums of each of some rows of x, which may be what it keeps: the bias is added. */
  private void keepByCode(GemmProduct product, Matrix x, int row, int rows, int column, int n) {
    if (product.finish() instanceof Finish.BiasGelu(Matrix bias, Matrix preActivation, Gelu _)) {
      Rows addend = bias == null ? nothing(n) : Rows.of(bias.bytes(), bias.at(0, column));
      Rows kept = rows(preActivation.item(product.index()), row, column);
      X86Pass.ADD.runRows(rows, n, rows(x, row, column), addend, kept);
    }
  }

  /** Finishes n sums of each of some rows where they are: what a GELU keeps, or C for its gradient. */
  private static void finishByCode(GemmProduct product, int row, int rows, int column, int n) {
    Rows c = rows(product.c(), row, column);
    switch (product.finish()) {
      case Finish.BiasGelu(Matrix _, Matrix preActivation, Gelu form) -> {
        X86Pass pass = form == Gelu.TANH ? X86Pass.GELU_TANH : X86Pass.GELU_ERF;
        pass.runRows(rows, n, rows(preActivation.item(product.index()), row, column), c);
      }
      case Finish.GeluGradient(Matrix preActivation, Gelu form, Matrix gelu) -> {
        Rows kept = rows(preActivation.item(product.index()), row, column);
        Rows again = gelu == null ? c : rows(gelu.item(product.index()), row, column); // C is written after it
        X86Pass pass = form == Gelu.TANH ? X86Pass.GELU_TANH_GRADIENT : X86Pass.GELU_ERF_GRADIENT;
        pass.runRows(rows, n, c, kept, again, c);
      }
      default -> throw new IllegalStateException("not finished by code: " + product.finish());
    }
  }

  /** What changes no float that it is added to: x + -0 is x, also where x is 0 or -0. */
  private Rows nothing(int n) {
    line = grown(line, n);
    Arrays.fill(line, 0, n, -0f);
    return Rows.of(line, 0);
  }

  /** The rows of F32 x from an element on. */
  private static Rows rows(Matrix x, int row, int column) {
    return Rows.of(x.bytes(), x.at(row, column) * Float.BYTES, x.rowStride() * Float.BYTES);
  }

  /** Brings n elements of a row from the strip to where they belong: partial sums, or finished, C. */
  private void store(Block block, int at, int row, int column, int n) {
    GemmProduct product = block.product();
    boolean add = block.adds();
    Matrix to = block.last() ? product.c() : block.sums();
    Matrix from = block.first() ? product.c() : block.sums();
    if (block.last() && !(product.finish() instanceof Finish.None) || add && from != to) {
      if (add) {
        add(from, row, column, at, n);
      }
      if (block.last()) {
        finish(product, at, row, column, n);
      }
      add = false;
    }
    Lanes.store(add, to.bytes(), to.dtype(), to.at(row, column), strip, at, n);
  }

  /** Adds n elements of a matrix to the strip. */
  private void add(Matrix x, int row, int column, int at, int n) {
    line = grown(line, n);
    Lanes.load(line, 0, x.bytes(), x.dtype(), x.at(row, column), n);
    Lanes.axpy(strip, at, 1f, line, 0, n);
  }

  private void finish(GemmProduct product, int at, int row, int column, int n) {
    switch (product.finish()) {
      case Finish.None() -> {}
      case Finish.Bias(Matrix bias) -> add(bias, 0, column, at, n);
      case Finish.BiasGelu(Matrix bias, Matrix preActivation, Gelu form) -> {
        if (bias != null) {
          add(bias, 0, column, at, n);
        }
        Matrix kept = preActivation.item(product.index());
        Lanes.store(kept.bytes(), kept.dtype(), kept.at(row, column), strip, at, n);
        Lanes.gelu(strip, at, strip, at, n, form);
      }
      case Finish.GeluGradient(Matrix preActivation, Gelu form, Matrix gelu) -> {
        Matrix kept = preActivation.item(product.index());
        line = grown(line, n);
        Lanes.load(line, 0, kept.bytes(), kept.dtype(), kept.at(row, column), n);
        Lanes.geluGradient(strip, at, line, 0, n, form);
        if (gelu != null) {
          Matrix again = gelu.item(product.index());
          Lanes.gelu(line, 0, line, 0, n, form);
          Lanes.store(again.bytes(), again.dtype(), again.at(row, column), line, 0, n);
        }
      }
    }
  }

  /** Some columns of a product with few rows of A, x: each weight is read once, where it is. */
  void dots(Block block, float[] x, int column, int columns) {
    Matrix b = block.product().b();
    int depth = block.depth();
    long rowBytes = b.columnStride() * Float.BYTES;
    strip = grown(strip, block.rows() * columns);
    int whole = columns / 4 * 4;
    for (int j = 0; j < columns; j += j < whole ? 4 : 1) {
      long place = b.at(0, column + j) * Float.BYTES;
      for (int i = 0; i < block.rows(); i++) {
        int to = i * columns + j;
        if (j < whole) {
          GemmKernels.dot4(x, i * depth, depth, b.bytes(), place, rowBytes, strip, to);
        } else {
          strip[to] = GemmKernels.dot(x, i * depth, 0, depth, b.bytes(), place);
        }
      }
    }
    for (int i = 0; i < block.rows(); i++) {
      store(block, i * columns, i, column, columns);
    }
  }
}
