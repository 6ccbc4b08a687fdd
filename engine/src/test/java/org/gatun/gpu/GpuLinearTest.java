package org.gatun.gpu;

import static org.gatun.gpu.Twins.assertSame;
import static org.gatun.gpu.Twins.sink;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.gatun.gpu.Twins.Pair;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.testing.CudaDevices;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@OnCuda
class GpuLinearTest {
  /** Sums of up to some hundred products, each of size one. */
  private static final double TERMS = 256;

  /** Types of x, weight and y; sizes that are multiples of eight and that are not. */
  @ParameterizedTest
  @CsvSource({"F32,F32,F32,5,7,3", "BF16,BF16,BF16,16,24,8", "BF16,BF16,BF16,5,7,3", "BF16,F32,BF16,6,8,16",
    "F32,F32,BF16,3,9,16", "BF16,BF16,F32,9,33,17", "F32,F32,F32,1,1,1", "F32,BF16,F32,130,16,8"})
  void forwardAndBackwardAgreeWithTheCpu(DType xType, DType wType, DType yType, int rows, int in, int out) {
    try (var twins = new Twins(7)) {
      Pair x = twins.normal(xType, rows, in);
      Pair weight = twins.normal(wType, out, in);
      Pair bias = twins.normal(wType, out);
      Pair y = twins.normal(yType, rows, out);
      Pair dx = twins.normal(xType, rows, in);
      Pair dweight = twins.normal(DType.F32, out, in);
      Pair dbias = twins.normal(DType.F32, out);
      twins.run(
          (kernels, on) -> kernels.linear().forward(on.apply(y), on.apply(x), on.apply(weight), new Epilogue.None()));
      assertSame("y", y, TERMS);
      twins.run((kernels, on) -> kernels.linear().forward(on.apply(y), on.apply(x), on.apply(weight),
          new Epilogue.Bias(on.apply(bias))));
      assertSame("y with bias", y, TERMS);
      for (boolean add : new boolean[]{false, true}) {
        twins
            .run((kernels, on) -> kernels.linear().backwardInput(sink(on.apply(dx), add), on.apply(y), on.apply(weight),
                new Epilogue.None()));
        assertSame("dx", dx, 16 * TERMS);
        twins.run((kernels, on) -> kernels.linear().backwardWeight(sink(on.apply(dweight), add),
            sink(on.apply(dbias), add), on.apply(y), on.apply(x)));
        assertSame("dweight", dweight, 16 * TERMS);
        assertSame("dbias", dbias, 16 * TERMS);
      }
      twins.run((kernels, on) -> kernels.linear().backwardWeight(null, sink(on.apply(bias), true), on.apply(y),
          on.apply(x)));
      assertSame("bias alone", bias, 16 * TERMS);
    }
  }

  @ParameterizedTest
  @CsvSource({"BF16,true,TANH,true", "BF16,false,TANH,true", "F32,true,TANH,false", "F32,true,ERF,true",
    "BF16,true,ERF,false"})
  void geluAgreesWithTheCpu(DType type, boolean fused, Gelu form, boolean biased) {
    try (var twins = new Twins(7, CudaDevices.options().withFusedGelu(fused))) {
      Pair x = twins.normal(type, 6, 9);
      Pair weight = twins.normal(type, 16, 9);
      Pair bias = twins.normal(type, 16);
      Pair y = twins.normal(type, 6, 16);
      Pair z = twins.normal(type, 6, 16);
      twins.run((kernels, on) -> kernels.linear().forward(on.apply(y), on.apply(x), on.apply(weight),
          new Epilogue.BiasGelu(biased ? on.apply(bias) : null, on.apply(z), form)));
      assertSame("z", z, TERMS);
      assertSame("gelu", y, TERMS);
      Pair dz = twins.normal(type, 6, 16);
      Pair dy = twins.normal(type, 6, 24);
      Pair w2 = twins.normal(type, 24, 16);
      twins.run((kernels, on) -> kernels.linear().backwardInput(sink(on.apply(dz), false), on.apply(dy), on.apply(w2),
          new Epilogue.GeluGradient(on.apply(z), form, null)));
      // The CPU's z may differ by a rounding, and gelu' changes by up to 0.8 times that.
      assertSame("dz", dz, type == DType.BF16 ? 0x1p18 : 8 * TERMS);
    }
  }

  @ParameterizedTest
  @CsvSource({"F32", "BF16"})
  void viewsAgreeWithTheCpu(DType type) {
    try (var twins = new Twins(7)) {
      Pair a = twins.normal(type, 3, 4, 5);
      Pair b = twins.normal(type, 3, 5, 7);
      Pair shared = twins.normal(type, 1, 7, 5);
      Pair y = twins.normal(type, 3, 4, 7);
      twins.run((kernels, on) -> kernels.linear().matmul(sink(on.apply(y), false), on.apply(a), on.apply(b)));
      assertSame("y", y, TERMS);
      Pair transposed = shared.map(x -> x.transpose(1, 2).expand(3, 5, 7));
      twins.run((kernels, on) -> kernels.linear().matmul(sink(on.apply(y), true), on.apply(a), on.apply(transposed)));
      assertSame("one transposed matrix for all", y, TERMS);
      Pair crossed = twins.normal(type, 3, 5, 4).map(x -> x.transpose(1, 2));
      twins.run((kernels, on) -> kernels.linear().matmul(sink(on.apply(y), false), on.apply(crossed), on.apply(b)));
      assertSame("a transposed", y, TERMS);
      Pair inside = twins.normal(type, 3, 4, 11).map(x -> x.slice(2, 3, 8));
      twins.run((kernels, on) -> kernels.linear().matmul(sink(on.apply(y), false), on.apply(inside), on.apply(b)));
      assertSame("rows apart and unaligned", y, TERMS);
    }
  }

  @Test
  void productOfNothingIsZero() {
    try (var twins = new Twins(7)) {
      Pair a = twins.normal(DType.F32, 2, 3, 0);
      Pair b = twins.normal(DType.F32, 2, 0, 4);
      Pair y = twins.normal(DType.F32, 2, 3, 4);
      twins.run((kernels, on) -> kernels.linear().matmul(sink(on.apply(y), false), on.apply(a), on.apply(b)));
      assertArrayEquals(new float[24], y.cuda().toArray());
    }
  }
}
