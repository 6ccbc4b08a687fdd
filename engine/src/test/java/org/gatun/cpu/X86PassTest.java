package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;
import static org.gatun.cpu.Tiles.SIDE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BinaryOperator;
import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.gatun.cpu.X86Kernels.Rows;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Machine code against the Vector API: to the last bit where both do the same steps, else against sums in double. */
class X86PassTest {
  private static final long SEED = 20_261_129;
  private static final int LANES = SPECIES.length();
  private static final int GUARD = 3; // floats around each operand; odd, so that nothing is aligned
  private static final float KEPT = 1234.5f;
  private static final int[] SIZES = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 63, 64, 65, 100, 128, 200};
  private static final float[] SPECIAL = {
    0f, -0f, 1f, -1f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.MIN_VALUE, -Float.MIN_VALUE,
    Float.MIN_NORMAL, Float.MAX_VALUE, -Float.MAX_VALUE, 88.7f, 89f, 90f, -87f, -87.1f, -104f, -105f, -106f, 1e-8f, 8f,
    -9f, -9.1f,
  };

  private final Random random = new Random(SEED);

  @BeforeEach
  void find() {
    assumeTrue(X86Pass.AVAILABLE, () -> "no machine code: " + X86Kernels.obstacle());
  }

  @Test
  void functionsMatchTheVectorApiBitByBit() {
    check(X86Pass.EXP, Lanes::exp);
    check(X86Pass.LOG, Lanes::log);
    check(X86Pass.ADD, FloatVector::add);
    check(X86Pass.SUBTRACT, FloatVector::sub);
    check(X86Pass.MULTIPLY, FloatVector::mul);
  }

  private void check(X86Pass pass, UnaryOperator<FloatVector> wanted) {
    for (int n : SIZES) {
      float[] x = sample(n);
      float[] y = room(n);
      pass.run(n, Rows.of(x, GUARD), Rows.of(y, GUARD));
      assertSame(pass, n, apply((a, _) -> wanted.apply(a), x, x, n), y);
      pass.run(n, Rows.of(x, GUARD), Rows.of(x, GUARD));
      assertSame(pass, n, Arrays.copyOfRange(y, GUARD, GUARD + n), x);
    }
  }

  private void check(X86Pass pass, BinaryOperator<FloatVector> wanted) {
    for (int n : SIZES) {
      float[] a = sample(n);
      float[] b = sample(n);
      float[] y = room(n);
      pass.run(n, Rows.of(a, GUARD), Rows.of(b, GUARD), Rows.of(y, GUARD));
      assertSame(pass, n, apply(wanted, a, b, n), y);
    }
  }

  @Test
  void sumsAreThoseOfTheirElements() {
    for (int n : SIZES) {
      float[] a = random(n);
      float[] b = random(n);
      double sum = 0;
      double dot = 0;
      double squares = 0;
      float largest = Float.NEGATIVE_INFINITY;
      for (int i = GUARD; i < GUARD + n; i++) {
        sum += a[i];
        dot += (double) a[i] * b[i];
        squares += (double) a[i] * a[i];
        largest = Math.max(largest, a[i]);
      }
      assertEquals(sum, X86Pass.SUM.run(n, of(a)), tolerance(n));
      assertEquals(dot, X86Pass.DOT.run(n, of(a), of(b)), tolerance(n));
      assertEquals(largest, X86Pass.LARGEST.run(n, of(a)));
      if (n % LANES == 0) {
        float[] lanes = new float[2 * LANES]; // room for as many doubles as a vector has floats
        X86Pass.SQUARES.run(n / LANES, of(a), Rows.of(lanes, 0));
        double sumOfSquares = 0;
        for (int i = 0; i < LANES; i++) {
          sumOfSquares += MemorySegment.ofArray(lanes).get(ValueLayout.JAVA_DOUBLE_UNALIGNED, (long) i * Double.BYTES);
        }
        assertEquals(squares, sumOfSquares, 1e-13 * n);
      }
    }
  }

  @Test
  void softmaxMatchesTheVectorApiBitByBit() {
    for (int n : SIZES) {
      float[] x = random(n);
      float[] wanted = Arrays.copyOfRange(x, GUARD, GUARD + n + LANES);
      float sum = 0;
      FloatVector sums = FloatVector.zero(SPECIES);
      for (int i = 0; i < n; i += LANES) {
        var inside = SPECIES.indexInRange(i, n);
        FloatVector e = SoftmaxLanes.exp(FloatVector.fromArray(SPECIES, wanted, i, inside).sub(1f));
        sums = sums.add(e, inside);
        e.intoArray(wanted, i, inside);
      }
      float[] copy = x.clone();
      sum = X86Pass.SOFTMAX_SUM.run(n, 1f, of(x));
      assertEquals(Lanes.sum(sums), sum);
      assertSame("sum", n, wanted, x);
      X86Pass.SOFTMAX_SCALE.run(1, n, 1f, 0.5f, of(copy));
      for (int i = 0; i < n; i++) {
        wanted[i] *= 0.5f;
      }
      assertSame("scale", n, wanted, copy);
    }
  }

  @Test
  void tilesArePassedDownTheirColumns() {
    for (int rows : new int[]{1, 2, 3, 4, 5, 17, SIDE}) {
      float[] scores = random(SIDE * SIDE);
      float[] gradients = random(SIDE * SIDE);
      float[] before = scores.clone();
      float[] old = gradients.clone();
      int columns = 2 * LANES;
      float[] largest = random(columns);
      float[] total = random(columns);
      float[] wantedLargest = largest.clone();
      float[] wantedTotal = total.clone();
      Rows tile = Rows.of(scores, GUARD, LANES);
      Rows shifts = Rows.of(largest, GUARD, LANES);
      X86Pass.TILE_LARGEST.runRows(2, rows, tile, shifts);
      X86Pass.TILE_SOFTMAX.runRows(2, rows, tile, shifts, Rows.of(total, GUARD, LANES));
      for (int j = GUARD; j < GUARD + columns; j++) {
        for (int i = 0; i < rows; i++) {
          wantedLargest[j] = Math.max(wantedLargest[j], before[i * SIDE + j]);
        }
        for (int i = 0; i < rows; i++) {
          float e = softmaxExp(before[i * SIDE + j] - wantedLargest[j]);
          assertEquals(e, scores[i * SIDE + j]);
          wantedTotal[j] += e;
        }
      }
      assertArrayEquals(wantedLargest, largest);
      assertArrayEquals(wantedTotal, total);
      scores = before.clone();
      X86Pass.TILE_SOFTMAX_GRADIENT.runRows(
          2, rows, Rows.of(scores, GUARD, LANES), Rows.of(gradients, GUARD, LANES));
      for (int i = 0; i < rows; i++) {
        for (int j = GUARD; j < GUARD + columns; j++) {
          float e = softmaxExp(before[i * SIDE + j]);
          assertEquals(e, scores[i * SIDE + j]);
          assertEquals(e * old[i * SIDE + j], gradients[i * SIDE + j]);
        }
      }
    }
  }

  @Test
  void aRowWithoutKeysStaysWithoutProbabilities() {
    float[] scores = new float[SIDE * SIDE];
    float[] largest = new float[LANES];
    float[] total = new float[LANES];
    Arrays.fill(scores, Float.NEGATIVE_INFINITY);
    Arrays.fill(largest, Float.NEGATIVE_INFINITY);
    X86Pass.TILE_SOFTMAX.run(5, Rows.of(scores, 0), Rows.of(largest, 0), Rows.of(total, 0));
    assertArrayEquals(new float[LANES], total);
  }

  @Test
  void normsMatchTheirFormulasRowByRow() {
    for (int n : SIZES) {
      int rows = 1 + random.nextInt(4);
      int distance = n + 5;
      float[] x = random(rows * distance);
      float[] dy = random(rows * distance);
      float[] weight = random(n);
      float[] bias = random(n);
      float[] numbers = new float[4 * rows];
      Rows each = Rows.of(numbers, 0, 4);
      Rows input = Rows.of(x, GUARD, distance);
      X86Pass.NORM_MEAN.runRows(rows, n, input, each);
      for (int r = 0; r < rows; r++) {
        assertEquals(sum(x, r * distance, n, 0, 1), numbers[4 * r], tolerance(n));
        numbers[4 * r] = 0.125f * r;
      }
      X86Pass.NORM_DEVIATION.runRows(rows, n, input, each);
      for (int r = 0; r < rows; r++) {
        assertEquals(sum(x, r * distance, n, 0.125f * r, 2), numbers[4 * r + 1], 4 * tolerance(n));
        numbers[4 * r + 1] = 1 + 0.5f * r;
      }
      float[] y = room(rows * distance);
      Arrays.fill(y, KEPT);
      X86Pass.NORMALIZE.runRows(rows, n, input, of(weight), of(bias), Rows.of(y, GUARD, distance), each);
      float[] dweight = random(n);
      float[] dbias = random(n);
      float[] wantedDweight = dweight.clone();
      float[] wantedDbias = dbias.clone();
      X86Pass.NORM_SUMS.runRows(
          rows, n, Rows.of(dy, GUARD, distance), input, of(weight), of(dweight), of(dbias), each);
      float[] dx = room(rows * distance);
      Arrays.fill(dx, KEPT);
      for (int r = 0; r < rows; r++) {
        double sum = 0;
        double dot = 0;
        for (int j = 0; j < n; j++) {
          int i = GUARD + r * distance + j;
          float normed = (x[i] - numbers[4 * r]) * numbers[4 * r + 1];
          assertEquals(Math.fma(normed, weight[GUARD + j], bias[GUARD + j]), y[i]);
          wantedDweight[GUARD + j] = Math.fma(dy[i], normed, wantedDweight[GUARD + j]);
          wantedDbias[GUARD + j] += dy[i];
          float g = dy[i] * weight[GUARD + j];
          sum += g;
          dot += (double) g * normed;
        }
        assertEquals(sum, numbers[4 * r + 2], tolerance(n));
        assertEquals(dot, numbers[4 * r + 3], 4 * tolerance(n));
        numbers[4 * r + 2] = 0.25f;
        numbers[4 * r + 3] = 0.75f + r;
      }
      assertArrayEquals(wantedDweight, dweight);
      assertArrayEquals(wantedDbias, dbias);
      X86Pass.NORM_GRADIENT.runRows(
          rows, n, Rows.of(dy, GUARD, distance), input, of(weight), of(bias), Rows.of(dx, GUARD, distance), each);
      for (int r = 0; r < rows; r++) {
        for (int j = 0; j < distance; j++) {
          int i = GUARD + r * distance + j;
          if (j >= n) {
            assertEquals(KEPT, y[i]);
            assertEquals(KEPT, dx[i]);
            continue;
          }
          float normed = (x[i] - numbers[4 * r]) * numbers[4 * r + 1];
          float g = dy[i] * weight[GUARD + j] - 0.25f;
          assertEquals(Math.fma(normed, -(0.75f + r), g) * numbers[4 * r + 1] + bias[GUARD + j], dx[i]);
        }
      }
    }
  }

  /** A chain of n additions of numbers below 1, each rounded by half an ulp of a partial sum below n; and room for none. */
  private static double tolerance(int n) {
    return Math.ulp((float) n) * n / 2 + 1e-12;
  }

  /** Σ (x - from)ᵖ, p being 1 or 2. */
  private static double sum(float[] x, int at, int n, float from, int power) {
    double sum = 0;
    for (int i = GUARD + at; i < GUARD + at + n; i++) {
      double d = (double) x[i] - from;
      sum += power == 1 ? d : d * d;
    }
    return sum;
  }

  @Test
  void passesWithNumbersMatchTheirFormulasBitByBit() {
    for (int n : SIZES) {
      float[] x = random(n);
      float[] y = random(n);
      float[] before = y.clone();
      X86Pass.AXPY.run(n, 0.3f, of(x), of(y));
      float[] sum = room(n);
      X86Pass.ADD_NUMBER.run(n, 0.3f, of(x), of(sum));
      for (int i = GUARD; i < GUARD + n; i++) {
        assertEquals(Math.fma(x[i], 0.3f, before[i]), y[i]);
        assertEquals(x[i] + 0.3f, sum[i]);
      }
      assertGuards(n, y, sum);
    }
  }

  @Test
  void rowsHaveNumbersOfTheirOwn() {
    for (int n : SIZES) {
      int rows = 3;
      int distance = n + 5;
      float[] a = random(rows * distance);
      float[] b = random(rows * distance);
      float[] numbers = {0.5f, -3, 7};
      float[] y = room(rows * distance);
      float[] dots = new float[rows];
      X86Pass.SCALE_ROWS.runRows(
          rows, n, Rows.of(a, GUARD, distance), Rows.of(numbers, 0, 1), Rows.of(y, GUARD, distance));
      X86Pass.DOT_ROWS.runRows(
          rows, n, Rows.of(a, GUARD, distance), Rows.of(b, GUARD, distance), Rows.of(dots, 0, 1));
      for (int r = 0; r < rows; r++) {
        double dot = 0;
        for (int j = 0; j < distance; j++) {
          int i = GUARD + r * distance + j;
          assertEquals(j < n ? a[i] * numbers[r] : KEPT, y[i]);
          dot += j < n ? (double) a[i] * b[i] : 0;
        }
        assertEquals(dot, dots[r], tolerance(n));
      }
    }
  }

  @Test
  void adamwMatchesItsFormulaBitByBit() {
    float[] by = {0.5f, 0.99f, 0.9f, 0.1f, 0.95f, 0.05f, -0.01f, 1.25f, 1e-8f};
    for (int n : SIZES) {
      float[] p = random(n);
      float[] g = random(n);
      float[] m = random(n);
      float[] v = random(n);
      for (int i = GUARD; i < GUARD + n; i++) {
        v[i] = Math.abs(v[i]);
      }
      float[] oldP = p.clone();
      float[] oldM = m.clone();
      float[] oldV = v.clone();
      X86Pass.ADAMW.run(n, of(p), of(g), of(m), of(v), Rows.of(by, 0));
      for (int i = GUARD; i < GUARD + n; i++) {
        float gradient = g[i] * by[0];
        float first = oldM[i] * by[2] + gradient * by[3];
        float second = oldV[i] * by[4] + gradient * gradient * by[5];
        assertEquals(first, m[i]);
        assertEquals(second, v[i]);
        float root = (float) Math.sqrt(second * by[7]) + by[8];
        assertEquals(oldP[i] * by[1] + first * by[6] / root, p[i]);
      }
      assertGuards(n, p, g, m, v);
    }
  }

  @Test
  void sizesThatAreNoneAreRefused() {
    float[] x = new float[1000];
    Rows rows = Rows.of(x, 100, 64);
    assertThrows(IndexOutOfBoundsException.class, () -> X86Pass.ADD.runRows(2, -17, rows, rows, rows));
    assertThrows(IndexOutOfBoundsException.class, () -> X86Pass.SUM.run(1L << 62, rows));
    assertThrows(IndexOutOfBoundsException.class, () -> X86Pass.ADD.runRows(15, 8, rows, rows, rows)); // the last ends at 1004
    X86Pass.ADD.runRows(14, 8, rows, rows, rows);
  }

  @Test
  void memoryThatWasGivenBackIsRefused() {
    MemorySegment x;
    try (Arena arena = Arena.ofConfined()) {
      x = arena.allocate(64);
    }
    assertThrows(IllegalStateException.class, () -> X86Pass.SUM.run(4, Rows.of(x, 0)));
  }

  @Test
  void withoutNativeAccessTheVectorApiDoesIt() throws Exception {
    // On the class path, where access is denied to all that is not named.
    var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process process =
        new ProcessBuilder(
            java, "--add-modules", "jdk.incubator.vector", "--illegal-native-access=deny", "-cp",
            Path.of("target", "classes") + File.pathSeparator + Path.of("target", "test-classes"),
            Denied.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assumeTrue(!output.contains("Unrecognized option"), "this option came with JDK 24");
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("sum 10.0"), output);
  }

  /** A program of its own. */
  public static final class Denied {
    private Denied() {}

    public static void main(String[] args) {
      System.out.println("sum " + Lanes.sum(new float[]{1, 2, 3, 4}, 0, 4));
    }
  }

  @Test
  void memoryIsNotTouchedBeyondTheOperands() {
    try (Arena arena = Arena.ofConfined()) {
      int n = LANES + 1;
      MemorySegment x = arena.allocate((n + 2L) * Float.BYTES);
      x.fill((byte) 1);
      float before = x.getAtIndex(ValueLayout.JAVA_FLOAT, 0);
      X86Pass.MULTIPLY_BY_NUMBER.run(n, 2f, Rows.of(x, 1), Rows.of(x, 1));
      assertEquals(before, x.getAtIndex(ValueLayout.JAVA_FLOAT, 0));
      assertEquals(2 * before, x.getAtIndex(ValueLayout.JAVA_FLOAT, n));
      assertEquals(before, x.getAtIndex(ValueLayout.JAVA_FLOAT, n + 1));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> X86Pass.MULTIPLY_BY_NUMBER.run(n, 2f, Rows.of(x, 3), Rows.of(x, 0)));
      assertThrows(IndexOutOfBoundsException.class, () -> X86Pass.EXP.run(-1, Rows.of(x, 0), Rows.of(x, 0)));
      assertThrows(ArrayIndexOutOfBoundsException.class, () -> X86Pass.EXP.run(1, Rows.of(x, 0)));
    }
  }

  @Test
  void aLoopThatNeedsTooManyRegistersIsRefused() {
    var program = new X86Program(8);
    X86Program.Operand x = program.elements();
    X86Program.Value[] values = new X86Program.Value[20];
    Arrays.setAll(values, _ -> x.load());
    Arrays.stream(values).forEach(x::store);
    var compiler = new X86Compiler(new X86Assembler(8), program, 1);
    assertThrows(IllegalStateException.class, compiler::write);
  }

  private static float softmaxExp(float x) {
    return SoftmaxLanes.exp(FloatVector.broadcast(SPECIES, x)).lane(0);
  }

  private static Rows of(float[] x) {
    return Rows.of(x, GUARD);
  }

  private static int wholeVectors(int n) {
    return Math.ceilDiv(n, LANES) * LANES;
  }

  private float[] sample(int n) {
    float[] x = random(n);
    for (int i = 0; i < n; i += 3) {
      x[GUARD + i] = random.nextInt(4) == 0 ? SPECIAL[random.nextInt(SPECIAL.length)] : 20 * x[GUARD + i];
    }
    return x;
  }

  private float[] random(int n) {
    float[] x = room(n);
    for (int i = 0; i < n; i++) {
      x[GUARD + i] = 2 * random.nextFloat() - 1;
    }
    return x;
  }

  /** With room for a vector more than the guards, for the Vector API's sake. */
  private static float[] room(int n) {
    float[] x = new float[n + 2 * GUARD + LANES];
    Arrays.fill(x, KEPT);
    return x;
  }

  private static float[] apply(BinaryOperator<FloatVector> f, float[] a, float[] b, int n) {
    float[] y = new float[wholeVectors(n)];
    for (int i = 0; i < n; i += LANES) {
      f.apply(FloatVector.fromArray(SPECIES, a, GUARD + i), FloatVector.fromArray(SPECIES, b, GUARD + i)).intoArray(y,
          i);
    }
    return Arrays.copyOf(y, n);
  }

  private static void assertSame(Object what, int n, float[] wanted, float[] y) {
    for (int i = 0; i < n; i++) {
      assertEquals(wanted[i], y[GUARD + i], what + ", element " + i + " of " + n + ", seed " + SEED);
    }
    assertGuards(n, y);
  }

  private static void assertGuards(int n, float[]... all) {
    for (float[] y : all) {
      for (int i = 0; i < GUARD; i++) {
        assertEquals(KEPT, y[i]);
        assertEquals(KEPT, y[GUARD + n + i]);
      }
    }
  }
}
