package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Kernels.Softmax;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class CpuSoftmaxTest {
  private final CpuDevice device = new CpuDevice(2);
  private final Scope scope = Scope.on(device);
  private final Samples samples = new Samples(scope);
  private final Softmax softmax = device.kernels().softmax();

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 9, 65, 1024, 5003})
  void valuesAndDerivativesMatchPlainLoops(int n) {
    Tensor x = samples.normal(DType.F32, 9, n);
    Tensor dy = samples.normal(DType.F32, 9, n);
    Tensor y = scope.allocate(x.shape(), DType.F32);
    Tensor log = scope.allocate(x.shape(), DType.F32);
    Tensor dx = scope.full(1, x.shape());
    Tensor dxLog = scope.allocate(x.shape(), DType.F32);
    softmax.softmax(y, x);
    softmax.logSoftmax(log, x);
    softmax.softmaxBackward(new Sink(dx, true), dy, y);
    softmax.logSoftmaxBackward(Sink.of(dxLog), dy, log);
    float[] xs = Samples.elements(x);
    float[] dys = Samples.elements(dy);
    float[] ys = Samples.elements(y);
    float[] logs = Samples.elements(log);
    float[] dxs = Samples.elements(dx);
    float[] dxLogs = Samples.elements(dxLog);
    for (int row = 0; row < 9; row++) {
      double sum = 0;
      double total = 0;
      double dot = 0;
      for (int i = row * n; i < (row + 1) * n; i++) {
        sum += Math.exp(xs[i]);
        total += dys[i];
        dot += dys[i] * Math.exp(xs[i]);
      }
      for (int i = row * n; i < (row + 1) * n; i++) {
        double p = Math.exp(xs[i]) / sum;
        // Some roundings of an exponential and of sums over a row.
        double tolerance = 8 * Math.ulp(1f);
        assertEquals(p, ys[i], tolerance * p);
        assertEquals(Math.log(p), logs[i], 4 * Math.ulp(10f));
        assertEquals(1 + (dys[i] - dot / sum) * p, dxs[i], 2 * tolerance);
        assertEquals(dys[i] - p * total, dxLogs[i], tolerance * Math.sqrt(n));
      }
    }
  }

  @Test
  void largeArgumentsDoNotOverflow() {
    Tensor x =
        scope.tensor(new float[]{1e30f, 1e30f, -1e30f, Float.NEGATIVE_INFINITY}, Shape.of(4));
    Tensor y = scope.allocate(x.shape(), DType.F32);
    softmax.softmax(y, x);
    assertEquals(0.5f, Samples.elements(y)[0]);
    assertEquals(0f, Samples.elements(y)[2]);
    assertEquals(0f, Samples.elements(y)[3]);
  }

  @Test
  void rowsOfMinusInfinityAreNan() {
    Tensor x = scope.full(Float.NEGATIVE_INFINITY, Shape.of(2, 9));
    Tensor y = scope.allocate(x.shape(), DType.F32);
    softmax.softmax(y, x);
    assertTrue(Float.isNaN(Samples.elements(y)[4]));
    softmax.logSoftmax(y, x);
    assertTrue(Float.isNaN(Samples.elements(y)[17]));
  }
}
