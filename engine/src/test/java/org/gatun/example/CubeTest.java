package org.gatun.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.Formula;
import org.gatun.tensor.GradientCheck;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Gradients;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Node;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** An operation of a user's own, with its check. */
class CubeTest {
  /** y = x³; {@code slope} is what its author takes for the factor of the derivative. */
  private record Cube(Tensor x, float slope, Tensor y) implements Node {
    private static final Formula X = Formula.operand(0);
    private static final Formula DY = Formula.operand(1);

    static Tensor apply(Tensor x, float slope) {
      Scope scope = Scope.of(x);
      Tensor y = scope.allocate(x.shape(), x.dtype());
      y.kernels().pointwise().map(Sink.of(y), X.times(X).times(X), List.of(x));
      scope.record(new Cube(x, slope, y));
      return y;
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }

    @Override
    public List<Tensor> outputs() {
      return List.of(y);
    }

    @Override
    public void backward(Gradients gradients) {
      Formula derivative = DY.times(X).times(X).times(Formula.scalar(0));
      y.kernels().pointwise().map(gradients.sink(x), derivative, List.of(x, gradients.of(y)), slope);
    }
  }

  private static Array cube(Array... x) {
    return new Array(x[0].shape(), Arrays.stream(x[0].values()).map(v -> v * v * v).toArray());
  }

  private static GradientCheck check(float slope) {
    return GradientCheck.of(CubeTest::cube, x -> Cube.apply(x[0], slope)).named("cube").inputs(Array.normal(1, 3, 17));
  }

  @Test
  void rightDerivativePasses() {
    try (var device = new CpuDevice(1)) {
      for (Precision precision : Precision.values()) {
        GradientCheck.Result result = check(3).precision(precision).run(device);
        assertTrue(result.forward() > 0 && result.forward() <= 1, result.toString());
        assertTrue(result.backward() > 0 && result.backward() <= 1, result.toString());
      }
    }
  }

  @Test
  void wrongDerivativeIsNamed() {
    try (var device = new CpuDevice(1)) {
      // One part in a thousand, which differences in F32 would hardly see.
      String message = assertThrows(AssertionError.class, () -> check(3.003f).seed(9).run(device)).getMessage();
      assertTrue(message.startsWith("cube in F32 on cpu"), message);
      assertTrue(message.contains("gradient of input 0 [3, 17] along direction 0: analytic "), message);
      assertTrue(message.contains("furthest off is element ["), message);
      assertTrue(message.endsWith("; reproduce with seed(9)"), message);
    }
  }

  @Test
  void wrongValueIsNamed() {
    try (var device = new CpuDevice(1)) {
      var check = GradientCheck.of(x -> cube(x), x -> x[0].times(x[0])).inputs(Array.normal(1, 5));
      String message = assertThrows(AssertionError.class, () -> check.run(device)).getMessage();
      assertTrue(message.contains("element [0] of [5] is "), message);
    }
  }

  @Test
  void wrongShapeIsNamed() {
    try (var device = new CpuDevice(1)) {
      var check = GradientCheck.of(x -> x[0], x -> x[0].sum()).inputs(Array.normal(1, 5));
      String message = assertThrows(AssertionError.class, () -> check.run(device)).getMessage();
      assertTrue(message.contains("result has shape [], the reference [5]"), message);
    }
  }

  @Test
  void checkLeavesNoMemoryBehind() {
    try (var device = new CpuDevice(1)) {
      check(3).run(device);
      assertThrows(AssertionError.class, () -> check(4).run(device));
      assertEquals(0, device.bytesInUse());
    }
  }
}
