package org.gatun.cuda.cublaslt;

import static org.gatun.cuda.ElementType.BF16;
import static org.gatun.cuda.ElementType.F32;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cuda.ElementType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MatmulProblemTest {
  private static Matrix bf16(long rows, long columns) {
    return Matrix.packed(BF16, rows, columns);
  }

  private static MatmulProblem linear(Matrix weight, Matrix x, Matrix y, MatmulEpilogue epilogue) {
    return new MatmulProblem(weight, true, x, false, y, epilogue, false, 1);
  }

  @Test
  void innerDimensionFollowsTransposition() {
    assertEquals(24, linear(bf16(24, 40), bf16(24, 32), bf16(40, 32), MatmulEpilogue.NONE).k());
  }

  @Test
  void saysWhichDimensionsDiffer() {
    var inner = assertThrows(IllegalArgumentException.class,
        () -> linear(bf16(24, 40), bf16(25, 32), bf16(40, 32), MatmulEpilogue.NONE));
    assertTrue(inner.getMessage().startsWith("matmul: inner dimensions differ, 24 and 25: A BF16[24 x 40"),
        inner.getMessage());
    var result = assertThrows(IllegalArgumentException.class,
        () -> linear(bf16(24, 40), bf16(24, 32), bf16(32, 40), MatmulEpilogue.NONE));
    assertTrue(result.getMessage().startsWith("matmul: D must be 40 x 32"), result.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"BF16, F32, F32, false", "F32, F32, BF16, false", "BF16, BF16, BF16, true"})
  void refusesTypesThatDoNotGoTogether(ElementType a, ElementType b, ElementType d, boolean tf32) {
    assertThrows(IllegalArgumentException.class, () -> new MatmulProblem(Matrix.packed(a, 8, 8), false,
        Matrix.packed(b, 8, 8), false, Matrix.packed(d, 8, 8), MatmulEpilogue.NONE, tf32, 1));
  }

  @Test
  void refusesMembersOfABatchThatOverlapInTheResult() {
    var d = new Matrix(F32, 8, 8, 8, 63);
    assertThrows(IllegalArgumentException.class, () -> new MatmulProblem(Matrix.packed(F32, 8, 8), false,
        Matrix.packed(F32, 8, 8), false, d, MatmulEpilogue.NONE, false, 2));
  }

  @ParameterizedTest
  @CsvSource({"1", "2", "24", "512"})
  void refusesAlignmentsThatNoAddressHas(int alignment) {
    Matrix x = Matrix.packed(F32, 8, 8);
    assertThrows(IllegalArgumentException.class,
        () -> new MatmulProblem(x, false, x, false, x, MatmulEpilogue.NONE, false, 1, alignment));
  }

  @ParameterizedTest
  @CsvSource({"NONE, 0, 0", "BIAS, 80, 0", "GELU_AUX, 0, 2560", "GELU_AUX_BIAS, 80, 2560", "DGELU, 0, 2560",
    "DGELU_BGRAD, 80, 2560", "BGRADA, 80, 0", "BGRADB, 64, 0"})
  void epiloguesHaveMemoryOfTheResultsSize(MatmulEpilogue epilogue, long biasBytes, long auxBytes) {
    MatmulProblem problem = linear(bf16(24, 40), bf16(24, 32), bf16(40, 32), epilogue);
    assertEquals(biasBytes, problem.biasBytes());
    assertEquals(auxBytes, problem.auxBytes());
    assertTrue(problem.whyNotFused().isEmpty());
  }

  @Test
  void knowsThatGeluWantsRowsInEights() {
    MatmulProblem problem = linear(bf16(24, 36), bf16(24, 32), bf16(36, 32), MatmulEpilogue.GELU_AUX_BIAS);
    assertTrue(problem.whyNotFused().orElseThrow().contains("multiples of 8, not 36"));
  }

  @Test
  void bytesOfAMatrixEndBehindItsLastColumn() {
    assertEquals((3 * 10 + 5) * 4, new Matrix(F32, 5, 4, 10, 0).byteSize(1));
    assertEquals((2 * 100 + 3 * 10 + 5) * 4, new Matrix(F32, 5, 4, 10, 100).byteSize(3));
    assertThrows(IllegalArgumentException.class, () -> new Matrix(F32, 5, 4, 4, 0));
  }
}
