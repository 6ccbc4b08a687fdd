package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.gatun.tensor.DType;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

class SystemBlasTest {
  private static final String NAME = "GATUN_TEST_BLAS";

  @Test
  void missingFileIsNamedWithTheRemedy() {
    var thrown =
        assertThrows(
            IllegalArgumentException.class, () -> SystemBlas.open("/no/such/libblas.so", 1));
    assertTrue(thrown.getMessage().startsWith("BLAS /no/such/libblas.so: no such file; give mkl"));
  }

  @Test
  @DisabledOnOs(OS.MAC)
  void accelerateIsRefusedWhereItCannotBe() {
    var thrown =
        assertThrows(
            UnsupportedOperationException.class, () -> SystemBlas.open("accelerate", 1));
    assertTrue(thrown.getMessage().contains("part of macOS"), thrown.getMessage());
  }

  @Test
  void stridesThatBlasCannotExpressAreLeftToGemm() {
    Matrix plain = matrix(3, 3);
    var strided = new Matrix(plain.bytes(), DType.F32, 0, 3, 3, 0, 1, 0); // every row the same
    assertTrue(SystemBlas.takes(plain, plain, plain.transposed()));
    assertFalse(SystemBlas.takes(plain, strided, plain));
    assertFalse(SystemBlas.takes(plain.transposed(), plain, plain));
  }

  @Test
  void productsEqualOurs() {
    String name = System.getenv(NAME);
    Assumptions.assumeTrue(name != null, () -> "set " + NAME + " to mkl, accelerate or a library's path");
    SystemBlas blas = SystemBlas.open(name, 2);
    try (var workers = new Workers(2)) {
      var gemm = new Gemm(workers);
      for (int form = 0; form < 4; form++) {
        Matrix a = (form & 1) == 0 ? matrix(9, 17) : matrix(17, 9).transposed();
        Matrix b = (form & 2) == 0 ? matrix(17, 33) : matrix(33, 17).transposed();
        Matrix ours = matrix(9, 33);
        Matrix theirs = Matrix.of(copy(ours.bytes()), DType.F32, 0, 9, 33);
        gemm.multiply(ours, a, b, true);
        blas.multiply(theirs, a, b, true);
        for (int i = 0; i < 9 * 33; i++) {
          float expected = ours.bytes().getAtIndex(ValueLayout.JAVA_FLOAT, i);
          // 18 roundings of partial sums below 18, on either side
          assertEquals(expected, theirs.bytes().getAtIndex(ValueLayout.JAVA_FLOAT, i), 2 * 18 * 18 * 0x1p-24);
        }
      }
    }
  }

  private static Matrix matrix(int rows, int columns) {
    var random = new Random(rows);
    MemorySegment bytes = Arena.ofAuto().allocate((long) rows * columns * Float.BYTES, 64);
    for (int i = 0; i < rows * columns; i++) {
      bytes.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat() * 2 - 1);
    }
    return Matrix.of(bytes, DType.F32, 0, rows, columns);
  }

  private static MemorySegment copy(MemorySegment segment) {
    return Arena.ofAuto().allocate(segment.byteSize(), 64).copyFrom(segment);
  }
}
