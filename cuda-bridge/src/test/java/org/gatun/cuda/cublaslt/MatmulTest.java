package org.gatun.cuda.cublaslt;

import static org.gatun.cuda.ElementType.BF16;
import static org.gatun.cuda.ElementType.F32;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.testing.DeviceArrays;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Each epilogue against plain loops in double precision. D is M x N by columns, with K products a number. */
@EmulatorTest
class MatmulTest {
  private static final int M = 40;
  private static final int N = 24;
  private static final int K = 32;
  private static final long SEED = 5;

  private CudaContext context;
  private CublasLt blas;
  private org.gatun.cuda.Stream stream;
  private DeviceArrays arrays;

  @BeforeEach
  void open() {
    context = CudaContext.open(0);
    blas = CublasLt.open(context);
    stream = context.newStream();
    arrays = new DeviceArrays(context, stream);
  }

  @AfterEach
  void close() {
    context.close();
  }

  @ParameterizedTest
  @EnumSource(MatmulEpilogue.class)
  void epilogueMatchesLoopsInBf16(MatmulEpilogue epilogue) {
    checkEpilogue(epilogue, BF16, BF16);
  }

  @ParameterizedTest
  @EnumSource(MatmulEpilogue.class)
  void epilogueMatchesLoopsInF32(MatmulEpilogue epilogue) {
    checkEpilogue(epilogue, F32, F32);
  }

  @ParameterizedTest
  @EnumSource(value = MatmulEpilogue.class, names = {"NONE", "BGRADB"})
  void epilogueMatchesLoopsFromBf16ToF32(MatmulEpilogue epilogue) {
    checkEpilogue(epilogue, BF16, F32);
  }

  private void checkEpilogue(MatmulEpilogue epilogue, ElementType input, ElementType output) {
    var random = new Random(SEED);
    float[] a = DeviceArrays.random(random, M * K, 1);
    float[] b = DeviceArrays.random(random, K * N, 1);
    float[] vector = DeviceArrays.random(random, Math.max(M, N), 1);
    float[] aux = DeviceArrays.random(random, M * N, 1);
    var problem = new MatmulProblem(Matrix.packed(input, M, K), false, Matrix.packed(input, K, N), false,
        Matrix.packed(output, M, N), epilogue, false, 1);
    DevicePtr bias = epilogue.hasBias() ? arrays.upload(output, vector) : null;
    DevicePtr auxiliary = epilogue.hasAux() ? arrays.upload(output, aux) : null;
    DevicePtr d = arrays.allocate(output, M * N);
    run(problem, 1, arrays.upload(input, a), arrays.upload(input, b), 0, d, bias, auxiliary);

    // One rounding of the result and, where it is read back, one of the pre-activation; K + 1 of F32 in the sum.
    double ulp = output == BF16 ? 0x1p-8 : 0x1p-20;
    float[] result = arrays.download(output, d);
    float[] auxAfter = epilogue.hasAux() ? arrays.download(output, auxiliary) : new float[M * N];
    double[] rowSum = new double[M];
    for (int j = 0; j < N; j++) {
      for (int i = 0; i < M; i++) {
        int at = i + j * M;
        double product = product(a, b, i, j);
        double z = switch (epilogue) {
          case BIAS, GELU_AUX_BIAS -> product + vector[i];
          default -> product;
        };
        double expected = switch (epilogue) {
          case GELU_AUX, GELU_AUX_BIAS -> gelu(z);
          case DGELU, DGELU_BGRAD -> z * geluSlope(aux[at]);
          default -> z;
        };
        assertEquals(expected, result[at], ulp * (1 + Math.abs(z) + Math.abs(expected)), epilogue + " " + at);
        if (epilogue == MatmulEpilogue.GELU_AUX || epilogue == MatmulEpilogue.GELU_AUX_BIAS) {
          assertEquals(z, auxAfter[at], ulp * (1 + Math.abs(z)), "aux " + at);
        }
        rowSum[i] += expected;
      }
    }
    checkBiasGradient(epilogue, output, bias, a, b, rowSum, ulp);
  }

  private void checkBiasGradient(MatmulEpilogue epilogue, ElementType type, DevicePtr bias, float[] a, float[] b,
      double[] rowSum, double ulp) {
    if (!epilogue.writesBias()) {
      return;
    }
    float[] gradient = arrays.download(type, bias);
    int length = epilogue == MatmulEpilogue.BGRADB ? N : M;
    for (int i = 0; i < length; i++) {
      double expected = epilogue == MatmulEpilogue.DGELU_BGRAD ? rowSum[i] : 0;
      for (int k = 0; k < K; k++) {
        expected += switch (epilogue) {
          case BGRADA -> a[i + k * M];
          case BGRADB -> b[k + i * K];
          default -> 0;
        };
      }
      // D's elements, up to about 30, may be rounded before they are summed.
      double terms = epilogue == MatmulEpilogue.DGELU_BGRAD ? 30 * Math.sqrt(N) : 1;
      assertEquals(expected, gradient[i], ulp * (terms + Math.abs(expected)), epilogue + " gradient " + i);
    }
  }

  @Test
  void addsToWhatIsThereWithBeta() {
    var random = new Random(SEED);
    float[] a = DeviceArrays.random(random, M * K, 1);
    float[] b = DeviceArrays.random(random, K * N, 1);
    float[] c = DeviceArrays.random(random, M * N, 1);
    var problem = new MatmulProblem(Matrix.packed(BF16, M, K), false, Matrix.packed(BF16, K, N), false,
        Matrix.packed(F32, M, N), MatmulEpilogue.NONE, false, 1);
    DevicePtr d = arrays.upload(F32, c);
    run(problem, 0.5f, arrays.upload(BF16, a), arrays.upload(BF16, b), 1, d, null, null);
    float[] result = arrays.download(F32, d);
    for (int at = 0; at < M * N; at++) {
      assertEquals(0.5 * product(a, b, at % M, at / M) + c[at], result[at], 0x1p-17, "element " + at);
    }
  }

  @ParameterizedTest
  @CsvSource({"false, false", "true, false", "false, true", "true, true"})
  void transposesEitherSideWithGapsAndInBatches(boolean transposeA, boolean transposeB) {
    int batch = 3;
    var random = new Random(SEED);
    Matrix a = new Matrix(F32, transposeA ? K : M, transposeA ? M : K, 48, 48 * 48);
    Matrix b = new Matrix(F32, transposeB ? N : K, transposeB ? K : N, 40, 0);
    Matrix d = new Matrix(F32, M, N, 44, 44 * N);
    float[] as = DeviceArrays.random(random, (int) a.byteSize(batch) / 4, 1);
    float[] bs = DeviceArrays.random(random, (int) b.byteSize(batch) / 4, 1);
    var problem = new MatmulProblem(a, transposeA, b, transposeB, d, MatmulEpilogue.NONE, true, batch);
    DevicePtr ds = arrays.upload(F32, new float[(int) d.byteSize(batch) / 4]);
    run(problem, 1, arrays.upload(F32, as), arrays.upload(F32, bs), 0, ds, null, null);
    float[] result = arrays.download(F32, ds);
    for (int member = 0; member < batch; member++) {
      for (int j = 0; j < N; j++) {
        for (int i = 0; i < M; i++) {
          double expected = 0;
          for (int k = 0; k < K; k++) {
            double x = as[member * 48 * 48 + (transposeA ? k + i * 48 : i + k * 48)];
            expected += x * bs[transposeB ? j + k * 40 : k + j * 40];
          }
          // The inputs have eight bits of fraction, fewer than the ten that tf32 leaves: nothing is lost but in the sum.
          assertEquals(expected, result[member * 44 * N + j * 44 + i], 0x1p-17, member + ": " + i + ", " + j);
        }
      }
    }
  }

  @Test
  void timesProposalsOnceForAllProcesses(@TempDir Path folder) throws IOException {
    var problem = new MatmulProblem(Matrix.packed(BF16, M, K), false, Matrix.packed(BF16, K, N), false,
        Matrix.packed(BF16, M, N), MatmulEpilogue.GELU_AUX_BIAS, false, 1);
    int open = context.handles().openHandles();
    blas.plan(problem, new Tuning(true, folder)).close();
    blas.plan(problem, new Tuning(true, folder)).close();
    assertEquals(open, context.handles().openHandles());
    try (Stream<Path> kept = Files.list(folder)) {
      Path choice = kept.findFirst().orElseThrow();
      assertTrue(Files.readString(choice).matches("(?s).*cuBLASLt.*GELU_AUX_BIAS.*\\n[0-9a-f]{128}\\n"));
    }
  }

  @Test
  void refusesMemoryThatIsTooSmallOrUnaligned() {
    var problem = new MatmulProblem(Matrix.packed(BF16, M, K), false, Matrix.packed(BF16, K, N), false,
        Matrix.packed(BF16, M, N), MatmulEpilogue.BIAS, false, 1);
    DevicePtr memory = arrays.allocate(F32, 2 * M * K);
    try (Matmul plan = blas.plan(problem, Tuning.none())) {
      DevicePtr workspace = arrays.scratch(plan.workspaceBytes());
      assertRefused("A needs 2560 bytes", () -> plan.run(stream, 1, memory.slice(0, 2), memory, 0, null, memory, memory,
          null, workspace));
      assertRefused("D needs 1920 bytes at a multiple of 16", () -> plan.run(stream, 1, memory, memory, 0, null,
          memory.slice(8, 4000), memory, null, workspace));
      assertRefused("the bias needs 80 bytes", () -> plan.run(stream, 1, memory, memory, 0, null, memory, null, null,
          workspace));
      assertRefused("C needs 1920 bytes", () -> plan.run(stream, 1, memory, memory, 1, null, memory, memory, null,
          workspace));
    }
  }

  @Test
  void saysNotSupportedWhereGeluHasUnevenRows() {
    var problem = new MatmulProblem(Matrix.packed(BF16, 36, K), false, Matrix.packed(BF16, K, N), false,
        Matrix.packed(BF16, 36, N), MatmulEpilogue.GELU_AUX, false, 1);
    var refused = assertThrows(CudaException.class, () -> blas.plan(problem, Tuning.none()));
    assertEquals(15, refused.status());
    assertTrue(refused.getMessage().contains("multiples of 8, not 36"), refused.getMessage());
  }

  @Test
  void refusesToRunWhenClosed() {
    Matrix x = Matrix.packed(F32, 8, 8);
    Matmul plan = blas.plan(new MatmulProblem(x, false, x, false, x, MatmulEpilogue.NONE, false, 1), Tuning.none());
    plan.close();
    DevicePtr memory = arrays.allocate(F32, 64);
    assertThrows(IllegalStateException.class,
        () -> plan.run(stream, 1, memory, memory, 0, null, memory, null, null, null));
  }

  private void run(MatmulProblem problem, float alpha, DevicePtr a, DevicePtr b, float beta, DevicePtr d,
      DevicePtr bias,
      DevicePtr aux) {
    try (Matmul plan = blas.plan(problem, Tuning.none())) {
      plan.run(stream, alpha, a, b, beta, beta == 0 ? null : d, d, bias, aux, arrays.scratch(plan.workspaceBytes()));
      stream.synchronize();
    }
  }

  private static void assertRefused(String start, Runnable run) {
    var refused = assertThrows(IllegalArgumentException.class, run::run);
    assertTrue(refused.getMessage().startsWith("matmul: " + start), refused.getMessage());
  }

  private static double product(float[] a, float[] b, int i, int j) {
    double sum = 0;
    for (int k = 0; k < K; k++) {
      sum += (double) a[i + k * M] * b[k + j * K];
    }
    return sum;
  }

  private static double gelu(double x) {
    return 0.5 * x * (1 + Math.tanh(inner(x)));
  }

  private static double geluSlope(double x) {
    double tanh = Math.tanh(inner(x));
    return 0.5 * (1 + tanh)
        + 0.5 * x * (1 - tanh * tanh) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
  }

  private static double inner(double x) {
    return Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
  }
}
