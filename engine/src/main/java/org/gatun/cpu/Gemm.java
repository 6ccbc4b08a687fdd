package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.gatun.cpu.GemmKernels.FEW_ROWS;
import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;
import static org.gatun.cpu.GemmKernels.TILE_ROWS;
import static org.gatun.cpu.GemmKernels.step;
import static org.gatun.cpu.GemmProduct.MAX_SWEEP;
import static org.gatun.cpu.GemmProduct.NEAR_DEPTH;
import static org.gatun.cpu.GemmProduct.TASK_WORK;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.gatun.cpu.GemmProduct.Block;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;

/**
 * Products of matrices on the host: C = A·B or C += A·B, one or many, with something done to each
 * element on its way to memory.
 *
 * <p>The order is that of Goto and van de Geijn (Anatomy of High-Performance Matrix Multiplication,
 * 2008) with A packed as a whole: the team packs a block of A into panels of few rows, then each worker
 * packs columns of B into panels that stay in its second-level cache and multiplies them with all
 * panels of A. How a product is cut depends on its shape alone and every element of C is summed in the
 * order of k, so results do not depend on the number of threads.
 *
 * <p>One instance serves one thread at a time, like the {@link Workers} it uses.
 */
final class Gemm {
  /** Shares of a product of a system's BLAS for each worker: more wait less for each other, and pack a factor more often. */
  private static final int BLAS_SHARES = 2;

  /** Rows or columns that those shares are multiples of, so that a library's tiles and the lines of C are whole. */
  private static final int BLAS_UNIT = 16;

  /** Up to so many rows of A, B is read in place instead of being packed. */
  private static final int MAX_DOT_ROWS = 3;

  private static final float[] ZEROS = new float[TILE_COLUMNS];

  private final Workers workers;
  private final SystemBlas blas;
  private final Scratch[] scratches;
  private float[] packedA = {};
  private MemorySegment sums = MemorySegment.NULL;

  Gemm(Workers workers) {
    this(workers, null);
  }

  /** With products by a system's BLAS where it takes the operands; null for none. */
  Gemm(Workers workers, SystemBlas blas) {
    this.workers = workers;
    this.blas = blas;
    scratches = new Scratch[workers.threads()];
    Arrays.setAll(scratches, _ -> new Scratch());
  }

  /** c = a·b, or c += a·b. */
  void multiply(Matrix c, Matrix a, Matrix b, boolean add) {
    multiply(c, a, b, 1, add, Finish.NONE);
  }

  /** c[i] = finish(a[i]·b[i]), or of c[i] + a[i]·b[i], for i in [0, batch). */
  void multiply(Matrix c, Matrix a, Matrix b, int batch, boolean add, Finish finish) {
    if (a.columns() != b.rows() || c.rows() != a.rows() || c.columns() != b.columns()) {
      throw new IllegalArgumentException(
          "multiply: " + a + " by " + b + " does not give " + c + "; pass transposed() views where needed");
    }
    if (c.columnStride() != 1) {
      if (c.rowStride() != 1 || !(finish instanceof Finish.None)) {
        throw new IllegalArgumentException("multiply: the columns of " + c + " must be neighbours in memory");
      }
      multiply(c.transposed(), b.transposed(), a.transposed(), batch, add, finish);
      return;
    }
    if (c.rows() == 0 || c.columns() == 0) {
      return;
    }
    if (blas != null && SystemBlas.takes(c, a, b)) {
      multiplyByBlas(c, a, b, batch, add, finish);
      return;
    }
    long work = (long) c.rows() * c.columns() * a.columns();
    if (batch > 1 && work < 16L * TASK_WORK) {
      int items = Math.clamp(TASK_WORK / (work + 1), 1, batch);
      workers.run(
          Math.ceilDiv(batch, items),
          (task, worker) -> {
            for (int i = task * items; i < Math.min(batch, (task + 1) * items); i++) {
              alone(product(c, a, b, i, add, finish), scratches[worker]);
            }
          });
    } else {
      for (int i = 0; i < batch; i++) {
        together(product(c, a, b, i, add, finish));
      }
    }
  }

  /**
   * Each worker has the system's BLAS compute parts of rows or of columns, and finishes them. The library is
   * not left to use threads of its own: they would wait for work in a loop, on the cores where ours do the
   * rest of a step.
   */
  private void multiplyByBlas(Matrix c, Matrix a, Matrix b, int batch, boolean add, Finish finish) {
    boolean byRows = c.rows() > c.columns();
    int length = byRows ? c.rows() : c.columns();
    int share = Math.ceilDiv(length, BLAS_SHARES * workers.threads() * BLAS_UNIT) * BLAS_UNIT;
    int shares = Math.ceilDiv(length, share);
    workers.run(
        batch * shares,
        (task, worker) -> {
          GemmProduct product = product(c, a, b, task / shares, add, finish);
          int from = task % shares * share;
          int n = Math.min(length - from, share);
          if (byRows) {
            multiplyPartByBlas(product, from, n, 0, c.columns(), scratches[worker]);
          } else {
            multiplyPartByBlas(product, 0, c.rows(), from, n, scratches[worker]);
          }
        });
  }

  private void multiplyPartByBlas(GemmProduct product, int row, int rows, int column, int columns, Scratch scratch) {
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
    float[] strip = scratch.strip = grown(scratch.strip, columns);
    for (int i = row; i < row + rows; i++) {
      Lanes.load(strip, 0, c.bytes(), c.dtype(), c.at(i, column), columns);
      finish(product, scratch, 0, i, column, columns);
      Lanes.store(c.bytes(), c.dtype(), c.at(i, column), strip, 0, columns);
    }
  }

  private static GemmProduct product(Matrix c, Matrix a, Matrix b, int i, boolean add, Finish finish) {
    return new GemmProduct(c.item(i), a.item(i), b.item(i), add, i, finish);
  }

  /** Arrays of one worker, grown as needed. */
  private static final class Scratch {
    float[] packedA = {};
    float[] packedB = {};
    MemorySegment sums = MemorySegment.NULL;
    Block packedFor;
    int packedChunk;
    float[] strip = {};
    float[] line = {};
    private MemorySegment wide = MemorySegment.NULL;

    /** The same elements in F32, in the same order, without gaps. */
    Matrix widened(Matrix x) {
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
  }

  /** The whole team on one product. */
  private void together(GemmProduct product) {
    if (product.c().rows() <= MAX_DOT_ROWS && product.b().rowStride() == 1 && product.b().dtype() == DType.F32) {
      dots(product);
      return;
    }
    packedA = grown(packedA, product.packedRows() * product.depth());
    Matrix partial = product.c();
    if (product.needsSums()) {
      sums = grown(sums, (long) product.c().rows() * product.c().columns());
      partial = Matrix.of(sums, DType.F32, 0, product.c().rows(), product.c().columns());
    }
    for (int row = 0; row < product.c().rows(); row += product.rows()) {
      for (int k = 0; k < product.depths(); k++) {
        Block block = product.block(row, k, partial);
        workers.run(
            Math.ceilDiv(block.rows(), block.packed()),
            (task, worker) -> packA(block, task, packedA, scratches[worker]));
        int cuts = block.cuts();
        workers.run(
            block.chunks() * cuts,
            (task, worker) -> multiply(block, packedA, scratches[worker], task / cuts, task % cuts, cuts));
      }
    }
  }

  /** One worker on one product of a batch. */
  private static void alone(GemmProduct product, Scratch scratch) {
    scratch.packedA = grown(scratch.packedA, product.packedRows() * product.depth());
    Matrix partial = product.c();
    if (product.needsSums()) {
      scratch.sums = grown(scratch.sums, (long) product.c().rows() * product.c().columns());
      partial = Matrix.of(scratch.sums, DType.F32, 0, product.c().rows(), product.c().columns());
    }
    for (int row = 0; row < product.c().rows(); row += product.rows()) {
      for (int k = 0; k < product.depths(); k++) {
        Block block = product.block(row, k, partial);
        for (int task = 0; task < Math.ceilDiv(block.rows(), block.packed()); task++) {
          packA(block, task, scratch.packedA, scratch);
        }
        for (int chunk = 0; chunk < block.chunks(); chunk++) {
          multiply(block, scratch.packedA, scratch, chunk, 0, 1);
        }
      }
    }
  }

  private static void packA(Block block, int task, float[] packedA, Scratch scratch) {
    int from = task * block.packed();
    int to = Math.min(block.rows(), from + block.packed());
    int wide = from + (to - from) / TILE_ROWS * TILE_ROWS;
    Matrix a = block.product().a();
    Matrix large = part(a, block, block.row() + from, wide - from, scratch);
    GemmPanels.pack(large, TILE_ROWS, step(TILE_ROWS), packedA, block.panel(from));
    Matrix few = part(a, block, block.row() + wide, to - wide, scratch);
    GemmPanels.pack(few, FEW_ROWS, step(FEW_ROWS), packedA, block.panel(wide));
  }

  private static void packB(Block block, int chunk, Scratch scratch) {
    if (scratch.packedFor == block && scratch.packedChunk == chunk) {
      return;
    }
    scratch.packedB = grown(scratch.packedB, block.chunk() * Math.max(1, block.depth())); // the kernels look at the first of k
    Matrix b = block.product().b().transposed();
    int from = chunk * block.chunk();
    int columns = Math.min(b.rows() - from, block.chunk());
    GemmPanels.pack(part(b, block, from, columns, scratch), TILE_COLUMNS, TILE_COLUMNS, scratch.packedB, 0);
    scratch.packedFor = block;
    scratch.packedChunk = chunk;
  }

  /** Rows of x over a block's part of k; BF16 is widened first, so that packing knows F32 alone. */
  private static Matrix part(Matrix x, Block block, int row, int rows, Scratch scratch) {
    Matrix part = x.part(row, block.from(), rows, block.depth());
    return x.dtype() == DType.F32 ? part : scratch.widened(part);
  }

  /** A chunk of columns with the {@code cut}-th part of a block's rows. */
  private static void multiply(
      Block block, float[] packedA, Scratch scratch, int chunk, int cut, int cuts) {
    packB(block, chunk, scratch);
    int tiles = Math.ceilDiv(block.rows(), TILE_ROWS);
    int end = Math.min(block.rows(), (int) ((long) tiles * (cut + 1) / cuts) * TILE_ROWS);
    int sweep = block.sweep();
    for (int row = (int) ((long) tiles * cut / cuts) * TILE_ROWS; row < end; row += sweep) {
      sweep(block, packedA, scratch, chunk, row, Math.min(end - row, sweep));
    }
  }

  /**
   * Some panels of A with all panels of a chunk of B. So much of k is taken at a time that this part of a
   * panel of B stays in the first-level cache while those of A pass; what is summed so far waits in the
   * strip: tiles one behind the other, or whole rows where something is done to them in the end.
   */
  private static void sweep(Block block, float[] packedA, Scratch scratch, int chunk, int row, int rows) {
    int from = chunk * block.chunk();
    int columns = Math.min(block.product().c().columns() - from, block.chunk());
    boolean storesTiles = block.storesTiles();
    int stride = storesTiles ? TILE_COLUMNS : roundUp(columns, TILE_COLUMNS);
    float[] strip = scratch.strip = grown(scratch.strip, (MAX_SWEEP + TILE_ROWS) * block.chunk());
    float[] bias = bias(block, scratch, from, columns);
    int parts = Math.max(1, Math.ceilDiv(block.depth(), NEAR_DEPTH));
    for (int j = 0; j < columns; j += TILE_COLUMNS) {
      for (int part = 0; part < parts; part++) {
        int k = (int) ((long) block.depth() * part / parts);
        int depth = (int) ((long) block.depth() * (part + 1) / parts) - k;
        int b = j * block.depth() + k * TILE_COLUMNS;
        for (int i = 0; i < rows;) {
          int height = rows - i >= TILE_ROWS ? TILE_ROWS : FEW_ROWS;
          int a = block.panel(row + i) + k * step(height);
          int at = !storesTiles ? i * stride + j : parts > 1 ? i * stride : 0;
          if (part == 0) {
            GemmKernels.multiply(height, depth, packedA, a, scratch.packedB, b, ZEROS, 0, 0, strip, at, stride);
          } else {
            GemmKernels.multiply(height, depth, packedA, a, scratch.packedB, b, strip, at, stride, strip, at, stride);
          }
          if (storesTiles && part == parts - 1) {
            int whole = Math.min(height, block.rows() - row - i);
            int wide = Math.min(TILE_COLUMNS, columns - j);
            storeTile(block, strip, at, bias, j, block.row() + row + i, whole, from + j, wide);
          }
          i += height;
        }
      }
    }
    for (int i = 0; !storesTiles && i < Math.min(rows, block.rows() - row); i++) {
      store(block, scratch, i * stride, block.row() + row + i, from, columns);
    }
  }

  /** What is added to the columns of a chunk when their sums are complete; null for nothing. */
  private static float[] bias(Block block, Scratch scratch, int column, int columns) {
    if (!block.storesTiles() || !block.last() || !(block.product().finish() instanceof Finish.Bias(Matrix bias))) {
      return null;
    }
    scratch.line = grown(scratch.line, columns);
    Lanes.load(scratch.line, 0, bias.bytes(), bias.dtype(), bias.at(0, column), columns);
    return scratch.line;
  }

  /**
   * Brings a tile to F32 C while it is in the first-level cache: its few stores wait for memory while the
   * next tile is computed.
   */
  private static void storeTile(
      Block block, float[] tile, int tileAt, float[] bias, int biasAt, int row, int rows, int column, int columns) {
    Matrix c = block.product().c();
    if (columns == TILE_COLUMNS) {
      long place = c.at(row, column) * Float.BYTES;
      long rowBytes = c.rowStride() * Float.BYTES;
      if (bias != null) {
        GemmKernels.storeBiased(tile, tileAt, rows, bias, biasAt, c.bytes(), place, rowBytes);
      } else if (block.adds()) {
        GemmKernels.storeAdded(tile, tileAt, rows, c.bytes(), place, rowBytes);
      } else {
        GemmKernels.store(tile, tileAt, rows, c.bytes(), place, rowBytes);
      }
      return;
    }
    for (int i = 0; i < rows; i++) {
      int at = tileAt + i * TILE_COLUMNS;
      if (bias != null) {
        Lanes.axpy(tile, at, 1f, bias, biasAt, columns);
      }
      Lanes.store(block.adds(), c.bytes(), c.dtype(), c.at(row + i, column), tile, at, columns);
    }
  }

  /** Brings n elements of a row from the strip to where they belong: partial sums, or finished, C. */
  private static void store(Block block, Scratch scratch, int at, int row, int column, int n) {
    GemmProduct product = block.product();
    boolean add = block.adds();
    Matrix to = block.last() ? product.c() : block.sums();
    Matrix from = block.first() ? product.c() : block.sums();
    if (block.last() && !(product.finish() instanceof Finish.None) || add && from != to) {
      if (add) {
        add(from, row, column, scratch, at, n);
      }
      if (block.last()) {
        finish(product, scratch, at, row, column, n);
      }
      add = false;
    }
    Lanes.store(add, to.bytes(), to.dtype(), to.at(row, column), scratch.strip, at, n);
  }

  /** Adds n elements of a matrix to the strip. */
  private static void add(Matrix x, int row, int column, Scratch scratch, int at, int n) {
    scratch.line = grown(scratch.line, n);
    Lanes.load(scratch.line, 0, x.bytes(), x.dtype(), x.at(row, column), n);
    Lanes.axpy(scratch.strip, at, 1f, scratch.line, 0, n);
  }

  private static void finish(GemmProduct product, Scratch scratch, int at, int row, int column, int n) {
    float[] strip = scratch.strip;
    switch (product.finish()) {
      case Finish.None() -> {}
      case Finish.Bias(Matrix bias) -> add(bias, 0, column, scratch, at, n);
      case Finish.BiasGelu(Matrix bias, Matrix preActivation, Gelu form) -> {
        if (bias != null) {
          add(bias, 0, column, scratch, at, n);
        }
        Matrix kept = preActivation.item(product.index());
        Lanes.store(kept.bytes(), kept.dtype(), kept.at(row, column), strip, at, n);
        Lanes.gelu(strip, at, strip, at, n, form);
      }
      case Finish.GeluGradient(Matrix preActivation, Gelu form) -> {
        Matrix kept = preActivation.item(product.index());
        scratch.line = grown(scratch.line, n);
        Lanes.load(scratch.line, 0, kept.bytes(), kept.dtype(), kept.at(row, column), n);
        Lanes.geluGradient(strip, at, scratch.line, 0, n, form);
      }
    }
  }

  /** Few rows of A, as when text is generated: bound by the bandwidth with which B is read. */
  private void dots(GemmProduct product) {
    Matrix a = product.a();
    int depth = a.columns();
    float[] x = grown(packedA, a.rows() * depth);
    packedA = x;
    for (int i = 0; i < a.rows(); i++) {
      for (int k = 0; a.columnStride() != 1 && k < depth; k++) {
        x[i * depth + k] = Lanes.get(a.bytes(), a.dtype(), a.at(i, k));
      }
      if (a.columnStride() == 1) {
        Lanes.load(x, i * depth, a.bytes(), a.dtype(), a.at(i, 0), depth);
      }
    }
    Block block = new Block(product, 0, a.rows(), 0, depth, true, true, product.c());
    int columns = product.c().columns();
    int share = roundUp(Math.clamp(TASK_WORK / 8 / (depth + 1L), 4, Math.max(4, columns)), 4);
    workers.run(
        Math.ceilDiv(columns, share),
        (task, worker) -> {
          int from = task * share;
          dots(block, x, scratches[worker], from, Math.min(columns - from, share));
        });
  }

  private static void dots(Block block, float[] x, Scratch scratch, int column, int columns) {
    Matrix b = block.product().b();
    int depth = block.depth();
    long rowBytes = b.columnStride() * Float.BYTES;
    float[] strip = scratch.strip = grown(scratch.strip, block.rows() * columns);
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
      store(block, scratch, i * columns, i, column, columns);
    }
  }

  private static float[] grown(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }

  private static MemorySegment grown(MemorySegment floats, long length) {
    long bytes = length * Float.BYTES;
    return floats.byteSize() >= bytes ? floats : Arena.ofAuto().allocate(bytes, 64);
  }

  private static int roundUp(int n, int multiple) {
    return Math.ceilDiv(n, multiple) * multiple;
  }
}
