package org.gatun.cpu;

import static org.gatun.tensor.Formula.constant;
import static org.gatun.tensor.Formula.operand;
import static org.gatun.tensor.Formula.scalar;
import static org.gatun.tensor.Formula.select;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.Stream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class CpuPointwiseTest {
  private final CpuDevice device = new CpuDevice(2);

  @Test
  void evenTheSmallestCallHoldsTheDeviceOpen() {
    try (var scope = Scope.on(device)) {
      Tensor x = scope.full(1, Shape.of(3));
      device.workers().run(1, (_, _) -> {
        Sink y = Sink.of(x);
        assertThrows(
            IllegalStateException.class,
            () -> device.kernels().pointwise().map(y, operand(0).plus(operand(1)), List.of(x, x)));
        assertThrows(IllegalStateException.class, device::close);
      });
    }
  }
  private final Scope scope = Scope.on(device);
  private final Samples samples = new Samples(scope);
  private final CpuPointwise pointwise = (CpuPointwise) device.kernels().pointwise();

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 511, 512, 513, 1025, 16_384, 16_385, 50_000})
  void mapMatchesPlainLoop(int n) {
    Formula formula = operand(0).times(operand(1)).plus(scalar(0)).minus(operand(0).times(0.5));
    Tensor a = samples.normal(DType.F32, n);
    Tensor b = samples.normal(DType.BF16, n);
    Tensor y = samples.normal(DType.F32, n);
    float[] before = Samples.elements(y);
    pointwise.map(new Sink(y, true), formula, List.of(a, b), 3f);
    float[] as = Samples.elements(a);
    float[] bs = Samples.elements(b);
    float[] expected = new float[n];
    for (int i = 0; i < n; i++) {
      expected[i] = before[i] + (as[i] * bs[i] + 3f - as[i] * 0.5f);
    }
    assertArrayEquals(expected, Samples.elements(y));
  }

  @Test
  void everyFunctionHasItsMeaning() {
    Tensor a = scope.tensor(new float[]{-2, 0.5f, 3, Float.NaN}, Shape.of(4));
    Tensor b = scope.tensor(new float[]{2, 0.5f, -1, 1}, Shape.of(4));
    Formula x = operand(0);
    Formula z = operand(1);
    float nan = Float.NaN;
    assertMap(x.negate(), a, b, 2, -0.5f, -3, nan);
    assertMap(
        x.abs().sqrt(),
        a,
        b,
        (float) Math.sqrt(2),
        (float) Math.sqrt(0.5),
        (float) Math.sqrt(3),
        nan);
    assertMap(x.minus(z), a, b, -4, 0, 4, nan);
    assertMap(x.dividedBy(z), a, b, -1, 1, -3, nan);
    assertMap(x.pow(z), a, b, 4, (float) Math.pow(0.5, 0.5), 1 / 3f, nan);
    assertMap(x.pow(scalar(0)), a, b, 4, 0.25f, 9, nan);
    assertMap(x.maximum(z), a, b, 2, 0.5f, 3, nan);
    assertMap(x.minimum(z), a, b, -2, 0.5f, -1, nan);
    assertMap(x.lessThan(z), a, b, 1, 0, 0, 0);
    assertMap(x.atMost(z), a, b, 1, 1, 0, 0);
    assertMap(x.equalTo(z), a, b, 0, 1, 0, 0);
    assertMap(select(x.atMost(constant(0)), x, z), a, b, -2, 0.5f, -1, 1);
    assertMap(select(x, constant(1), z), a, b, 1, 1, 1, 1);
    assertMap(scalar(0).plus(1).times(scalar(0)), a, b, 6, 6, 6, 6);
    assertMap(z.exp().log(), a, b, 2, 0.5f, -1, 1);
    assertMap(z, a, b, 2, 0.5f, -1, 1);
  }

  private void assertMap(Formula formula, Tensor a, Tensor b, float... expected) {
    Tensor y = scope.allocate(Shape.of(4), DType.F32);
    pointwise.map(Sink.of(y), formula, List.of(a, b), 2f);
    assertArrayEquals(expected, Samples.elements(y), Math.ulp(4f), formula::toString);
  }

  @Test
  void chunksAreReusedWithoutMixingValues() {
    Formula deep = operand(0);
    for (int i = 1; i < 12; i++) {
      deep =
          deep.times(operand(0).plus(i)).minus(operand(1).times(i).abs()).maximum(deep.times(0.25));
    }
    Tensor a = samples.normal(DType.F32, 700);
    Tensor b = samples.normal(DType.F32, 700);
    Tensor y = scope.allocate(a.shape(), DType.F32);
    pointwise.map(Sink.of(y), deep, List.of(a, b));
    float[] as = Samples.elements(a);
    float[] bs = Samples.elements(b);
    float[] expected = new float[700];
    for (int k = 0; k < 700; k++) {
      float d = as[k];
      for (int i = 1; i < 12; i++) {
        d = Math.max(d * (as[k] + i) - Math.abs(bs[k] * i), d * 0.25f);
      }
      expected[k] = d;
    }
    assertArrayEquals(expected, Samples.elements(y));
  }

  /** Views of [5, 37, 41]. */
  private Stream<Tensor> views(DType dtype) {
    return Stream.of(
        samples.normal(dtype, 5, 37, 41),
        samples.normal(dtype, 41, 37, 5).permute(2, 1, 0),
        samples.normal(dtype, 37, 5, 41).permute(1, 0, 2),
        samples.normal(dtype, 5, 41, 37).permute(0, 2, 1),
        samples.normal(dtype, 5, 37, 90).slice(2, 30, 71),
        samples.normal(dtype, 9, 37, 41).slice(0, 3, 8),
        samples.normal(dtype, 41).expand(5, 37, 41),
        samples.normal(dtype, 37, 1).expand(5, 37, 41),
        samples.normal(dtype, 5, 1, 1).expand(5, 37, 41),
        samples.normal(dtype).expand(5, 37, 41));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void copyTakesAnyStridesOnEitherSide(DType into) {
    for (DType from : DType.values()) {
      views(from)
          .forEach(
              x -> views(into)
                  .limit(6)
                  .forEach(
                      y -> {
                        float[] values = Samples.elements(x);
                        pointwise.copy(Sink.of(y), x);
                        float[] expected = new float[values.length];
                        for (int i = 0; i < values.length; i++) {
                          expected[i] = Samples.held(into, values[i]);
                        }
                        assertArrayEquals(expected, Samples.elements(y));
                        pointwise.copy(new Sink(y, true), x);
                        for (int i = 0; i < values.length; i++) {
                          expected[i] = Samples.held(into, expected[i] + values[i]);
                        }
                        assertArrayEquals(expected, Samples.elements(y));
                      }));
    }
  }

  @Test
  void copyKeepsAllBitsOfIntegers() {
    int[] values = {Integer.MAX_VALUE, 0x7F800001, -1, 1 << 24 | 1, 0, 5};
    Tensor x = scope.tensor(values, Shape.of(2, 3));
    Tensor y = scope.allocate(Shape.of(3, 2), DType.I32);
    pointwise.copy(Sink.of(y), x.permute(1, 0));
    assertArrayEquals(
        new int[]{values[0], values[3], values[1], values[4], values[2], values[5]},
        y.toIntArray());
  }

  @Test
  void mapTakesViews() {
    Tensor y = samples.normal(DType.F32, 41, 37, 5).permute(2, 1, 0);
    views(DType.BF16)
        .forEach(
            a -> views(DType.F32)
                .forEach(
                    b -> {
                      pointwise.map(Sink.of(y), operand(0).minus(operand(1)), List.of(a, b));
                      float[] as = Samples.elements(a);
                      float[] bs = Samples.elements(b);
                      float[] ys = Samples.elements(y);
                      for (int i = 0; i < ys.length; i++) {
                        assertEquals(as[i] - bs[i], ys[i]);
                      }
                    }));
  }

  @ParameterizedTest
  @MethodSource("fills")
  void fillCoversAllAndNothingElse(DType dtype, float value) {
    Tensor whole = samples.normal(dtype, 9, 70, 41);
    Tensor part = whole.slice(0, 2, 7);
    Tensor inner = whole.slice(2, 3, 33);
    float[] before = Samples.elements(whole);
    pointwise.fill(part, value);
    pointwise.fill(inner, value);
    float[] after = Samples.elements(whole);
    for (int i = 0; i < after.length; i++) {
      int row = i / (70 * 41);
      boolean inside = row >= 2 && row < 7 || i % 41 >= 3 && i % 41 < 33;
      assertEquals(inside ? Samples.held(dtype, value) : before[i], after[i]);
    }
  }

  static Stream<Arguments> fills() {
    return Stream.of(DType.values())
        .flatMap(dtype -> Stream.of(0f, -0f, 7.25f).map(value -> Arguments.of(dtype, value)));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 5, 511, 513, 20_001})
  void dropoutUsesTheNumbersOfPhilox(int n) {
    long seed = 0x1234_5678_9ABC_DEF0L;
    Tensor x = samples.normal(DType.F32, n);
    Tensor y = scope.allocate(x.shape(), DType.F32);
    pointwise.dropout(Sink.of(y), x, 0.3f, seed, null);
    float[] xs = Samples.elements(x);
    float[] ys = Samples.elements(y);
    for (int i = 0; i < n; i++) {
      assertEquals(Philox.uniform(seed, i) >= 0.3f ? xs[i] / 0.7f : 0f, ys[i], Math.ulp(ys[i]));
    }
  }
}
