package org.gatun.cuda.cublaslt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.NvidiaLibraries;
import org.gatun.cuda.ffi.CudaLibrary;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NVIDIA's cuBLASLt takes the descriptors of each product of GPT-2; without a device it goes no further. */
@Tag("nvidia")
class MatmulDescriptorsTest {
  private static final long VOCABULARY = 50_304;
  private static final long ROWS = 8 * 1024;
  private static final long WORKSPACE = 32L << 20;

  @BeforeAll
  static void openLibrary() {
    NvidiaLibraries.require(CudaLibrary.CUBLAS_LT);
  }

  @ParameterizedTest
  @CsvSource({"768, BF16", "1024, BF16", "1280, BF16", "1600, BF16", "768, F32", "1600, F32"})
  void takesEachProductOfGpt2(long channels, ElementType type) {
    List<MatmulProblem> problems = new ArrayList<>();
    problems
        .addAll(linear(type, channels, 3 * channels, MatmulEpilogue.BIAS, MatmulEpilogue.NONE, MatmulEpilogue.BGRADB));
    problems.addAll(linear(type, channels, channels, MatmulEpilogue.BIAS, MatmulEpilogue.NONE, MatmulEpilogue.NONE));
    problems.addAll(linear(type, channels, 4 * channels, MatmulEpilogue.GELU_AUX_BIAS, MatmulEpilogue.NONE,
        MatmulEpilogue.BGRADB));
    problems.addAll(linear(type, 4 * channels, channels, MatmulEpilogue.BIAS, MatmulEpilogue.DGELU_BGRAD,
        MatmulEpilogue.NONE));
    problems
        .addAll(linear(type, 4 * channels, channels, MatmulEpilogue.BIAS, MatmulEpilogue.DGELU, MatmulEpilogue.NONE));
    problems.addAll(linear(type, channels, VOCABULARY, MatmulEpilogue.NONE, MatmulEpilogue.NONE, MatmulEpilogue.NONE));
    for (MatmulProblem problem : problems) {
      try (var descriptors = new MatmulDescriptors(problem, WORKSPACE)) {
        descriptors.setEpilogue(0x7f00_0000_0000L, 0x7f10_0000_0000L);
        assertTrue(descriptors.operation() != 0 && descriptors.a() != 0 && descriptors.preference() != 0);
      }
    }
    assertEquals(18, problems.size());
  }

  /** y = x Wᵀ; dx = dy W; dW = dyᵀ x in F32, as row-major tensors seen by columns. */
  private static List<MatmulProblem> linear(ElementType type, long inputs, long outputs, MatmulEpilogue y,
      MatmulEpilogue dx, MatmulEpilogue dw) {
    Matrix weight = Matrix.packed(type, inputs, outputs);
    Matrix x = Matrix.packed(type, inputs, ROWS);
    Matrix result = Matrix.packed(type, outputs, ROWS);
    boolean tf32 = type == ElementType.F32;
    return List.of(
        new MatmulProblem(weight, true, x, false, result, y, tf32, 1),
        new MatmulProblem(weight, false, result, false, x, dx, tf32, 1),
        new MatmulProblem(x, false, result, true, Matrix.packed(ElementType.F32, inputs, outputs), dw, tf32, 1));
  }

  @Test
  void takesABatch() {
    Matrix x = Matrix.packed(ElementType.F32, 64, 64);
    var problem = new MatmulProblem(x, false, x, true, x, MatmulEpilogue.GELU_AUX, false, 12);
    try (var descriptors = new MatmulDescriptors(problem, WORKSPACE)) {
      assertTrue(descriptors.d() != 0);
    }
  }

  @ParameterizedTest
  @CsvSource({"7, 8", "12, 4", "99, 4"})
  void libraryRefusesAttributesOfTheWrongSizeOrName(int attribute, long bytes) {
    Matrix x = Matrix.packed(ElementType.BF16, 64, 64);
    var problem = new MatmulProblem(x, false, x, false, x, MatmulEpilogue.NONE, false, 1);
    try (var descriptors = new MatmulDescriptors(problem, WORKSPACE); Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(8);
      var refused = assertThrows(CudaException.class,
          () -> CublasLtLibrary.setOperation(descriptors.operation(), attribute, value.address(), bytes));
      assertEquals("CUBLAS_STATUS_INVALID_VALUE", refused.statusName());
      assertEquals(7, refused.status());
    }
  }

  @Test
  void libraryWantsADeviceForAHandle() {
    var refused = assertThrows(CudaException.class, CublasLtLibrary::create);
    assertEquals(1, refused.status());
    assertTrue(refused.getMessage().startsWith("cublasLtCreate() failed: CUBLAS_STATUS_NOT_INITIALIZED (1)"),
        refused.getMessage());
  }

  @Test
  void bindsEveryFunctionAndKnowsItsVersion() {
    assertTrue(CublasLt.status().isUsable(), () -> CublasLt.status().whyNot());
    assertTrue(CublasLtLibrary.version() >= 120_000);
    assertEquals("13.1.1", CublasLt.versionText(130_101));
  }
}
