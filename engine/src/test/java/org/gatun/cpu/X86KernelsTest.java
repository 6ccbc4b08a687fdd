package org.gatun.cpu;

import static org.gatun.cpu.GemmKernels.TILE_COLUMNS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.cpu.X86Loops.Left;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Machine code against the same sums element by element: to the last bit, for both add in the same order. */
class X86KernelsTest {
  private static final long SEED = 20_261_128;
  private static final int GUARD = 3; // floats around each operand; odd, so that nothing is aligned

  private final Random random = new Random(SEED);
  private X86Kernels kernels;

  @BeforeEach
  void find() {
    boolean meant =
        System.getProperty("os.name").equals("Linux")
            && System.getProperty("os.arch").equals("amd64")
            && Lanes.SPECIES.length() >= 8;
    assumeTrue(meant, "machine code is there for Linux on x86-64 with AVX2");
    kernels = X86Kernels.orNull();
    assertNull(X86Kernels.obstacle());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6})
  void panelsMatchSumsBitByBit(int rows) {
    for (int depth : new int[]{0, 1, 3, 4, 15, 16, 17, 33, 130}) {
      for (Left left : Left.values()) {
        check(kernels.panel(rows, left), depth, 1 + random.nextInt(3));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6})
  void stripsMatchSumsBitByBit(int rows) {
    for (int depth : new int[]{1, 4, 7, 64}) {
      check(kernels.strip(rows, Left.ROWS), depth, 1 + random.nextInt(3));
      check(kernels.strip(rows, Left.COLUMNS), depth, 1 + random.nextInt(3));
    }
  }

  private void check(X86Kernels.Product product, int depth, int tiles) {
    X86Loops.Shape shape = product.shape();
    int rows = shape.rows() * tiles;
    int columns = shape.vectors() * product.lanes();
    int bDistance = shape.bDistance() / Float.BYTES;
    int aDistance = switch (shape.left()) {
      case ROWS -> depth + 5;
      case COLUMNS -> rows + 2;
      case PANELS -> X86Kernels.TILE_ROWS;
    };
    int aRows = switch (shape.left()) {
      case ROWS -> rows;
      case COLUMNS -> depth;
      case PANELS -> tiles * depth;
    };
    float[] a = random(aRows * aDistance + 2 * GUARD);
    float[] b = random(depth * bDistance + 2 * GUARD);
    float[] bias = random(columns + 2 * GUARD);
    int cDistance = columns + 7;
    float[] before = random(rows * cDistance + 2 * GUARD);
    for (Addend addend : Addend.values()) {
      float[] wanted = before.clone();
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          float sum = 0;
          for (int k = 0; k < depth; k++) {
            int at = switch (shape.left()) {
              case ROWS -> i * aDistance + k;
              case COLUMNS -> k * aDistance + i;
              case PANELS -> (i / shape.rows() * depth + k) * aDistance + i % shape.rows();
            };
            sum = Math.fma(b[GUARD + k * bDistance + j], a[GUARD + at], sum);
          }
          int c = GUARD + i * cDistance + j;
          wanted[c] = switch (addend) {
            case NONE -> sum;
            case ROW -> sum + bias[GUARD + j];
            case RESULT -> sum + before[c];
          };
        }
      }
      MemorySegment memory = Arena.ofAuto().allocate((long) before.length * Float.BYTES, 64);
      memory.copyFrom(MemorySegment.ofArray(before));
      var c = Rows.of(memory, GUARD * Float.BYTES, (long) cDistance * Float.BYTES);
      Rows added = switch (addend) {
        case NONE -> Rows.NONE;
        case ROW -> Rows.of(bias, GUARD, 0);
        case RESULT -> c;
      };
      product.multiply(tiles, depth, Rows.of(a, GUARD, aDistance), Rows.of(b, GUARD, bDistance), c, added);
      float[] actual = memory.toArray(ValueLayout.JAVA_FLOAT);
      String what = shape + ", depth " + depth + ", tiles " + tiles + ", " + addend + ", seed " + SEED;
      assertEquals(-1, Arrays.mismatch(wanted, actual), what);
    }
  }

  private enum Addend {
    NONE, ROW, RESULT
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void rowsBecomeColumns(int blocks) {
    int lanes = Lanes.SPECIES.length();
    int n = blocks * lanes;
    float[] x = random(lanes * (n + 3) + 2 * GUARD);
    float[] before = random(n * TILE_COLUMNS);
    for (int at = 0; at < TILE_COLUMNS; at += lanes) {
      float[] wanted = before.clone();
      for (int k = 0; k < n; k++) {
        for (int i = 0; i < lanes; i++) {
          wanted[at + k * TILE_COLUMNS + i] = x[GUARD + i * (n + 3) + k];
        }
      }
      float[] panel = before.clone();
      kernels.transpose(Rows.of(x, GUARD, n + 3), blocks, Rows.of(panel, at, TILE_COLUMNS));
      assertEquals(-1, Arrays.mismatch(wanted, panel), "blocks " + blocks + ", at " + at + ", seed " + SEED);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 40})
  void rowsLoseTheGapsBetweenThem(int count) {
    float[] x = random(count * (TILE_COLUMNS + 5) + 2 * GUARD);
    float[] before = random((count + 2) * TILE_COLUMNS);
    float[] wanted = before.clone();
    for (int i = 0; i < count; i++) {
      System.arraycopy(x, GUARD + i * (TILE_COLUMNS + 5), wanted, (i + 1) * TILE_COLUMNS, TILE_COLUMNS);
    }
    float[] panel = before.clone();
    kernels.copy(Rows.of(x, GUARD, TILE_COLUMNS + 5), count, TILE_COLUMNS, Rows.of(panel, TILE_COLUMNS, TILE_COLUMNS));
    assertEquals(-1, Arrays.mismatch(wanted, panel), "count " + count + ", seed " + SEED);
  }

  @Test
  void rowsAreCopiedToWhereTheyLieFurtherApart() {
    int lanes = Lanes.SPECIES.length();
    for (int vectors : new int[]{1, 2, 3, 7}) {
      checkCopy(vectors * lanes, vectors * lanes + 3);
    }
  }

  private void checkCopy(int floats, int distance) {
    int count = 5;
    float[] x = random(count * (floats + 2) + 2 * GUARD);
    float[] to = random(count * distance + floats + 2 * GUARD);
    float[] wanted = to.clone();
    for (int i = 0; i < count; i++) {
      System.arraycopy(x, GUARD + i * (floats + 2), wanted, GUARD + i * distance, floats);
    }
    kernels.copy(Rows.of(x, GUARD, floats + 2), count, floats, Rows.of(to, GUARD, distance));
    assertEquals(-1, Arrays.mismatch(wanted, to), floats + " floats, " + distance + " apart, seed " + SEED);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 64})
  void rowsAreCopiedAndAddedUp(int count) {
    int distance = TILE_COLUMNS + 2;
    float[] x = random(count * distance + 2 * GUARD);
    float[] to = random(count * TILE_COLUMNS + 2 * GUARD);
    float[] sum = random(TILE_COLUMNS + 2 * GUARD);
    float[] wanted = to.clone();
    float[] wantedSum = sum.clone();
    Arrays.fill(wantedSum, GUARD, GUARD + TILE_COLUMNS, 0);
    for (int i = 0; i < count; i++) {
      System.arraycopy(x, GUARD + i * distance, wanted, GUARD + i * TILE_COLUMNS, TILE_COLUMNS);
      for (int j = 0; j < TILE_COLUMNS; j++) {
        wantedSum[GUARD + j] += x[GUARD + i * distance + j];
      }
    }
    kernels.copyAndSum(Rows.of(x, GUARD, distance), count, Rows.of(to, GUARD, TILE_COLUMNS), Rows.of(sum, GUARD));
    assertEquals(-1, Arrays.mismatch(wanted, to), count + " rows, seed " + SEED);
    assertEquals(-1, Arrays.mismatch(wantedSum, sum), count + " rows, seed " + SEED);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 7, 64})
  void columnsBecomePanelsAndRowsAreSummed(int count) {
    for (int rows : new int[]{1, 5, 6, 7, 12, 17}) {
      int panels = Math.ceilDiv(rows, X86Kernels.TILE_ROWS);
      int panel = (count + 3) * X86Kernels.TILE_ROWS;
      float[] x = random(count * (rows + 3) + 2 * GUARD);
      float[] before = random(panels * panel + 2 * GUARD);
      float[] sumsBefore = random(panels * X86Kernels.TILE_ROWS + 2 * GUARD);
      float[] wanted = before.clone();
      float[] wantedSums = sumsBefore.clone();
      for (int i = 0; i < panels * X86Kernels.TILE_ROWS; i++) {
        float[] sums = new float[2];
        for (int k = 0; k < count; k++) {
          float number = i < rows ? x[GUARD + k * (rows + 3) + i] : 0;
          int to = i / X86Kernels.TILE_ROWS * panel + k * X86Kernels.TILE_ROWS + i % X86Kernels.TILE_ROWS;
          wanted[GUARD + to] = number;
          sums[k == count - 1 ? 1 : k % 2] += number;
        }
        wantedSums[GUARD + i] = sums[0] + sums[1];
      }
      String what = count + " columns of " + rows + " rows, seed " + SEED;
      float[] packed = before.clone();
      Rows columns = Rows.of(x, GUARD, rows + 3);
      kernels.packColumns(columns, count, rows, Rows.of(packed, GUARD, panel), Rows.NONE);
      assertEquals(-1, Arrays.mismatch(wanted, packed), what);
      packed = before.clone();
      float[] sums = sumsBefore.clone();
      kernels.packColumns(columns, count, rows, Rows.of(packed, GUARD, panel), Rows.of(sums, GUARD));
      assertEquals(-1, Arrays.mismatch(wanted, packed), what);
      assertEquals(-1, Arrays.mismatch(wantedSums, sums), what);
    }
  }

  @Test
  void whatLiesOutsideOfMemoryIsRefused() {
    int lanes = Lanes.SPECIES.length();
    float[] a = random(6 * 20);
    float[] b = random(20 * TILE_COLUMNS);
    float[] c = random(6 * TILE_COLUMNS);
    X86Kernels.Product product = kernels.panel(6, Left.ROWS);
    Rows left = Rows.of(a, 0, 20);
    Rows right = Rows.of(b, 0, TILE_COLUMNS);
    Rows to = Rows.of(c, 0, TILE_COLUMNS);
    product.multiply(1, 20, left, right, to, Rows.NONE);
    refused(() -> product.multiply(1, 21, left, right, to, Rows.NONE));
    refused(() -> product.multiply(2, 20, left, right, to, Rows.NONE));
    refused(() -> product.multiply(1, 20, Rows.of(a, 1, 20), right, to, Rows.NONE));
    refused(() -> product.multiply(1, 20, left, Rows.of(b, 1, TILE_COLUMNS), to, Rows.NONE));
    refused(() -> product.multiply(1, 20, left, right, Rows.of(c, 0, TILE_COLUMNS + 1), Rows.NONE));
    refused(() -> product.multiply(1, 20, left, right, to, Rows.of(c, 1, TILE_COLUMNS)));
    refused(() -> kernels.transpose(Rows.of(new float[lanes * lanes], 0, lanes), 2, Rows.of(b, 0, TILE_COLUMNS)));
    refused(() -> kernels.transpose(Rows.of(b, 0, 20), 1,
        Rows.of(new float[lanes * TILE_COLUMNS - 1], TILE_COLUMNS - lanes, TILE_COLUMNS)));
    refused(() -> kernels.copy(Rows.of(b, 0, TILE_COLUMNS), 21, TILE_COLUMNS,
        Rows.of(new float[21 * TILE_COLUMNS], 0, TILE_COLUMNS)));
    refused(() -> kernels.copy(Rows.of(b, 0, TILE_COLUMNS), 20, TILE_COLUMNS,
        Rows.of(new float[20 * TILE_COLUMNS], 1, TILE_COLUMNS)));
    Rows line = Rows.of(new float[TILE_COLUMNS], 0);
    kernels.copyAndSum(Rows.of(b, 0, TILE_COLUMNS), 20, Rows.of(new float[20 * TILE_COLUMNS], 0, TILE_COLUMNS), line);
    refused(() -> kernels.copyAndSum(Rows.of(b, 0, TILE_COLUMNS), 21, right, line));
    refused(() -> kernels.copyAndSum(right, 20, Rows.of(new float[20 * TILE_COLUMNS], 1, TILE_COLUMNS), line));
    refused(() -> kernels.copyAndSum(right, 20, Rows.of(b, 0, TILE_COLUMNS), Rows.of(new float[TILE_COLUMNS], 1)));
    Rows panels = Rows.of(new float[2 * 6 * 5], 0, 6 * 5);
    Rows sums = Rows.of(new float[12], 0);
    kernels.packColumns(left, 5, 12, panels, sums);
    refused(() -> kernels.packColumns(left, 6, 12, panels, sums));
    refused(() -> kernels.packColumns(left, 5, 13, panels, sums));
    refused(() -> kernels.packColumns(Rows.of(a, 100, 20), 2, 7, panels, sums));
    refused(() -> kernels.packColumns(left, 5, 12, panels, Rows.of(new float[11], 0)));
    refused(() -> kernels.packColumns(left, 5, 12, Rows.of(new float[2 * 6 * 5], 1, 6 * 5), sums));
    assertThrows(IllegalArgumentException.class, () -> kernels.packColumns(left, 0, 12, panels, sums));
    assertThrows(IllegalArgumentException.class,
        () -> kernels.copy(Rows.of(b, 0, TILE_COLUMNS), 0, TILE_COLUMNS, Rows.of(c, 0, TILE_COLUMNS)));
    assertThrows(
        IllegalArgumentException.class,
        () -> product.multiply(1, 20, left, Rows.of(b, 0, TILE_COLUMNS - 1), to, Rows.NONE));
  }

  @Test
  void whatLiesOutsideOfMemoryOffTheHeapIsRefused() {
    X86Kernels.Product product = kernels.panel(6, Left.ROWS);
    Rows right = Rows.of(random(20 * TILE_COLUMNS), 0, TILE_COLUMNS);
    Rows to = Rows.of(new float[6 * TILE_COLUMNS], 0, TILE_COLUMNS);
    long row = 20 * Float.BYTES;
    Arena arena = Arena.ofConfined();
    MemorySegment a = arena.allocate(7 * row, 64).asSlice(row);
    try (arena) {
      product.multiply(1, 20, Rows.of(a, 0, row), right, to, Rows.NONE);
      refused(() -> product.multiply(1, 20, Rows.of(a, 4, row), right, to, Rows.NONE));
      refused(() -> product.multiply(1, 20, Rows.of(a, -4, row), right, to, Rows.NONE));
      refused(() -> product.multiply(2, 20, Rows.of(a, 0, row), right, to, Rows.NONE));
    }
    assertThrows(IllegalStateException.class, () -> Rows.of(a, 0, row));
  }

  private static void refused(Runnable call) {
    assertThrows(IndexOutOfBoundsException.class, call::run);
  }

  private float[] random(int n) {
    float[] x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = random.nextFloat() - 0.5f;
    }
    return x;
  }
}
