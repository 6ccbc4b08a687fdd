package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("loops")
class CpuReductionTest {
  private final CpuDevice device = new CpuDevice(2);
  private final Scope scope = Scope.on(device);
  private final Samples samples = new Samples(scope);

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  @ParameterizedTest
  @EnumSource(Combine.class)
  void everyChoiceOfAxesMatchesPlainLoop(Combine combine) {
    Tensor x = samples.normal(DType.F32, 3, 35, 4, 67);
    assertAllAxes(combine, x);
    assertAllAxes(combine, x.permute(3, 1, 0, 2));
    assertAllAxes(combine, x.slice(3, 5, 22));
    assertAllAxes(combine, samples.normal(DType.BF16, 35, 1, 67).expand(3, 35, 4, 67));
  }

  private void assertAllAxes(Combine combine, Tensor x) {
    for (int chosen = 0; chosen < 16; chosen++) {
      int bits = chosen;
      int[] axes = IntStream.range(0, 4).filter(axis -> (bits >> axis & 1) != 0).toArray();
      assertReduces(combine, x, axes);
    }
  }

  private void assertReduces(Combine combine, Tensor x, int... axes) {
    int[] kept =
        IntStream.range(0, x.shape().rank())
            .filter(axis -> Arrays.binarySearch(axes, axis) < 0)
            .map(x.shape()::dim)
            .toArray();
    double[] expected = expected(combine, x, axes);
    long depth = x.shape().size() / Math.max(1, expected.length);
    // F32 sums of up to 32 normal numbers, each within a rounding of a number of some √depth.
    double tolerance = combine == Combine.SUM ? Math.ulp(1f) * Math.sqrt(depth + 1) * 8 : 0;
    Tensor y = scope.allocate(Shape.of(kept), DType.F32);
    device.kernels().reduction().reduce(Sink.of(y), combine, x, axes);
    assertClose(expected, Samples.elements(y), tolerance, combine + Arrays.toString(axes) + x);
    Tensor sum = scope.full(10, Shape.of(kept));
    device.kernels().reduction().reduce(new Sink(sum, true), combine, x, axes);
    for (int i = 0; i < expected.length; i++) {
      expected[i] += 10;
    }
    assertClose(expected, Samples.elements(sum), tolerance + 4e-6, "added");
  }

  private static void assertClose(
      double[] expected, float[] actual, double tolerance, String what) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < actual.length; i++) {
      assertEquals(expected[i], actual[i], tolerance + Math.ulp((float) expected[i]), what);
    }
  }

  private static double[] expected(Combine combine, Tensor x, int... axes) {
    float[] values = Samples.elements(x);
    int outputs = 1;
    int[] weight = new int[x.shape().rank()];
    for (int axis = weight.length - 1; axis >= 0; axis--) {
      if (Arrays.binarySearch(axes, axis) < 0) {
        weight[axis] = outputs;
        outputs *= x.shape().dim(axis);
      }
    }
    double[] result = new double[outputs];
    Arrays.fill(
        result,
        switch (combine) {
          case SUM -> 0;
          case MAX -> Double.NEGATIVE_INFINITY;
          case MIN -> Double.POSITIVE_INFINITY;
        });
    for (int i = 0; i < values.length; i++) {
      int at = 0;
      int rest = i;
      for (int axis = weight.length - 1; axis >= 0; axis--) {
        at += rest % x.shape().dim(axis) * weight[axis];
        rest /= x.shape().dim(axis);
      }
      result[at] =
          switch (combine) {
            case SUM -> result[at] + values[i];
            case MAX -> Math.max(result[at], values[i]);
            case MIN -> Math.min(result[at], values[i]);
          };
    }
    return result;
  }

  @Test
  void longRowsAndTallColumnsMatchPlainLoop() {
    assertReduces(Combine.SUM, samples.normal(DType.F32, 2, 70_001), 1);
    assertReduces(Combine.MIN, samples.normal(DType.F32, 70_001), 0);
    assertReduces(Combine.SUM, samples.normal(DType.F32, 5_003, 19), 0);
    assertReduces(Combine.SUM, samples.normal(DType.F32, 700, 771), 0);
    assertReduces(Combine.MAX, samples.normal(DType.BF16, 2, 900, 300), 1);
    assertReduces(Combine.SUM, samples.normal(DType.F32, 3, 0, 5), 1);
  }

  @Test
  void resultsDoNotDependOnThreads() {
    Tensor x = samples.normal(DType.F32, 900, 300);
    for (int[] axes : new int[][]{{0}, {1}, {0, 1}}) {
      float[] two = reduced(device, x, axes);
      try (var other = new CpuDevice(3)) {
        assertArrayEquals(two, reduced(other, x, axes));
      }
      try (var other = new CpuDevice(1)) {
        assertArrayEquals(two, reduced(other, x, axes));
      }
    }
  }

  private float[] reduced(CpuDevice with, Tensor x, int... axes) {
    int[] kept = axes.length == 2 ? new int[0] : new int[]{x.shape().dim(1 - axes[0])};
    Tensor y = scope.allocate(Shape.of(kept), DType.F32);
    with.kernels().reduction().reduce(Sink.of(y), Combine.SUM, x, axes);
    return Samples.elements(y);
  }

  @ParameterizedTest
  @EnumSource(value = Combine.class, names = {"MAX", "MIN"})
  void nanIsPassedOn(Combine combine) {
    Tensor x = samples.normal(DType.F32, 50, 40);
    Lanes.set(CpuDevice.bytes(x), DType.F32, 7 * 40 + 11, Float.NaN);
    Tensor rows = scope.allocate(Shape.of(50), DType.F32);
    Tensor columns = scope.allocate(Shape.of(40), DType.F32);
    device.kernels().reduction().reduce(Sink.of(rows), combine, x, 1);
    device.kernels().reduction().reduce(Sink.of(columns), combine, x, 0);
    for (int i = 0; i < 50; i++) {
      assertEquals(i == 7, Float.isNaN(Samples.elements(rows)[i]));
    }
    for (int i = 0; i < 40; i++) {
      assertEquals(i == 11, Float.isNaN(Samples.elements(columns)[i]));
    }
  }

  @Test
  void argMaxIsTheFirstOfTheLargest() {
    float[] values = new float[300];
    values[0 * 100 + 31] = 2;
    values[0 * 100 + 77] = 2;
    values[1 * 100 + 99] = 1;
    values[2 * 100 + 5] = 3;
    values[2 * 100 + 50] = Float.NaN;
    Tensor y = scope.allocate(Shape.of(3), DType.I32);
    device.kernels().reduction().argMax(y, scope.tensor(values, Shape.of(3, 100)));
    assertArrayEquals(new int[]{31, 99, 50}, y.toIntArray());
  }

  @Test
  void sumOfManyIsAccurate() {
    Tensor x = scope.full(0.1f, Shape.of(1_000_000));
    Tensor y = scope.allocate(Shape.of(), DType.F32);
    device.kernels().reduction().reduce(Sink.of(y), Combine.SUM, x, 0);
    // A lane adds 32 equal numbers with up to half an ulp of the sum each; all else is in double.
    assertEquals(1_000_000 * (double) 0.1f, y.item(), 32 * Math.ulp(0.5f) * 100_000);
  }
}
