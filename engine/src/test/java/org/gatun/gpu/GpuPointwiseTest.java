package org.gatun.gpu;

import static org.gatun.tensor.Formula.constant;
import static org.gatun.tensor.Formula.operand;
import static org.gatun.tensor.Formula.scalar;
import static org.gatun.tensor.Formula.select;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.gatun.gpu.CudaSamples.Pair;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels.Pointwise;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The same bits as on the CPU, where formulas are made of sums, products and quotients; else the same within rounding. */
@OnCuda
class GpuPointwiseTest {
  private final CudaSamples samples = new CudaSamples();
  private final Pointwise gpu = samples.device.kernels().pointwise();
  private final Pointwise cpu = samples.host.kernels().pointwise();

  @AfterEach
  void close() {
    samples.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 5, 7, 8, 9, 1023, 20_001})
  void mapMatchesTheCpu(int n) {
    Formula formula = operand(0).times(operand(1)).plus(scalar(0)).minus(operand(0).times(0.5)).dividedBy(scalar(1));
    Pair a = samples.normal(DType.F32, n);
    Pair b = samples.normal(DType.BF16, n);
    Pair y = samples.normal(DType.F32, n);
    gpu.map(new Sink(y.gpu(), true), formula, List.of(a.gpu(), b.gpu()), 3f, 7f);
    cpu.map(new Sink(y.cpu(), true), formula, List.of(a.cpu(), b.cpu()), 3f, 7f);
    assertArrayEquals(y.cpu().toArray(), y.gpu().toArray());
  }

  @Test
  void everyFunctionHasItsMeaning() {
    float nan = Float.NaN;
    Pair a = pair(-2, 0.5f, 3, nan, -0f, Float.POSITIVE_INFINITY);
    Pair b = pair(2, 0.5f, -1, 1, 0, 2);
    Formula x = operand(0);
    Formula z = operand(1);
    List<Formula> formulas = List.of(
        x.negate(), x.abs().sqrt(), x.plus(z), x.minus(z), x.times(z), x.dividedBy(z), x.pow(z), x.pow(scalar(0)),
        x.maximum(z), z.maximum(x), x.minimum(z), z.minimum(x), x.lessThan(z), x.atMost(z), x.equalTo(z),
        select(x.atMost(constant(0)), x, z), select(x, constant(1), z), scalar(0).plus(1).times(scalar(0)), z.exp(),
        z.exp().log(), x.tanh(), x.erf(), x.log(), constant(Double.NaN), constant(Double.POSITIVE_INFINITY));
    for (Formula formula : formulas) {
      Pair y = pair(0, 0, 0, 0, 0, 0);
      gpu.map(Sink.of(y.gpu()), formula, List.of(a.gpu(), b.gpu()), 2f);
      cpu.map(Sink.of(y.cpu()), formula, List.of(a.cpu(), b.cpu()), 2f);
      // Two libraries' functions, each good to two units in the last place or so, at values up to 9.
      assertArrayEquals(y.cpu().toArray(), y.gpu().toArray(), 4 * Math.ulp(9f), formula::toString);
    }
  }

  private Pair pair(float... values) {
    Shape shape = Shape.of(values.length);
    return new Pair(samples.onDevice.tensor(values, shape), samples.onHost.tensor(values, shape));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void copyTakesAnyStridesOnEitherSide(DType into) {
    for (DType from : DType.values()) {
      List<Pair> xs = samples.views(from).toList();
      List<Pair> ys = samples.views(into).limit(6).toList();
      for (int i = 0; i < xs.size(); i++) {
        Pair x = xs.get(i);
        // Two of the six for each: every combination comes up with one type or another.
        for (Pair y : List.of(ys.get((i + into.ordinal()) % 6), ys.get((i + from.ordinal() + 3) % 6))) {
          gpu.copy(Sink.of(y.gpu()), x.gpu());
          cpu.copy(Sink.of(y.cpu()), x.cpu());
          assertSame(y);
          gpu.copy(new Sink(y.gpu(), true), x.gpu());
          cpu.copy(new Sink(y.cpu(), true), x.cpu());
          assertSame(y);
        }
      }
    }
  }

  private static void assertSame(Pair y) {
    assertArrayEquals(y.cpu().toArray(), y.gpu().toArray());
  }

  @Test
  void copyKeepsAllBitsOfIntegers() {
    int[] values = {Integer.MAX_VALUE, 0x7F800001, -1, 1 << 24 | 1, 0, 5};
    Tensor x = samples.onDevice.tensor(values, Shape.of(2, 3));
    Tensor y = samples.onDevice.allocate(Shape.of(3, 2), DType.I32);
    gpu.copy(Sink.of(y), x.permute(1, 0));
    assertArrayEquals(
        new int[]{values[0], values[3], values[1], values[4], values[2], values[5]}, y.toIntArray());
  }

  @Test
  void integersAreCutAsJavaCutsThem() {
    float[] values = {1.9f, -1.9f, Float.NaN, 3e9f, -3e9f, Float.POSITIVE_INFINITY, 0, 2147483520f};
    Tensor x = samples.onDevice.tensor(values, Shape.of(8));
    int[] cut = x.cast(DType.I32).toIntArray();
    for (int i = 0; i < values.length; i++) {
      assertEquals((int) values[i], cut[i]);
    }
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void fillCoversAllAndNothingElse(DType dtype) {
    List<UnaryOperator<Tensor>> parts = List.of(
        x -> x.slice(0, 2, 7), x -> x.slice(2, 3, 33), x -> x.slice(0, 8, 9).slice(1, 1, 2), x -> x);
    Pair whole = samples.normal(dtype, 9, 70, 41);
    float[] values = {7.25f, 0f, -0f, 3e-39f};
    for (int i = 0; i < parts.size(); i++) {
      Pair part = whole.view(parts.get(i));
      gpu.fill(part.gpu(), values[i]);
      cpu.fill(part.cpu(), values[i]);
      assertSame(whole);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 5, 8, 511, 513, 20_001})
  void dropoutFallsAsOnTheCpu(int n) {
    long seed = 0x1234_5678_9ABC_DEF0L;
    Pair x = samples.normal(DType.F32, n);
    Pair y = samples.normal(DType.F32, n);
    gpu.dropout(new Sink(y.gpu(), true), x.gpu(), 0.3f, seed, null);
    cpu.dropout(new Sink(y.cpu(), true), x.cpu(), 0.3f, seed, null);
    assertSame(y);
  }

  @Test
  void dropoutCountsElementsOfViewsInTheirOrder() {
    List<Pair> views = samples.views(DType.BF16).toList();
    Pair salt = samples.indices(Integer.MAX_VALUE, 2);
    for (Pair x : views) {
      Pair y = samples.normal(DType.F32, 5, 37, 41);
      gpu.dropout(Sink.of(y.gpu()), x.gpu(), 0.6f, 3, salt.gpu());
      cpu.dropout(Sink.of(y.cpu()), x.cpu(), 0.6f, 3, salt.cpu());
      assertSame(y);
    }
  }

  @Test
  void viewsOfMoreDimensionsThanAKernelIsToldOfAreRefused() {
    int[] dims = new int[10];
    Arrays.fill(dims, 2);
    int[] order = IntStream.range(0, 10).map(axis -> 9 - axis).toArray();
    Tensor x = samples.normal(DType.F32, dims).gpu().permute(order);
    var refusal = assertThrows(IllegalArgumentException.class, x::neg);
    assertEquals("a view on a CUDA device has at most 8 dimensions that do not lie one in the other; copy it with"
        + " contiguous()", refusal.getMessage());
  }
}
