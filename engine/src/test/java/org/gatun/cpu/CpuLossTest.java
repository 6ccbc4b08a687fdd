package org.gatun.cpu;

import static org.gatun.cpu.HostArrays.assertNear;
import static org.gatun.cpu.HostArrays.doubles;
import static org.gatun.cpu.HostArrays.filled;
import static org.gatun.cpu.HostArrays.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Tag("loops")
class CpuLossTest {
  private static final int ROWS = 13;
  private static final int IGNORED = -100;

  private final HostArrays arrays = new HostArrays(3);

  @Test
  void aNaNReachesTheLossWhereverItIs() {
    int classes = 4096; // two pieces
    for (int nans : new int[]{1, 2048, 4096}) {
      try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
        float[] logits = new float[classes];
        Arrays.fill(logits, 0, 2048, Float.NEGATIVE_INFINITY);
        Arrays.fill(logits, 0, nans, Float.NaN);
        Tensor losses = scope.allocate(Shape.of(1), DType.F32);
        Tensor lse = scope.allocate(Shape.of(1), DType.F32);
        Tensor count = scope.allocate(Shape.of(), DType.F32);
        Tensor x = filled(scope, DType.F32, logits, Shape.of(1, classes));
        new CpuLoss(device).crossEntropy(losses, lse, count, x, scope.tensor(new int[]{3000}, Shape.of(1)), classes,
            -1);
        assertTrue(Float.isNaN(floats(losses)[0]), nans + " NaN");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1,1,F32", "3,2,F32", "65,65,F32", "100,90,F32", "2048,2048,F32", "5000,4097,F32",
    "3,3,BF16", "100,90,BF16", "5000,4097,BF16"
  })
  void lossAndGradientMatchTheirDefinitions(int columns, int classes, DType type) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor logits = arrays.normal(scope, type, ROWS, columns);
      int[] targets = targets(classes);
      Tensor losses = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor lse = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor count = scope.allocate(Shape.of(), DType.F32);
      var loss = new CpuLoss(device);
      Tensor targetTensor = scope.tensor(targets, Shape.of(ROWS));
      loss.crossEntropy(losses, lse, count, logits, targetTensor, classes, IGNORED);

      double[] x = doubles(logits);
      double[] probabilities = new double[x.length];
      double[] expectedLse = softmax(x, probabilities, columns, classes);
      double[] expected = new double[ROWS];
      Arrays.setAll(expected, n -> targets[n] == IGNORED ? 0 : expectedLse[n] - x[n * columns + targets[n]]);
      assertEquals(ROWS - 2, floats(count)[0]);
      // Sums of up to 2048 terms in each of some lanes; lse and logits of up to 16.
      double tolerance = 256 * HostArrays.F32_ROUNDING;
      assertNear("lse", expectedLse, lse, tolerance, 0);
      assertNear("losses", expected, losses, tolerance, 0);

      Tensor dloss = filled(scope, DType.F32, new float[]{0.5f}, Shape.of());
      double[] gradient = new double[x.length];
      for (int i = 0; i < x.length; i++) {
        int n = i / columns;
        double hit = i % columns == targets[n] ? 1 : 0;
        gradient[i] = targets[n] == IGNORED ? 0 : (probabilities[i] - hit) * 0.5 / (ROWS - 2);
      }
      Tensor sum = arrays.normal(scope, type, ROWS, columns);
      double[] earlier = doubles(sum);
      double[] expectedSum = new double[x.length];
      Arrays.setAll(expectedSum, i -> earlier[i] + gradient[i]);
      loss.crossEntropyBackward(
          new Sink(sum, true), dloss, count, logits, lse, targetTensor, classes, IGNORED);
      assertNear("sum", expectedSum, sum, tolerance, HostArrays.rounding(type));
      loss.crossEntropyBackward(
          Sink.of(logits), dloss, count, logits, lse, targetTensor, classes, IGNORED);
      assertNear("dlogits", gradient, logits, HostArrays.F32_ROUNDING,
          tolerance + HostArrays.rounding(type));
    }
  }

  private static int[] targets(int classes) {
    var random = new Random(5);
    int[] targets = new int[ROWS];
    Arrays.setAll(targets, _ -> random.nextInt(classes));
    targets[0] = classes - 1;
    targets[2] = IGNORED;
    targets[ROWS - 1] = IGNORED;
    return targets;
  }

  /** Fills in probabilities, zero in padding, and returns each row's log-sum-exp. */
  private static double[] softmax(double[] x, double[] p, int columns, int classes) {
    double[] lse = new double[x.length / columns];
    for (int n = 0; n < lse.length; n++) {
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        sum += Math.exp(x[n * columns + c]);
      }
      lse[n] = Math.log(sum);
      for (int c = 0; c < classes; c++) {
        p[n * columns + c] = Math.exp(x[n * columns + c]) / sum;
      }
    }
    return lse;
  }

  @Test
  void targetOutsideOfClassesIsRefusedBeforeAnythingIsWritten() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor logits = arrays.normal(scope, DType.F32, 6, 80_000);
      Tensor targets = scope.tensor(new int[]{0, 1, 2, 3, 4, 70_000}, Shape.of(6));
      Tensor losses = filled(scope, DType.F32, new float[6], Shape.of(6));
      Tensor lse = filled(scope, DType.F32, new float[6], Shape.of(6));
      Tensor count = filled(scope, DType.F32, new float[1], Shape.of());
      var thrown = assertThrows(IllegalArgumentException.class,
          () -> new CpuLoss(device).crossEntropy(losses, lse, count, logits, targets, 50_257, -1));
      assertEquals("crossEntropy: target 70000 at position 5 is outside of 50257 classes",
          thrown.getMessage());
      assertArrayEquals(new float[6], floats(losses));
      assertArrayEquals(new float[6], floats(lse));
    }
  }

  @Test
  void largeLogitsDoNotOverflow() {
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      float[] row = new float[5000];
      row[4999] = 3e4f; // met after pieces of smaller ones
      row[1] = Float.NEGATIVE_INFINITY;
      Tensor logits = filled(scope, DType.F32, row, Shape.of(1, 5000));
      Tensor losses = scope.allocate(Shape.of(1), DType.F32);
      Tensor lse = scope.allocate(Shape.of(1), DType.F32);
      Tensor count = scope.allocate(Shape.of(), DType.F32);
      Tensor target = scope.tensor(new int[]{7}, Shape.of(1));
      new CpuLoss(device).crossEntropy(losses, lse, count, logits, target, 5000, -1);
      assertEquals(3e4f, floats(losses)[0]);
    }
  }

  @Test
  void nanLogitsGiveNan() {
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      float[] row = new float[100];
      row[99] = Float.NaN;
      Tensor logits = filled(scope, DType.F32, row, Shape.of(1, 100));
      Tensor losses = scope.allocate(Shape.of(1), DType.F32);
      Tensor lse = scope.allocate(Shape.of(1), DType.F32);
      Tensor count = scope.allocate(Shape.of(), DType.F32);
      Tensor target = scope.tensor(new int[]{7}, Shape.of(1));
      new CpuLoss(device).crossEntropy(losses, lse, count, logits, target, 100, -1);
      assertTrue(Float.isNaN(floats(losses)[0]));
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    float[] first = gradient(1);
    assertArrayEquals(first, gradient(2));
    assertArrayEquals(first, gradient(3));
  }

  private static float[] gradient(int threads) {
    try (var device = new CpuDevice(threads); var scope = Scope.on(device)) {
      Tensor logits = new HostArrays(9).normal(scope, DType.F32, ROWS, 3001);
      Tensor losses = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor lse = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor count = scope.allocate(Shape.of(), DType.F32);
      Tensor targets = scope.tensor(targets(2999), Shape.of(ROWS));
      Tensor dloss = filled(scope, DType.F32, new float[]{1}, Shape.of());
      var loss = new CpuLoss(device);
      loss.crossEntropy(losses, lse, count, logits, targets, 2999, IGNORED);
      loss.crossEntropyBackward(
          Sink.of(logits), dloss, count, logits, lse, targets, 2999, IGNORED);
      return floats(logits);
    }
  }
}
