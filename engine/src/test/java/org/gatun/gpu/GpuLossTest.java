package org.gatun.gpu;

import static org.gatun.gpu.Twins.assertSame;
import static org.gatun.gpu.Twins.sink;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.IntStream;
import org.gatun.gpu.Twins.Pair;
import org.gatun.tensor.DType;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@OnCuda
class GpuLossTest {
  private static final int ROWS = 5;
  private static final int IGNORED = -100;

  /** Sums of up to some thousand terms, relative to the largest: lse of up to 16. */
  private static final double TERMS = 256;

  @ParameterizedTest
  @CsvSource({"1,1,F32", "3,2,F32", "100,90,F32", "65,65,BF16", "104,97,BF16", "5000,4097,BF16"})
  void agreesWithTheCpu(int columns, int classes, DType type) {
    try (var twins = new Twins(7)) {
      Pair logits = twins.normal(type, ROWS, columns);
      Pair targets = twins.indices(
          IntStream.range(0, ROWS).map(n -> n == 2 ? IGNORED : n == 0 ? classes - 1 : n * 31 % classes).toArray(),
          ROWS);
      Pair losses = twins.normal(DType.F32, ROWS);
      Pair lse = twins.normal(DType.F32, ROWS);
      Pair count = twins.normal(DType.F32);
      twins.run((kernels, on) -> kernels.loss().crossEntropy(on.apply(losses), on.apply(lse), on.apply(count),
          on.apply(logits), on.apply(targets), classes, IGNORED));
      assertSame("lse", lse, TERMS);
      assertSame("losses", losses, TERMS);
      assertSame("count", count, 0);
      Pair dloss = twins.values(DType.F32, new float[]{0.5f});
      Pair sum = twins.normal(DType.F32, ROWS, columns);
      twins.run((kernels, on) -> kernels.loss().crossEntropyBackward(sink(on.apply(sum), true), on.apply(dloss),
          on.apply(count), on.apply(logits), on.apply(lse), on.apply(targets), classes, IGNORED));
      assertSame("sum", sum, TERMS);
      twins.run((kernels, on) -> kernels.loss().crossEntropyBackward(sink(on.apply(logits), false), on.apply(dloss),
          on.apply(count), on.apply(logits), on.apply(lse), on.apply(targets), classes, IGNORED));
      assertSame("in place", logits, 1);
    }
  }

  @Test
  void targetOutsideOfClassesIsToldByTheNextDownload() {
    try (var twins = new Twins(7)) {
      Pair logits = twins.normal(DType.F32, 3, 9);
      Pair targets = twins.indices(new int[]{0, 9, 2}, 3);
      Pair losses = twins.normal(DType.F32, 3);
      Pair lse = twins.normal(DType.F32, 3);
      Pair count = twins.normal(DType.F32);
      losses.cuda().kernels().loss().crossEntropy(losses.cuda(), lse.cuda(), count.cuda(), logits.cuda(),
          targets.cuda(),
          9, IGNORED);
      var thrown = assertThrows(IllegalArgumentException.class, () -> losses.cuda().toArray());
      assertEquals("crossEntropy: target 9 at position 1 is outside of 9 classes", thrown.getMessage());
    }
  }

  @Test
  void extremeLogitsKeepTheirMeaning() {
    try (var twins = new Twins(7)) {
      float[] rows = new float[3 * 40];
      rows[39] = 3e4f;
      rows[1] = Float.NEGATIVE_INFINITY;
      rows[40 + 7] = Float.NaN;
      java.util.Arrays.fill(rows, 80, 120, Float.NEGATIVE_INFINITY);
      Pair logits = twins.values(DType.F32, rows, 3, 40);
      Pair targets = twins.indices(new int[]{7, 0, IGNORED}, 3);
      Pair losses = twins.normal(DType.F32, 3);
      Pair lse = twins.normal(DType.F32, 3);
      Pair count = twins.normal(DType.F32);
      twins.run((kernels, on) -> kernels.loss().crossEntropy(on.apply(losses), on.apply(lse), on.apply(count),
          on.apply(logits), on.apply(targets), 40, IGNORED));
      float[] values = losses.cuda().toArray();
      assertEquals(3e4f, values[0]);
      assertTrue(Float.isNaN(values[1]));
      assertEquals(Float.NEGATIVE_INFINITY, lse.cuda().toArray()[2]);
    }
  }
}
