package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.gpu.CudaSamples.Pair;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Reduction;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@OnCuda
class GpuReductionTest {
  private final CudaSamples samples = new CudaSamples();
  private final Reduction gpu = samples.device.kernels().reduction();
  private final Reduction cpu = samples.host.kernels().reduction();

  @AfterEach
  void close() {
    samples.close();
  }

  /** Over any axes of any view, in one piece and in several, into either type, with and without adding. */
  @ParameterizedTest
  @EnumSource(Combine.class)
  void viewsAreReducedOverAnyAxes(Combine combine) {
    for (Pair x : samples.views(DType.F32).toList()) {
      for (int[] axes : new int[][]{{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}}) {
        check(combine, DType.F32, x, axes);
      }
    }
    check(combine, DType.BF16, samples.normal(DType.BF16, 3, 700), 1);
    check(combine, DType.BF16, samples.normal(DType.F32, 700, 3), 0);
    check(combine, DType.F32, samples.normal(DType.BF16, 20_001), 0);
    check(combine, DType.F32, samples.normal(DType.F32, 3, 9000), 1);
    check(combine, DType.F32, samples.normal(DType.F32, 1000, 40), 0);
  }

  private void check(Combine combine, DType into, Pair x, int... axes) {
    int[] dims = IntStream.range(0, x.cpu().shape().rank())
        .filter(axis -> Arrays.binarySearch(axes, axis) < 0).map(x.cpu().shape()::dim).toArray();
    Pair y = samples.normal(into, dims);
    boolean add = axes.length == 1;
    gpu.reduce(new Sink(y.gpu(), add), combine, x.gpu(), axes);
    cpu.reduce(new Sink(y.cpu(), add), combine, x.cpu(), axes);
    double count = (double) x.cpu().shape().size() / Math.max(1, y.cpu().shape().size());
    double unit = into == DType.BF16 ? 0x1p-8 : 0x1p-24;
    float[] expected = y.cpu().toArray();
    float[] actual = y.gpu().toArray();
    for (int i = 0; i < expected.length; i++) {
      // Rounding errors of a sum of n terms grow as √n, with four times that for near certainty: here of two sums, each of
      // values of size one, or of the sum's own size where they do not cancel. Then the result is rounded, or added to.
      double size = Math.max(Math.sqrt(count), Math.abs(expected[i])) + 4;
      double tolerance =
          combine == Combine.SUM ? (8 * Math.sqrt(count) * 0x1p-24 + 2 * unit) * size : add ? 2 * unit * size : 0;
      assertEquals(expected[i], actual[i], tolerance,
          () -> combine + " of " + x.cpu() + " over " + axes.length + " axes");
    }
  }

  @Test
  void resultsRepeatBitForBit() {
    Tensor x = samples.normal(DType.F32, 50_000).gpu();
    float first = x.sum().item();
    for (int i = 0; i < 3; i++) {
      assertEquals(first, x.sum().item());
    }
  }

  @Test
  void extremesAreNaNWhereAnyElementIs() {
    for (int at : List.of(0, 31, 32, 300, 999)) {
      float[] values = new float[1000];
      values[at] = Float.NaN;
      Tensor x = samples.onDevice.tensor(values, Shape.of(1000, 1));
      assertEquals(Float.NaN, x.max(0).item());
      assertEquals(Float.NaN, x.min(0).item());
      assertEquals(at, samples.onDevice.tensor(values, Shape.of(1000)).argMax().toIntArray()[0]);
    }
  }

  @Test
  void firstLargestIsFoundInRowsOfAnyLength() {
    for (int width : new int[]{1, 31, 33, 1500}) {
      Pair x = samples.indices(9, 4, width);
      Tensor expected = x.cpu().cast(DType.F32).argMax();
      assertArrayEquals(expected.toIntArray(), x.gpu().cast(DType.F32).argMax().toIntArray());
      assertArrayEquals(expected.toIntArray(), x.gpu().cast(DType.BF16).argMax().toIntArray());
    }
  }
}
