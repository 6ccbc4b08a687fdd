package org.gatun.cpu;

import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.Stream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class GemmTest {
  private static final long SEED = 20_240_611;
  private static final int GUARD = 5; // elements before and after each operand: offsets are odd

  private final Random random = new Random(SEED);

  /**
   * Sums in F32 of at most 128 numbers below 1/4, of which each addition rounds one below 32 to 24 bits. Their sum, in
   * double, rounds to F32 in the end only, and no test reads that.
   */
  private static double sumTolerance(int count) {
    double strips = Math.ceilDiv(count, 128);
    return strips * 128 * Math.ulp(16f) / 2;
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void rowsOfAAreSummedOnTheWay(int[] size) {
    for (DType dtype : new DType[]{DType.F32, DType.BF16}) {
      var it = new Case(size[0], size[1], size[2], 1, Form.TN, dtype, false);
      float[] product = it.run(1);
      double[] before = null;
      for (int threads = 1; threads <= 3; threads++) {
        double[] sums = new double[size[0]];
        try (var workers = new Workers(threads)) {
          boolean summed =
              new Gemm(workers).multiplyAndSum(
                  it.c, it.a, it.b, false, all -> System.arraycopy(all, 0, sums, 0, sums.length));
          assertEquals(canBeSummed(it) && X86Kernels.orNull() != null, summed, it.toString());
          assertArrayEquals(product, it.values(), it.toString());
          for (int i = 0; summed && i < sums.length; i++) {
            double wanted = 0;
            for (int k = 0; k < size[2]; k++) {
              wanted += get(it.a, i, k);
            }
            assertEquals(wanted, sums[i], sumTolerance(size[2]), "row " + i + ", " + it);
          }
          assertArrayEquals(before == null ? sums : before, sums, threads + " threads, " + it);
          before = sums;
        }
      }
    }
  }

  /** An A that is packed, or that is read as the other factor. */
  private static boolean canBeSummed(Case it) {
    boolean narrow = it.a.dtype() == DType.F32 && it.a.columnStride() <= 256;
    boolean wholeTiles = it.c.rows() % TILE_COLUMNS == 0 && it.c.columns() % TILE_COLUMNS == 0;
    boolean asOther = it.a.dtype() == DType.F32 && it.b.rowStride() <= 256 && wholeTiles;
    return it.a.columnStride() != 1 && it.c.rows() > 3 && (!narrow || asOther);
  }

  /** How the operands lie: a transposed one has neighbours along its rows' dimension. */
  private enum Form {
    NN(false, false),
    NT(false, true),
    TN(true, false),
    TT(true, true);

    final boolean transposedA;
    final boolean transposedB;

    Form(boolean transposedA, boolean transposedB) {
      this.transposedA = transposedA;
      this.transposedB = transposedB;
    }
  }

  private static Stream<int[]> sizes() {
    var around = Stream.<int[]>builder();
    for (int n = 1; n <= 40; n++) {
      around.add(new int[]{n, 41 - n, 7 + n});
      around.add(new int[]{41 - n, n, n});
    }
    around.add(new int[]{121, 97, 130}); // beyond one packing task and one strip
    around.add(new int[]{5, 17, 3_000}); // three blocks of k
    around.add(new int[]{130, 40, 1_000}); // so deep that the second-level cache holds few rows at a time
    around.add(new int[]{1_600, 20, 70}); // packing tasks of more rows, the last one short
    around.add(new int[]{2_100, 20, 1_000}); // two blocks of rows
    around.add(new int[]{250, 700, 200}); // many chunks and cuts
    around.add(new int[]{3, 50, 769});
    around.add(new int[]{320, 128, 300}); // computed as its transposed
    around.add(new int[]{192, 64, 1_100}); // so too, in two blocks of k
    around.add(new int[]{64, 256, 130}); // columns of A read where they lie
    around.add(new int[]{300, 64, 130}); // columns of A packed
    return around.build();
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void everyFormMatchesOracle(int[] size) {
    for (Form form : Form.values()) {
      for (boolean add : new boolean[]{false, true}) {
        new Case(size[0], size[1], size[2], 1, form, DType.F32, add).check(1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void bf16OperandsMatchOracle(Form form) {
    for (int n : new int[]{1, 2, 4, 15, 16, 17, 33}) {
      new Case(n, 2 * n + 1, n + 3, 1, form, DType.BF16, false).check(2);
      new Case(n, n, 1_601, 1, form, DType.BF16, true).check(2);
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void batchesMatchOracle(Form form) {
    new Case(64, 64, 64, 9, form, DType.F32, false).check(2);
    new Case(5, 19, 33, 40, form, DType.F32, true).check(3);
    new Case(300, 400, 300, 2, form, DType.BF16, false).check(2);
  }

  @Test
  void operandWithBatchStrideZeroServesEveryItem() {
    var c = new Case(7, 18, 12, 6, Form.NN, DType.F32, false);
    c.b = new Matrix(c.b.bytes(), DType.F32, c.b.offset(), 12, 18, 18, 1, 0);
    c.check(2);
  }

  @Test
  void transposedResultIsWritten() {
    try (var workers = new Workers(1)) {
      Matrix a = random(9, 21, DType.F32);
      Matrix b = random(21, 6, DType.F32);
      Matrix c = random(6, 9, DType.F32);
      new Gemm(workers).multiply(c.transposed(), a, b, false);
      for (int i = 0; i < 9; i++) {
        for (int j = 0; j < 6; j++) {
          double magnitude = magnitude(a, b, i, j);
          assertNear(dot(a, b, i, j), get(c, j, i), magnitude, 21, DType.F32, i + ", " + j);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 15, 16, 37, 130})
  void finishesMatchOracle(int n) {
    for (DType dtype : new DType[]{DType.F32, DType.BF16}) {
      for (Gelu form : Gelu.values()) {
        for (int depth : new int[]{20, 1_600}) {
          Matrix bias = random(1, n + 2, dtype);
          Matrix pre = random(n, n + 2, dtype);
          finished(n, depth, dtype, new Finish.Bias(bias));
          finished(n, depth, dtype, new Finish.GeluGradient(pre, form, null));
          finished(n, depth, dtype, new Finish.GeluGradient(pre, form, random(n, n + 2, dtype)));
          finished(n, depth, dtype, new Finish.BiasGelu(bias, pre, form));
          finished(n, depth, dtype, new Finish.BiasGelu(null, pre, form));
        }
      }
    }
  }

  private void finished(int n, int depth, DType dtype, Finish finish) {
    for (boolean add : new boolean[]{false, true}) {
      var c = new Case(n, n + 2, depth, 1, Form.NT, dtype, add);
      c.finish = finish;
      c.check(2);
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void bitsDoNotDependOnTheNumberOfThreads(Form form) {
    for (int[] size : new int[][]{{130, 300, 900}, {2, 600, 300}, {64, 64, 64}, {400, 150, 300}}) {
      var c = new Case(size[0], size[1], size[2], 3, form, DType.F32, false);
      float[] one = c.run(1);
      assertArrayEquals(one, c.run(2), "2 threads, " + c);
      assertArrayEquals(one, c.run(3), "3 threads, " + c);
    }
  }

  @Test
  void nothingButTheResultIsWritten() {
    var c = new Case(6, 19, 8, 1, Form.NN, DType.F32, false);
    c.run(2);
    for (int i = 0; i < GUARD; i++) {
      assertTrue(Float.isNaN(c.c.bytes().getAtIndex(ValueLayout.JAVA_FLOAT, i)));
      assertTrue(Float.isNaN(c.c.bytes().getAtIndex(ValueLayout.JAVA_FLOAT, GUARD + 6 * 19 + i)));
    }
  }

  @Test
  void emptySumsAreZero() {
    var c = new Case(5, 18, 0, 1, Form.NN, DType.F32, false);
    assertArrayEquals(new float[5 * 18], c.run(2));
  }

  @Test
  void nothingIsSummedOfNoRows() {
    var none = new Case(0, 64, 20, 1, Form.TN, DType.F32, false);
    try (var workers = new Workers(2)) {
      assertFalse(new Gemm(workers).multiplyAndSum(none.c, none.a, none.b, false, _ -> {}));
    }
  }

  @Test
  void shapesThatDoNotFitAreNamed() {
    try (var workers = new Workers(1)) {
      Matrix a = random(2, 3, DType.F32);
      var thrown =
          assertThrows(
              IllegalArgumentException.class, () -> new Gemm(workers).multiply(a, a, a, false));
      assertTrue(thrown.getMessage().contains("F32[2, 3] by F32[2, 3]"), thrown.getMessage());
    }
  }

  /** One product and its f64 oracle. */
  private final class Case {
    final int batch;
    final boolean add;
    final Matrix a;
    Matrix b;
    final Matrix c;
    final float[] before;
    Finish finish = Finish.NONE;

    Case(int m, int n, int k, int batch, Form form, DType dtype, boolean add) {
      this.batch = batch;
      this.add = add;
      a = form.transposedA ? random(batch, k, m, dtype).transposed() : random(batch, m, k, dtype);
      b = form.transposedB ? random(batch, n, k, dtype).transposed() : random(batch, k, n, dtype);
      c = random(batch, m, n, dtype);
      before = values();
    }

    float[] run(int threads) {
      return run(threads, X86Kernels.orNull());
    }

    float[] run(int threads, X86Kernels code) {
      for (int i = 0; i < before.length; i++) {
        set(c, i, before[i]);
      }
      try (var workers = new Workers(threads)) {
        new Gemm(workers, null, code).multiply(c, a, b, batch, add, finish);
      }
      return values();
    }

    /**
     * The loops of the Vector API, and those in machine code where there are any, which must give the same bits but for a
     * GELU that is looked up in tables.
     */
    void check(int threads) {
      float[] values = run(threads, null);
      assertMatchesOracle();
      if (X86Kernels.orNull() != null) {
        float[] byCode = run(threads, X86Kernels.orNull());
        if (Lanes.SPECIES.length() < 16 || finish instanceof Finish.None || finish instanceof Finish.Bias) {
          assertArrayEquals(values, byCode, () -> "machine code, " + this);
        } else {
          assertMatchesOracle();
        }
      }
    }

    private void assertMatchesOracle() {
      int elements = c.rows() * c.columns();
      // Of large products the oracle looks at a sample.
      long work = (long) batch * elements * a.columns();
      int step = (int) (work / 1_000_000) | 1;
      for (int at = 0; at < batch * elements; at += step) {
        int item = at / elements;
        int i = at % elements / c.columns();
        int j = at % c.columns();
        double z = dot(a.item(item), b.item(item), i, j) + (add ? before[at] : 0);
        double size = magnitude(a.item(item), b.item(item), i, j) + Math.abs(before[at]) + 1;
        double wanted = expected(z, size, i, j);
        String what = i + ", " + j + " of " + this;
        assertNear(wanted, get(c.item(item), i, j), size, a.columns(), c.dtype(), what);
      }
    }

    private double expected(double z, double size, int i, int j) {
      return switch (finish) {
        case Finish.None() -> z;
        case Finish.Bias(Matrix bias) -> z + get(bias, 0, j);
        case Finish.BiasGelu(Matrix bias, Matrix kept, Gelu form) -> {
          double biased = z + (bias == null ? 0 : get(bias, 0, j));
          assertNear(biased, get(kept, i, j), size, a.columns(), kept.dtype(), "kept " + i + ", " + j);
          yield gelu(biased, form);
        }
        case Finish.GeluGradient(Matrix kept, Gelu form, Matrix gelu) -> {
          double x = get(kept, i, j);
          if (gelu != null) {
            assertNear(gelu(x, form), get(gelu, i, j), 1 + Math.abs(x), 2, gelu.dtype(), "gelu " + i + ", " + j);
          }
          yield z * (gelu(x + 1e-5, form) - gelu(x - 1e-5, form)) / 2e-5;
        }
      };
    }

    private float[] values() {
      float[] values = new float[batch * c.rows() * c.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] = Lanes.get(c.bytes(), c.dtype(), c.offset() + i);
      }
      return values;
    }

    @Override
    public String toString() {
      return c + " = " + a + " by " + b + ", add " + add + ", " + finish + ", seed " + SEED;
    }
  }

  private static double gelu(double x, Gelu form) {
    return switch (form) {
      case TANH -> 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case ERF -> 0.5 * x * (1 + erf(x / Math.sqrt(2)));
    };
  }

  /** The Maclaurin series: exact to 1e-12 for the small arguments of this test. */
  private static double erf(double x) {
    double sum = 0;
    double term = x;
    for (int n = 0; n < 200; n++) {
      sum += term / (2 * n + 1);
      term *= -x * x / (n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  private static double dot(Matrix a, Matrix b, int row, int column) {
    double sum = 0;
    for (int k = 0; k < a.columns(); k++) {
      sum += (double) get(a, row, k) * get(b, k, column);
    }
    return sum;
  }

  /** Σ |a| |b|, which bounds every partial sum. */
  private static double magnitude(Matrix a, Matrix b, int row, int column) {
    double sum = 0;
    for (int k = 0; k < a.columns(); k++) {
      sum += Math.abs((double) get(a, row, k) * get(b, k, column));
    }
    return sum;
  }

  /**
   * Each of k + 16 roundings (the finish has its share) is at most 2⁻²⁴ of a partial sum; no finish
   * is steeper than 1.13. BF16 results are rounded once more, to eight bits.
   */
  private static void assertNear(
      double expected, float actual, double magnitude, int k, DType dtype, String what) {
    double rounded = dtype == DType.BF16 ? 0x1p-8 * Math.abs(expected) : 0;
    double tolerance = 1.13 * (k + 16) * 0x1p-24 * magnitude + rounded;
    assertTrue(
        Math.abs(expected - actual) <= tolerance, // false for NaN
        () -> what + ": expected " + expected + " ± " + tolerance + ", was " + actual);
  }

  private Matrix random(int rows, int columns, DType dtype) {
    return random(1, rows, columns, dtype);
  }

  private Matrix random(int batch, int rows, int columns, DType dtype) {
    int n = batch * rows * columns;
    MemorySegment bytes =
        Arena.ofAuto().allocate((long) (n + 2 * GUARD) * dtype.byteSize(), 64);
    var matrix =
        new Matrix(bytes, dtype, GUARD, rows, columns, columns, 1, (long) rows * columns);
    for (int i = -GUARD; i < n + GUARD; i++) {
      boolean inside = i >= 0 && i < n;
      set(matrix, i, inside ? random.nextFloat() / 2 - 0.25f : Float.NaN);
    }
    return matrix;
  }

  private static float get(Matrix matrix, int row, int column) {
    return Lanes.get(matrix.bytes(), matrix.dtype(), matrix.at(row, column));
  }

  private static void set(Matrix matrix, int index, float value) {
    Lanes.set(matrix.bytes(), matrix.dtype(), matrix.offset() + index, value);
  }
}
