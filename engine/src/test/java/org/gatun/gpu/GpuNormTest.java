package org.gatun.gpu;

import static org.gatun.gpu.Twins.assertSame;
import static org.gatun.gpu.Twins.sink;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.gatun.gpu.Twins.Pair;
import org.gatun.tensor.DType;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@OnCuda
class GpuNormTest {
  private static final float EPS = 1e-5f;

  /** Sums of up to some hundred terms of about one, times a weight of up to four. */
  private static final double TERMS = 512;

  /** Types of activations and of weights; lengths around pieces, warps and what fits registers. */
  @ParameterizedTest
  @CsvSource({"F32,F32,1,1", "F32,F32,3,7", "F32,F32,5,264", "BF16,BF16,3,768", "BF16,F32,19,65", "F32,BF16,2,4104",
    "BF16,BF16,2,8200", "BF16,BF16,70,16"})
  void agreesWithTheCpu(DType type, DType weightType, int rows, int columns) {
    try (var twins = new Twins(7)) {
      Pair a = twins.normal(type, rows, columns);
      Pair b = twins.normal(type, rows, columns);
      Pair weight = twins.normal(weightType, columns);
      Pair bias = twins.normal(weightType, columns);
      Pair sum = twins.normal(type, rows, columns);
      Pair y = twins.normal(type, rows, columns);
      Pair mean = twins.normal(DType.F32, rows);
      Pair rstd = twins.normal(DType.F32, rows);
      twins.run((kernels, on) -> kernels.norm().layerNorm(on.apply(y), on.apply(mean), on.apply(rstd), on.apply(a),
          on.apply(weight), null, EPS));
      assertSame("layerNorm", y, TERMS);
      twins.run((kernels, on) -> kernels.norm().addLayerNorm(on.apply(sum), on.apply(y), on.apply(mean), on.apply(rstd),
          on.apply(a), on.apply(b), on.apply(weight), on.apply(bias), EPS));
      assertSame("sum", sum, 1);
      assertSame("mean", mean, TERMS);
      assertSame("rstd", rstd, TERMS);
      assertSame("addLayerNorm", y, TERMS);
      backwardAgrees(twins, y, sum, weight, mean, rstd);
      twins.run(
          (kernels, on) -> kernels.norm().rmsNorm(on.apply(y), on.apply(rstd), on.apply(a), on.apply(weight), EPS));
      assertSame("rmsNorm", y, TERMS);
      Pair dx = twins.normal(type, rows, columns);
      Pair dweight = twins.normal(DType.F32, columns);
      twins
          .run((kernels, on) -> kernels.norm().rmsNormBackward(sink(on.apply(dx), true), sink(on.apply(dweight), false),
              on.apply(y), on.apply(a), on.apply(weight), on.apply(rstd)));
      assertSame("rmsNorm dx", dx, 8 * TERMS);
      assertSame("rmsNorm dweight", dweight, 8 * TERMS);
    }
  }

  private static void backwardAgrees(Twins twins, Pair dy, Pair x, Pair weight, Pair mean, Pair rstd) {
    int columns = x.cpu().shape().dim(1);
    Pair carried = twins.normal(x.cpu().dtype(), x.cpu().shape().toArray());
    Pair dx = twins.normal(x.cpu().dtype(), x.cpu().shape().toArray());
    Pair dweight = twins.normal(DType.F32, columns);
    Pair dbias = twins.normal(weight.cpu().dtype(), columns);
    twins.run((kernels, on) -> kernels.norm().layerNormBackward(sink(on.apply(dx), false),
        sink(on.apply(dweight), true),
        sink(on.apply(dbias), false), on.apply(dy), on.apply(carried), on.apply(x), on.apply(weight), on.apply(mean),
        on.apply(rstd)));
    assertSame("dx", dx, 8 * TERMS);
    assertSame("dweight", dweight, 8 * TERMS);
    assertSame("dbias", dbias, 8 * TERMS);
    twins
        .run((kernels, on) -> kernels.norm().layerNormBackward(sink(on.apply(dx), true), null, null, on.apply(dy), null,
            on.apply(x), on.apply(weight), on.apply(mean), on.apply(rstd)));
    assertSame("dx alone", dx, 16 * TERMS);
    twins.run(
        (kernels, on) -> kernels.norm().layerNormBackward(null, null, sink(on.apply(dbias), true), on.apply(dy), null,
            on.apply(x), on.apply(weight), on.apply(mean), on.apply(rstd)));
    assertSame("dbias alone", dbias, 16 * TERMS);
  }

  @Test
  void gradientsHaveTheSameBitsEachTime() {
    assertArrayEquals(gradient(), gradient());
  }

  private static float[] gradient() {
    try (var twins = new Twins(3)) {
      Pair x = twins.normal(DType.BF16, 130, 40);
      Pair weight = twins.normal(DType.BF16, 40);
      Pair mean = twins.normal(DType.F32, 130);
      Pair rstd = twins.normal(DType.F32, 130);
      Pair dweight = twins.normal(DType.F32, 40);
      twins.run(
          (kernels, on) -> kernels.norm().layerNormBackward(null, sink(on.apply(dweight), false), null, on.apply(x),
              null, on.apply(x), on.apply(weight), on.apply(mean), on.apply(rstd)));
      return dweight.cuda().toArray();
    }
  }
}
