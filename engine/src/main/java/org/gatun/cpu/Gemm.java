package org.gatun.cpu;

import static org.gatun.cpu.GemmProduct.TASK_WORK;

import java.util.Arrays;
import java.util.function.Consumer;
import org.gatun.cpu.GemmProduct.Block;
import org.gatun.tensor.DType;

/**
 * Products of matrices on the host: C = A·B or C += A·B, one or many, with something done to each
 * element on its way to memory.
 *
 * <p>The order is that of Goto and van de Geijn (Anatomy of High-Performance Matrix Multiplication,
 * 2008) with A packed as a whole, unless it can be read where it lies: the team packs a block of A into
 * panels of few rows, then each worker packs columns of B into panels that stay in its second-level cache
 * and multiplies them with all rows of A. How a product is cut depends on its shape alone and every element
 * of C is summed in the order of k, so results do not depend on the number of threads.
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

  private final Workers workers;
  private final SystemBlas blas;
  private final GemmWorker[] members;
  private float[] stripSums = {};
  private double[] rowSums = {};

  Gemm(Workers workers) {
    this(workers, null);
  }

  /** With products by a system's BLAS where it takes the operands; null for none. */
  Gemm(Workers workers, SystemBlas blas) {
    this(workers, blas, X86Kernels.orNull());
  }

  /** With loops in machine code; null for those of the Vector API. */
  Gemm(Workers workers, SystemBlas blas, X86Kernels code) {
    this.workers = workers;
    this.blas = blas;
    members = new GemmWorker[workers.threads()];
    Arrays.setAll(members, _ -> new GemmWorker(code));
  }

  /** c = a·b, or c += a·b. */
  void multiply(Matrix c, Matrix a, Matrix b, boolean add) {
    multiply(c, a, b, 1, add, Finish.NONE);
  }

  /** c[i] = finish(a[i]·b[i]), or of c[i] + a[i]·b[i], for i in [0, batch). */
  void multiply(Matrix c, Matrix a, Matrix b, int batch, boolean add, Finish finish) {
    requireFit(c, a, b);
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
              members[worker].multiply(product(c, a, b, i, add, finish));
            }
          });
    } else {
      for (int i = 0; i < batch; i++) {
        together(product(c, a, b, i, add, finish), null);
      }
    }
  }

  private static void requireFit(Matrix c, Matrix a, Matrix b) {
    if (a.columns() != b.rows() || c.rows() != a.rows() || c.columns() != b.columns()) {
      throw new IllegalArgumentException(
          "multiply: " + a + " by " + b + " does not give " + c + "; pass transposed() views where needed");
    }
  }

  /**
   * c = a·b, or c += a·b, and the sum of each row of a on the way, while it is packed as the one factor or the other.
   *
   * @param then takes the sums, as many elements of an array as a has rows; the next product overwrites them
   * @return whether that was so; false if this product is computed in a way that sums nothing: only the product is there
   */
  boolean multiplyAndSum(Matrix c, Matrix a, Matrix b, boolean add, Consumer<double[]> then) {
    requireFit(c, a, b);
    GemmProduct product = new GemmProduct(c, a, b, add, 0, Finish.NONE);
    GemmPacking packing = members[0].packing();
    boolean transposes = packing.transposes(product);
    boolean packed = transposes || packing.sumsRows(a);
    boolean summed = packed && c.rows() > MAX_DOT_ROWS && c.columns() > 0 && c.columnStride() == 1;
    if (!summed || blas != null && SystemBlas.takes(c, a, b)) {
      multiply(c, a, b, add);
      return false;
    }
    int length = product.strips() * product.sumsDistance();
    stripSums = stripSums.length < length ? new float[length] : stripSums;
    together(transposes ? product.transposed() : product, stripSums);
    workers.run(1, (_, _) -> then.accept(rowSums(product)));
    return true;
  }

  /** From those of the strips, one after the other. */
  private double[] rowSums(GemmProduct product) {
    int rows = product.c().rows();
    rowSums = rowSums.length < rows ? new double[rows] : rowSums;
    Arrays.fill(rowSums, 0, rows, 0);
    for (int strip = 0; strip < product.strips(); strip++) {
      int at = strip * product.sumsDistance();
      for (int i = 0; i < rows; i++) {
        rowSums[i] += stripSums[at + i];
      }
    }
    return rowSums;
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
            members[worker].multiplyPart(blas, product, from, n, 0, c.columns());
          } else {
            members[worker].multiplyPart(blas, product, 0, c.rows(), from, n);
          }
        });
  }

  private GemmProduct product(Matrix c, Matrix a, Matrix b, int i, boolean add, Finish finish) {
    var product = new GemmProduct(c.item(i), a.item(i), b.item(i), add, i, finish);
    GemmPacking packing = members[0].packing();
    boolean better = blas == null && packing.packs(a) && packing.transposes(product);
    return better ? product.transposed() : product;
  }

  /** The whole team on one product; {@code sums} of A's rows if they are packed, else of B's columns; null for none. */
  private void together(GemmProduct product, float[] sums) {
    if (product.c().rows() <= MAX_DOT_ROWS && product.b().rowStride() == 1 && product.b().dtype() == DType.F32) {
      dots(product);
      return;
    }
    GemmPacking packing = members[0].packing();
    boolean packs = packing.packs(product.a());
    float[] packedA = packing.roomForA(product);
    float[] sumsOfB = packs ? null : sums;
    Matrix partial = members[0].partial(product);
    for (int row = 0; row < product.c().rows(); row += product.rows()) {
      for (int k = 0; k < product.depths(); k++) {
        Block block = product.block(row, k, partial);
        if (packs) {
          workers.run(
              packing.packings(block), (task, worker) -> members[worker].packing().packA(block, task, packedA, sums));
        }
        int cuts = block.cuts();
        int own = cuts / (packing.readsRows(product.a()) ? block.shares(workers.threads()) : 1);
        workers.run(
            block.chunks() * cuts,
            (task, worker) -> {
              int share = task / (own * block.chunks());
              int rest = task % (own * block.chunks());
              members[worker].multiply(block, packedA, rest / own, share * own + rest % own, cuts, sumsOfB);
            });
      }
    }
  }

  /** Few rows of A, as when text is generated: bound by the bandwidth with which B is read. */
  private void dots(GemmProduct product) {
    Matrix a = product.a();
    int depth = a.columns();
    float[] x = members[0].packing().roomForA(a.rows() * depth);
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
          members[worker].dots(block, x, from, Math.min(columns - from, share));
        });
  }

  private static int roundUp(int n, int multiple) {
    return Math.ceilDiv(n, multiple) * multiple;
  }
}
