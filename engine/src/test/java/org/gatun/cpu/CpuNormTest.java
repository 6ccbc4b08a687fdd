package org.gatun.cpu;

import static org.gatun.cpu.HostArrays.assertNear;
import static org.gatun.cpu.HostArrays.doubles;
import static org.gatun.cpu.HostArrays.filled;
import static org.gatun.cpu.HostArrays.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("loops")
class CpuNormTest {
  private static final int ROWS = 75; // three groups of rows, unequal
  private static final float EPS = 1e-5f;

  private final HostArrays arrays = new HostArrays(2016);

  static Stream<Arguments> sizesAndTypes() {
    return IntStream.of(1, 2, 7, 8, 15, 16, 17, 64, 768)
        .boxed()
        .flatMap(size -> Stream.of(DType.F32, DType.BF16).map(type -> Arguments.of(size, type)));
  }

  /** A row's sums have {@code size} terms of order one; rounding errors of each add up at worst. */
  private static double tolerance(int size) {
    return 4 * size * HostArrays.F32_ROUNDING + 16 * HostArrays.F32_ROUNDING;
  }

  @ParameterizedTest
  @MethodSource("sizesAndTypes")
  void layerNormMatchesItsDefinition(int size, DType type) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor x = arrays.normal(scope, type, ROWS, size);
      Tensor weight = arrays.normal(scope, type, size);
      Tensor bias = arrays.normal(scope, type, size);
      Tensor y = scope.allocate(x.shape(), type);
      Tensor mean = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor rstd = scope.allocate(Shape.of(ROWS), DType.F32);
      new CpuNorm(device).layerNorm(y, mean, rstd, x, weight, bias, EPS);

      var expected = new Reference(doubles(x), size, true);
      assertNear("mean", expected.mean, mean, tolerance(size), 0);
      assertNear("rstd", expected.rstd, rstd, 0, rstdTolerance(expected, size));
      assertNear("y", expected.y(doubles(weight), doubles(bias)), y,
          valueTolerance(expected, size), HostArrays.rounding(type));

      new CpuNorm(device).layerNorm(y, mean, rstd, x, weight, null, EPS);
      assertNear("y without bias", expected.y(doubles(weight), new double[size]), y,
          valueTolerance(expected, size), HostArrays.rounding(type));
    }
  }

  @ParameterizedTest
  @MethodSource("sizesAndTypes")
  void addLayerNormNormalizesTheSumAsItIsStored(int size, DType type) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor a = arrays.normal(scope, type, ROWS, size);
      Tensor b = arrays.normal(scope, type, ROWS, size);
      Tensor weight = arrays.normal(scope, type, size);
      Tensor bias = arrays.normal(scope, type, size);
      Tensor sum = scope.allocate(a.shape(), type);
      Tensor y = scope.allocate(a.shape(), type);
      Tensor separate = scope.allocate(a.shape(), type);
      Tensor mean = scope.allocate(Shape.of(ROWS), DType.F32);
      Tensor rstd = scope.allocate(Shape.of(ROWS), DType.F32);
      var norm = new CpuNorm(device);
      norm.addLayerNorm(sum, y, mean, rstd, a, b, weight, bias, EPS);
      norm.layerNorm(separate, mean, rstd, sum, weight, bias, EPS);

      double[] expected = doubles(a);
      double[] other = doubles(b);
      Arrays.setAll(expected, i -> expected[i] + other[i]);
      assertNear("sum", expected, sum, 0, HostArrays.rounding(type));
      assertArrayEquals(floats(separate), floats(y));
    }
  }

  @ParameterizedTest
  @MethodSource("sizesAndTypes")
  void layerNormBackwardMatchesItsDefinition(int size, DType type) {
    checkBackward(size, type, true);
  }

  @ParameterizedTest
  @MethodSource("sizesAndTypes")
  void rmsNormMatchesItsDefinition(int size, DType type) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor x = arrays.normal(scope, type, ROWS, size);
      Tensor weight = arrays.normal(scope, type, size);
      Tensor y = scope.allocate(x.shape(), type);
      Tensor rstd = scope.allocate(Shape.of(ROWS), DType.F32);
      new CpuNorm(device).rmsNorm(y, rstd, x, weight, EPS);

      var expected = new Reference(doubles(x), size, false);
      assertNear("rstd", expected.rstd, rstd, 0, tolerance(size));
      assertNear("y", expected.y(doubles(weight), new double[size]), y, 0,
          tolerance(size) + HostArrays.rounding(type));
    }
  }

  @ParameterizedTest
  @MethodSource("sizesAndTypes")
  void rmsNormBackwardMatchesItsDefinition(int size, DType type) {
    checkBackward(size, type, false);
  }

  private void checkBackward(int size, DType type, boolean centered) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor x = arrays.normal(scope, type, ROWS, size);
      Tensor dy = arrays.normal(scope, type, ROWS, size);
      Tensor carried = centered ? arrays.normal(scope, type, ROWS, size) : null;
      Tensor weight = arrays.normal(scope, type, size);
      Tensor dx = arrays.normal(scope, type, ROWS, size);
      Tensor dweight = arrays.normal(scope, DType.F32, size);
      Tensor dbias = arrays.normal(scope, DType.F32, size);
      double[] earlierX = doubles(dx);
      double[] earlierWeight = doubles(dweight);
      double[] earlierBias = doubles(dbias);
      var expected = new Reference(doubles(x), size, centered);
      Tensor mean = filled(scope, DType.F32, narrow(expected.mean), Shape.of(ROWS));
      Tensor rstd = filled(scope, DType.F32, narrow(expected.rstd), Shape.of(ROWS));
      var norm = new CpuNorm(device);
      for (boolean add : new boolean[]{true, false}) {
        if (centered) {
          norm.layerNormBackward(new Sink(dx, add), new Sink(dweight, add), new Sink(dbias, add),
              dy,
              carried, x, weight, mean, rstd);
        } else {
          norm.rmsNormBackward(new Sink(dx, add), new Sink(dweight, add), dy, x, weight, rstd);
        }
        double kept = add ? 1 : 0;
        double largest = Arrays.stream(expected.rstd).max().orElseThrow();
        // Differences of terms of order rstd; with BF16, of a sum rounded at its own size too.
        double absolute = largest * tolerance(size) * 16 + 8 * HostArrays.rounding(type);
        double[] slope = expected.dx(doubles(dy), doubles(weight));
        double[] more = carried == null ? new double[slope.length] : doubles(carried);
        Arrays.setAll(slope, i -> slope[i] + more[i] + kept * earlierX[i]);
        assertNear("dx", slope, dx, absolute, HostArrays.rounding(type));
        double overRows = 64 * ROWS * HostArrays.F32_ROUNDING * (1 + largest * tolerance(size));
        assertNear("dweight", sum(expected.dweight(doubles(dy)), earlierWeight, kept), dweight,
            overRows, 0);
        if (centered) {
          assertNear("dbias", sum(expected.dbias(doubles(dy)), earlierBias, kept), dbias, overRows,
              0);
        }
      }
    }
  }

  @Test
  void eachGradientMayBeLeftOut() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor x = arrays.normal(scope, DType.F32, 5, 9);
      Tensor dy = arrays.normal(scope, DType.F32, 5, 9);
      Tensor weight = arrays.normal(scope, DType.F32, 9);
      Tensor y = scope.allocate(x.shape(), DType.F32);
      Tensor mean = scope.allocate(Shape.of(5), DType.F32);
      Tensor rstd = scope.allocate(Shape.of(5), DType.F32);
      var norm = new CpuNorm(device);
      norm.layerNorm(y, mean, rstd, x, weight, null, EPS);
      Tensor[] all = {
        scope.allocate(x.shape(), DType.F32),
        scope.allocate(weight.shape(), DType.F32),
        scope.allocate(weight.shape(), DType.F32)
      };
      norm.layerNormBackward(
          Sink.of(all[0]), Sink.of(all[1]), Sink.of(all[2]), dy, null, x, weight, mean, rstd);
      for (int only = 0; only < 3; only++) {
        Tensor alone = scope.allocate(all[only].shape(), DType.F32);
        norm.layerNormBackward(
            only == 0 ? Sink.of(alone) : null, only == 1 ? Sink.of(alone) : null,
            only == 2 ? Sink.of(alone) : null, dy, null, x, weight, mean, rstd);
        assertArrayEquals(floats(all[only]), floats(alone));
      }
    }
  }

  @Test
  void constantRowsHaveNoSlope() {
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Tensor x = filled(scope, DType.F32, new float[]{3, 3, 3, 3}, Shape.of(1, 4));
      Tensor weight = filled(scope, DType.F32, new float[]{1, 1, 1, 1}, Shape.of(4));
      Tensor y = scope.allocate(x.shape(), DType.F32);
      Tensor mean = scope.allocate(Shape.of(1), DType.F32);
      Tensor rstd = scope.allocate(Shape.of(1), DType.F32);
      new CpuNorm(device).layerNorm(y, mean, rstd, x, weight, null, EPS);
      assertArrayEquals(new float[4], floats(y));
      assertEquals((float) (1 / Math.sqrt(EPS)), floats(rstd)[0]);
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    float[][] first = gradients(1);
    for (int threads = 2; threads <= 3; threads++) {
      float[][] other = gradients(threads);
      for (int i = 0; i < first.length; i++) {
        assertArrayEquals(first[i], other[i]);
      }
    }
  }

  private static float[][] gradients(int threads) {
    var same = new HostArrays(7);
    try (var device = new CpuDevice(threads); var scope = Scope.on(device)) {
      Tensor x = same.normal(scope, DType.F32, 300, 130);
      Tensor dy = same.normal(scope, DType.F32, 300, 130);
      Tensor weight = same.normal(scope, DType.F32, 130);
      Tensor y = scope.allocate(x.shape(), DType.F32);
      Tensor mean = scope.allocate(Shape.of(300), DType.F32);
      Tensor rstd = scope.allocate(Shape.of(300), DType.F32);
      Tensor dx = scope.allocate(x.shape(), DType.F32);
      Tensor dweight = scope.allocate(weight.shape(), DType.F32);
      Tensor dbias = scope.allocate(weight.shape(), DType.F32);
      var norm = new CpuNorm(device);
      norm.layerNorm(y, mean, rstd, x, weight, null, EPS);
      norm.layerNormBackward(
          Sink.of(dx), Sink.of(dweight), Sink.of(dbias), dy, null, x, weight, mean, rstd);
      return new float[][]{floats(y), floats(dx), floats(dweight), floats(dbias)};
    }
  }

  /** Rounding the mean is an error of the mean's size, enlarged where the rows vary little. */
  private static double valueTolerance(Reference expected, int size) {
    return 16 * tolerance(size) * (1 + Arrays.stream(expected.rstd).max().orElseThrow());
  }

  private static double rstdTolerance(Reference expected, int size) {
    double largest = Arrays.stream(expected.rstd).max().orElseThrow();
    return tolerance(size) * (1 + largest * 4);
  }

  private static double[] sum(double[] x, double[] y, double factor) {
    double[] sum = new double[x.length];
    Arrays.setAll(sum, i -> x[i] + factor * y[i]);
    return sum;
  }

  private static float[] narrow(double[] x) {
    float[] y = new float[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = (float) x[i];
    }
    return y;
  }

  /** The definitions, in double. */
  private static final class Reference {
    final int size;
    final int rows;
    final double[] mean;
    final double[] rstd;
    final double[] normed;

    Reference(double[] x, int size, boolean centered) {
      this.size = size;
      rows = x.length / size;
      mean = new double[rows];
      rstd = new double[rows];
      normed = new double[x.length];
      for (int n = 0; n < rows; n++) {
        double[] row = Arrays.copyOfRange(x, n * size, n * size + size);
        double average = centered ? Arrays.stream(row).average().orElseThrow() : 0;
        double variance = Arrays.stream(row).map(v -> (v - average) * (v - average)).sum() / size;
        mean[n] = average;
        rstd[n] = 1 / Math.sqrt(variance + EPS);
        for (int c = 0; c < size; c++) {
          normed[n * size + c] = (row[c] - average) * rstd[n];
        }
      }
      this.centered = centered;
    }

    final boolean centered;

    double[] y(double[] weight, double[] bias) {
      double[] y = new double[normed.length];
      Arrays.setAll(y, i -> normed[i] * weight[i % size] + bias[i % size]);
      return y;
    }

    double[] dx(double[] dy, double[] weight) {
      double[] dx = new double[normed.length];
      for (int n = 0; n < rows; n++) {
        double sum = 0;
        double dot = 0;
        for (int i = n * size; i < (n + 1) * size; i++) {
          sum += dy[i] * weight[i % size];
          dot += dy[i] * weight[i % size] * normed[i];
        }
        for (int i = n * size; i < (n + 1) * size; i++) {
          double average = centered ? sum / size : 0;
          dx[i] = (dy[i] * weight[i % size] - average - normed[i] * dot / size) * rstd[n];
        }
      }
      return dx;
    }

    double[] dweight(double[] dy) {
      double[] d = new double[size];
      for (int i = 0; i < dy.length; i++) {
        d[i % size] += dy[i] * normed[i];
      }
      return d;
    }

    double[] dbias(double[] dy) {
      double[] d = new double[size];
      for (int i = 0; i < dy.length; i++) {
        d[i % size] += dy[i];
      }
      return d;
    }
  }
}
