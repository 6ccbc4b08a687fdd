package org.gatun.cpu;

import static org.gatun.cpu.HostArrays.assertNear;
import static org.gatun.cpu.HostArrays.doubles;
import static org.gatun.cpu.HostArrays.filled;
import static org.gatun.cpu.HostArrays.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Update.AdamW;
import org.gatun.tensor.Kernels.Update.Range;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class CpuUpdateTest {
  private static final int SIZE = 150_001; // three tasks and a tail of one element
  private static final AdamW ADAMW = new AdamW(0.9f, 0.95f, 1e-8f);
  private static final float LEARNING_RATE = 1e-2f;
  private static final float CORRECTION1 = 0.19f;
  private static final float CORRECTION2 = 0.0975f;
  private static final float SCALE = 0.25f;

  /** A dozen operations, each of them rounded once. */
  private static final double TOLERANCE = 16 * HostArrays.F32_ROUNDING;

  private final HostArrays arrays = new HostArrays(2019);

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 4096, 65_537, SIZE})
  void normIsTheRootOfTheSumOfSquares(int size) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor x = arrays.normal(scope, DType.F32, size);
      Tensor norm = scope.allocate(Shape.of(), DType.F32);
      new CpuUpdate(device).norm(norm, x);
      double expected = Math.sqrt(Arrays.stream(doubles(x)).map(v -> v * v).sum());
      assertEquals((float) expected, floats(norm)[0]);
    }
  }

  @Test
  void adamwStepsItsRangesAndNothingElse() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor p = arrays.normal(scope, DType.F32, SIZE);
      Tensor g = arrays.normal(scope, DType.F32, SIZE);
      Tensor m = arrays.normal(scope, DType.F32, SIZE);
      Tensor v = squared(scope, arrays.normal(scope, DType.F32, SIZE));
      Tensor scale = filled(scope, DType.F32, new float[]{SCALE}, Shape.of());
      var ranges = List.of(new Range(3, 70_000, 0.1f), new Range(70_001, SIZE, 0));
      double[] expectedP = doubles(p);
      double[] expectedM = doubles(m);
      double[] expectedV = doubles(v);
      adamw(expectedP, doubles(g), expectedM, expectedV, ranges);
      new CpuUpdate(device).adamw(p, p, g, m, v, scale, schedule(scope), ADAMW, ranges);
      // p, its decay and the quotient cancel: their sizes, not the result's, tell the error.
      assertNear("p", expectedP, p, 8 * TOLERANCE, TOLERANCE);
      assertNear("m", expectedM, m, TOLERANCE, TOLERANCE);
      assertNear("v", expectedV, v, TOLERANCE, TOLERANCE);
    }
  }

  private static Tensor schedule(Scope scope) {
    float[] schedule = {LEARNING_RATE, CORRECTION1, CORRECTION2};
    return filled(scope, DType.F32, schedule, Shape.of(schedule.length));
  }

  private static void adamw(double[] p, double[] g, double[] m, double[] v, List<Range> ranges) {
    for (Range range : ranges) {
      for (int i = (int) range.start(); i < range.end(); i++) {
        double gradient = g[i] * SCALE;
        m[i] = (double) ADAMW.beta1() * m[i] + (1 - (double) ADAMW.beta1()) * gradient;
        v[i] = (double) ADAMW.beta2() * v[i] + (1 - (double) ADAMW.beta2()) * gradient * gradient;
        double root = Math.sqrt(v[i] / CORRECTION2) + ADAMW.eps();
        p[i] -= (double) LEARNING_RATE * range.weightDecay() * p[i];
        p[i] -= LEARNING_RATE / (double) CORRECTION1 * m[i] / root;
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void valueReceivesTheMasterInItsType(DType type) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor master = arrays.normal(scope, DType.F32, SIZE);
      Tensor value = filled(scope, type, new float[SIZE], Shape.of(SIZE));
      Tensor g = arrays.normal(scope, DType.F32, SIZE);
      Tensor scale = filled(scope, DType.F32, new float[]{SCALE}, Shape.of());
      var all = List.of(new Range(0, SIZE, 0.1f));
      var update = new CpuUpdate(device);
      update.sgd(value, master, g, null, scale, 0.1f, 0, all);
      assertArrayEquals(floats(filled(scope, type, floats(master), Shape.of(SIZE))), floats(value));
      Tensor m = filled(scope, DType.F32, new float[SIZE], Shape.of(SIZE));
      Tensor v = filled(scope, DType.F32, new float[SIZE], Shape.of(SIZE));
      update.adamw(value, master, g, m, v, scale, schedule(scope), ADAMW, all);
      assertArrayEquals(floats(filled(scope, type, floats(master), Shape.of(SIZE))), floats(value));
    }
  }

  /** The step itself sees moments before they are rounded, so its parameters are those of F32 moments. */
  @Test
  void momentsInHalfTheMemoryAreThoseInF32Rounded() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor p = arrays.normal(scope, DType.F32, SIZE);
      Tensor exactP = filled(scope, DType.F32, floats(p), Shape.of(SIZE));
      Tensor g = arrays.normal(scope, DType.F32, SIZE);
      Tensor m = arrays.normal(scope, DType.BF16, SIZE);
      Tensor v =
          filled(scope, DType.BF16, floats(squared(scope, arrays.normal(scope, DType.F32, SIZE))), Shape.of(SIZE));
      Tensor exactM = filled(scope, DType.F32, floats(m), Shape.of(SIZE));
      Tensor exactV = filled(scope, DType.F32, floats(v), Shape.of(SIZE));
      Tensor scale = filled(scope, DType.F32, new float[]{SCALE}, Shape.of());
      var ranges = List.of(new Range(3, 70_000, 0.1f), new Range(70_001, SIZE, 0));
      var update = new CpuUpdate(device);
      update.adamw(p, p, g, m, v, scale, schedule(scope), ADAMW, ranges);
      update.adamw(exactP, exactP, g, exactM, exactV, scale, schedule(scope), ADAMW, ranges);
      assertArrayEquals(floats(exactP), floats(p));
      assertArrayEquals(floats(filled(scope, DType.BF16, floats(exactM), Shape.of(SIZE))), floats(m));
      assertArrayEquals(floats(filled(scope, DType.BF16, floats(exactV), Shape.of(SIZE))), floats(v));
    }
  }

  /** How a step whose gradients are not finite is left out without the host having looked. */
  @Test
  void aScaleThatIsNoNumberChangesNothing() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor p = arrays.normal(scope, DType.F32, SIZE);
      Tensor g = filled(scope, DType.F32, new float[SIZE], Shape.of(SIZE));
      Tensor m = arrays.normal(scope, DType.F32, SIZE);
      Tensor v = arrays.normal(scope, DType.F32, SIZE);
      List<float[]> before = List.of(floats(p), floats(m), floats(v));
      Tensor scale = filled(scope, DType.F32, new float[]{Float.NaN}, Shape.of());
      var all = List.of(new Range(0, SIZE, 0.1f));
      var update = new CpuUpdate(device);
      update.adamw(p, p, g, m, v, scale, schedule(scope), ADAMW, all);
      update.sgd(p, p, g, m, scale, 0.1f, 0.9f, all);
      assertArrayEquals(before.get(0), floats(p));
      assertArrayEquals(before.get(1), floats(m));
      assertArrayEquals(before.get(2), floats(v));
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 0.9f})
  void sgdMatchesItsDefinition(float momentum) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      Tensor p = arrays.normal(scope, DType.F32, SIZE);
      Tensor g = arrays.normal(scope, DType.F32, SIZE);
      Tensor velocity = arrays.normal(scope, DType.F32, SIZE);
      Tensor scale = filled(scope, DType.F32, new float[]{SCALE}, Shape.of());
      double[] expectedP = doubles(p);
      double[] expectedVelocity = doubles(velocity);
      double[] gradient = doubles(g);
      for (int i = 0; i < SIZE - 5; i++) {
        expectedVelocity[i] = momentum * expectedVelocity[i]
            + gradient[i] * SCALE + (double) 0.1f * expectedP[i];
        expectedP[i] -= 0.5 * expectedVelocity[i];
      }
      new CpuUpdate(device).sgd(p, p, g, momentum == 0 ? null : velocity, scale, 0.5f, momentum,
          List.of(new Range(0, SIZE - 5, 0.1f)));
      assertNear("p", expectedP, p, 4 * TOLERANCE, TOLERANCE);
      if (momentum != 0) {
        assertNear("velocity", expectedVelocity, velocity, TOLERANCE, TOLERANCE);
      }
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    float[][] first = stepped(1);
    for (int threads = 2; threads <= 3; threads++) {
      float[][] other = stepped(threads);
      assertArrayEquals(first[0], other[0]);
      assertArrayEquals(first[1], other[1]);
    }
  }

  private static float[][] stepped(int threads) {
    var same = new HostArrays(11);
    try (var device = new CpuDevice(threads); var scope = Scope.on(device)) {
      Tensor p = same.normal(scope, DType.F32, SIZE);
      Tensor g = same.normal(scope, DType.F32, SIZE);
      Tensor m = same.normal(scope, DType.F32, SIZE);
      Tensor v = squared(scope, same.normal(scope, DType.F32, SIZE));
      Tensor scale = filled(scope, DType.F32, new float[]{SCALE}, Shape.of());
      Tensor norm = scope.allocate(Shape.of(), DType.F32);
      var update = new CpuUpdate(device);
      update.norm(norm, g);
      update.adamw(p, p, g, m, v, scale, schedule(scope), ADAMW, List.of(new Range(0, SIZE, 0.1f)));
      return new float[][]{floats(p), floats(norm)};
    }
  }

  private static Tensor squared(Scope scope, Tensor x) {
    float[] values = floats(x);
    for (int i = 0; i < values.length; i++) {
      values[i] *= values[i];
    }
    return filled(scope, DType.F32, values, x.shape());
  }
}
