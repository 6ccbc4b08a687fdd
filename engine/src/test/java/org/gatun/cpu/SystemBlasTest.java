package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.HashMap;
import java.util.Optional;
import java.util.Random;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Gelu;
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
            IllegalArgumentException.class, () -> SystemBlas.open("/no/such/libblas.so"));
    assertTrue(thrown.getMessage().startsWith("BLAS /no/such/libblas.so: no such file; give mkl"));
  }

  @Test
  @DisabledOnOs(OS.MAC)
  void accelerateIsRefusedWhereItCannotBe() {
    var thrown =
        assertThrows(
            UnsupportedOperationException.class, () -> SystemBlas.open("accelerate"));
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
  void productsOfTheSystemEqualOurs() {
    String name = System.getenv(NAME);
    Assumptions.assumeTrue(name != null, () -> "set " + NAME + " to mkl, accelerate or a library's path");
    productsEqualOurs(SystemBlas.open(name));
  }

  @Test
  void productsByTheInterfaceEqualOurs() throws ReflectiveOperationException {
    productsEqualOurs(new SystemBlas(Cblas.library(), "of this test"));
    assertEquals(1, Cblas.threads);
  }

  private static void productsEqualOurs(SystemBlas blas) {
    for (int threads : new int[]{1, 2, 3}) {
      try (var workers = new Workers(threads)) {
        var own = new Gemm(workers);
        var shared = new Gemm(workers, blas);
        for (int[] size : new int[][]{{9, 17, 33}, {100, 17, 9}, {1, 3, 1}, {70, 0, 70}, {0, 4, 5}}) {
          for (int form = 0; form < 4; form++) {
            for (Finish finish : finishes(size[0], size[2])) {
              agree(own, shared, size[0], size[1], size[2], form, true, finish);
              agree(own, shared, size[0], size[1], size[2], form, false, finish);
            }
          }
        }
      }
    }
  }

  private static Finish[] finishes(int m, int n) {
    Matrix bias = matrix(1, n);
    return new Finish[]{Finish.NONE, new Finish.Bias(bias), new Finish.BiasGelu(bias, batch(m, n), Gelu.TANH),
      new Finish.GeluGradient(batch(m, n), Gelu.ERF, null),
      new Finish.GeluGradient(batch(m, n), Gelu.TANH, batch(m, n))};
  }

  /** Two items each, in parts of rows or of columns, which must be finished with what belongs to them. */
  private static void agree(
      Gemm own, Gemm shared, int m, int k, int n, int form, boolean add, Finish finish) {
    Matrix a = (form & 1) == 0 ? batch(m, k) : batch(k, m).transposed();
    Matrix b = (form & 2) == 0 ? batch(k, n) : batch(n, k).transposed();
    Matrix ours = batch(m, n);
    Matrix theirs =
        new Matrix(copy(ours.bytes()), DType.F32, 0, m, n, ours.rowStride(), 1, ours.batchStride());
    own.multiply(ours, a, b, 2, add, finish);
    // What a GELU keeps for its gradient, and what that gives besides; other finishes write the product alone.
    MemorySegment kept = switch (finish) {
      case Finish.BiasGelu gelu -> gelu.preActivation().bytes();
      case Finish.GeluGradient(_, _, Matrix gelu) when gelu != null -> gelu.bytes();
      default -> MemorySegment.NULL;
    };
    MemorySegment keptOfOurs = copy(kept);
    kept.fill((byte) 0);
    shared.multiply(theirs, a, b, 2, add, finish);
    // k + 2 roundings of partial sums no larger than k + 2, on either side. A GELU's slope is below 1.13, and so is
    // the factor of its gradient: a fifth more, for the roundings of the same code on either side too.
    float error = 2.4f * (k + 2) * (k + 2) * 0x1p-24f;
    String what = m + " x " + k + " x " + n + ", add " + add + ", " + finish;
    assertNear(ours.bytes(), theirs.bytes(), error, what);
    assertNear(keptOfOurs, kept, error, "kept, " + what);
  }

  private static void assertNear(MemorySegment expected, MemorySegment actual, float error, String what) {
    assertEquals(expected.byteSize(), actual.byteSize(), what);
    for (long i = 0; i < expected.byteSize() / Float.BYTES; i++) {
      assertEquals(expected.getAtIndex(JAVA_FLOAT, i), actual.getAtIndex(JAVA_FLOAT, i), error, what + " at " + i);
    }
  }

  /** Two matrices, one behind the other. */
  private static Matrix batch(int rows, int columns) {
    Matrix both = matrix(2 * rows, columns);
    return new Matrix(both.bytes(), DType.F32, 0, rows, columns, columns, 1, (long) rows * columns);
  }

  private static Matrix matrix(int rows, int columns) {
    var random = new Random(rows);
    MemorySegment bytes = Arena.ofAuto().allocate((long) rows * columns * Float.BYTES, 64);
    for (int i = 0; i < rows * columns; i++) {
      bytes.setAtIndex(JAVA_FLOAT, i, random.nextFloat() * 2 - 1);
    }
    return Matrix.of(bytes, DType.F32, 0, rows, columns);
  }

  private static MemorySegment copy(MemorySegment segment) {
    return Arena.ofAuto().allocate(segment.byteSize(), 64).copyFrom(segment);
  }

  /** The interface, naively, for machines without such a library. */
  @SuppressWarnings("restricted")
  private static final class Cblas {
    private static volatile int threads;

    static SymbolLookup library() throws ReflectiveOperationException {
      var lookup = MethodHandles.lookup();
      var functions = new HashMap<String, MemorySegment>();
      for (var method : Cblas.class.getDeclaredMethods()) {
        if (method.getName().equals("cblas_sgemm") || method.getName().equals("openblas_set_num_threads")) {
          MethodHandle handle = lookup.unreflect(method);
          MemoryLayout[] arguments =
              handle.type().parameterList().stream()
                  .map(type -> type == int.class ? JAVA_INT : type == float.class ? JAVA_FLOAT : ADDRESS)
                  .toArray(MemoryLayout[]::new);
          functions.put(
              method.getName(),
              Linker.nativeLinker().upcallStub(handle, FunctionDescriptor.ofVoid(arguments), Arena.global()));
        }
      }
      return symbol -> Optional.ofNullable(functions.get(symbol));
    }

    static void openblas_set_num_threads(int count) {
      threads = count;
    }

    // The names and their order: https://www.netlib.org/blas/cblas.h
    static void cblas_sgemm(
        int order, int transposeA, int transposeB, int m, int n, int k, float alpha,
        MemorySegment a, int lda, MemorySegment b, int ldb, float beta, MemorySegment c, int ldc) {
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          float sum = 0;
          for (int l = 0; l < k; l++) {
            sum += at(a, transposeA == 112 ? l * lda + i : i * lda + l).get(JAVA_FLOAT, 0)
                * at(b, transposeB == 112 ? j * ldb + l : l * ldb + j).get(JAVA_FLOAT, 0);
          }
          MemorySegment to = at(c, i * ldc + j);
          to.set(JAVA_FLOAT, 0, alpha * sum + (beta == 0 ? 0 : beta * to.get(JAVA_FLOAT, 0)));
        }
      }
    }

    private static MemorySegment at(MemorySegment start, int element) {
      return start.reinterpret((element + 1L) * Float.BYTES).asSlice((long) element * Float.BYTES);
    }
  }
}
