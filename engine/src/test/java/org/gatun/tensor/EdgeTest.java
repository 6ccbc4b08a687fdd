package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Oracle;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tensors without elements, and numbers at the end of their range. */
class EdgeTest {
  private static final float INF = Float.POSITIVE_INFINITY;

  private CpuDevice device;
  private Scope scope;

  @BeforeEach
  void open() {
    device = new CpuDevice(2);
    scope = Scope.on(device);
  }

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  private Tensor tensor(Shape shape, float... values) {
    return scope.tensor(values, shape);
  }

  private Tensor empty(int... dims) {
    return scope.full(1f, Shape.of(dims));
  }

  /** The gradient of w [3, 4], whose buffer holds other numbers before, for a result of any shape. */
  private float[] gradient(Function<Tensor, Tensor> operation) {
    try (var parameters = new Parameters(device, Precision.F32); var tape = Tape.on(device)) {
      Parameter w = parameters.add("w", Initializer.constant(2f), 3, 4);
      parameters.initialize(1);
      device.kernels().pointwise().fill(w.gradient(), 99f);
      parameters.forgetGradients();
      tape.backward(operation.apply(tape.borrow(w.value())).sum());
      return w.gradient().toArray();
    }
  }

  @Test
  void nothingSumsToZero() {
    assertEquals(0f, empty(0, 3).sum().item());
    assertArrayEquals(new float[3], empty(0, 3).sum(0).toArray());
    assertArrayEquals(new float[0], empty(0, 3).sum(1).toArray());
    assertArrayEquals(new float[6], empty(2, 0).matmul(empty(0, 3)).toArray());
    assertTrue(Float.isNaN(empty(0).mean().item()));
  }

  @Test
  void nothingInGivesNothingOut() {
    Tensor none = empty(0, 4);
    assertEquals(Shape.of(0, 4), none.exp().shape());
    assertEquals(Shape.of(0, 4), none.plus(empty(4)).shape());
    assertEquals(Shape.of(0, 4), none.softmax().shape());
    assertEquals(Shape.of(0, 4), none.layerNorm(empty(4), empty(4), 1e-5f).shape());
    assertEquals(Shape.of(0, 5), none.linearGelu(empty(5, 4), empty(5), Gelu.TANH).shape());
    assertEquals(Shape.of(4, 0), none.transpose(0, 1).contiguous().shape());
    assertEquals(Shape.of(3, 4), Tensor.concat(0, List.of(empty(3, 4), none)).shape());
    assertEquals(Shape.of(0, 2, 12), empty(0, 2, 36).causalAttention(3).shape());
    assertEquals(Shape.of(0, 4), empty(5, 4).embedding(scope.tensor(new int[0], Shape.of(0))).shape());
  }

  @Test
  void gradientThroughNothingIsZero() {
    float[] zero = new float[12];
    assertArrayEquals(zero, gradient(w -> w.slice(0, 1, 1)));
    assertArrayEquals(zero, gradient(w -> w.scope().full(1f, Shape.of(0, 4)).linear(w, null)));
    assertArrayEquals(zero, gradient(w -> w.scope().full(1f, Shape.of(2, 0, 3)).matmul(w)));
    assertArrayEquals(zero, gradient(w -> w.embedding(w.scope().tensor(new int[0], Shape.of(0)))));
    assertArrayEquals(zero, gradient(w -> w.reshape(1, 3, 4).times(w.scope().full(1f, Shape.of(0, 3, 4)))));
    assertArrayEquals(zero, gradient(w -> w.expand(0, 3, 4)));
    float[] ones = new float[12];
    Arrays.fill(ones, 1f);
    assertArrayEquals(ones, gradient(w -> Tensor.concat(0, List.of(w, w.scope().full(1f, Shape.of(0, 4))))));
  }

  @Test
  void lossOverNoTargetIsNotANumber() {
    Tensor targets = scope.tensor(new int[]{-1, -1}, Shape.of(2));
    assertTrue(Float.isNaN(empty(2, 3).crossEntropy(targets).item()));
  }

  @Test
  void extremesAreNaNWhereAnyElementIs() {
    Tensor x = tensor(Shape.of(2, 17), new float[34]);
    float[] values = new float[34];
    values[20] = Float.NaN;
    Tensor y = tensor(Shape.of(2, 17), values);
    assertEquals(0f, x.max().item());
    assertTrue(Float.isNaN(y.max().item()));
    assertTrue(Float.isNaN(y.min().item()));
    assertEquals(0f, y.max(1).toArray()[0]);
    assertTrue(Float.isNaN(y.max(1).toArray()[1]));
    assertTrue(Float.isNaN(y.maxKeep(0).toArray()[3]));
    assertTrue(Float.isNaN(y.relu().toArray()[20]));
  }

  @Test
  void softmaxHoldsAtLargeValuesAndInfinities() {
    Tensor x = tensor(Shape.of(2, 4), 1e4f, 1e4f, -1e4f, -INF, -INF, -INF, 3f, -INF);
    assertArrayEquals(new float[]{0.5f, 0.5f, 0, 0, 0, 0, 1, 0}, x.softmax().toArray(), 1e-6f);
    float[] log = x.logSoftmax().toArray();
    assertEquals(-Math.log(2), log[0], 1e-6);
    assertEquals(-2e4 - Math.log(2), log[2], 1e-2);
    assertEquals(Float.NEGATIVE_INFINITY, log[3]);
    float[] closed = tensor(Shape.of(1, 9), -INF, -INF, -INF, -INF, -INF, -INF, -INF, -INF, -INF).softmax().toArray();
    assertTrue(Float.isNaN(closed[0]) && Float.isNaN(closed[8]));
    assertEquals(1e4 + Math.log(2), tensor(Shape.of(3), 1e4f, 1e4f, -1e4f).logSumExp().item(), 1e-3);
  }

  @Test
  void lossesHoldAtLargeLogits() {
    Tensor targets = scope.tensor(new int[]{1}, Shape.of(1));
    assertEquals(2e4f, tensor(Shape.of(1, 2), 1e4f, -1e4f).crossEntropy(targets).item(), 1e-2f);
    assertEquals(0f, tensor(Shape.of(1, 2), -1e4f, 1e4f).crossEntropy(targets).item());
    assertEquals(1e4f, tensor(Shape.of(1), 1e4f).binaryCrossEntropyWithLogits(tensor(Shape.of(1), 0f)).item());
    assertEquals(0f, tensor(Shape.of(1), -1e4f).binaryCrossEntropyWithLogits(tensor(Shape.of(1), 0f)).item());
  }

  @Test
  void normalisationOfAConstantRowIsTheBias() {
    Tensor x = scope.full(1234.5f, Shape.of(3, 33));
    assertArrayEquals(filled(99, 7f),
        x.layerNorm(scope.full(2f, Shape.of(33)), scope.full(7f, Shape.of(33)), 1e-5f).toArray(), 1e-3f);
    assertArrayEquals(filled(99, 0f),
        scope.full(0f, Shape.of(3, 33)).rmsNorm(scope.full(2f, Shape.of(33)), 1e-5f).toArray());
  }

  private static float[] filled(int length, float value) {
    var values = new float[length];
    Arrays.fill(values, value);
    return values;
  }

  @Test
  void normalisationBearsALargeMean() {
    // One-pass variances lose all digits here; the mean itself is exact to 1e-7 of 1e3.
    GradientCheck.of(x -> Oracle.layerNorm(x[0], x[1], x[2], 1e-5), x -> x[0].layerNorm(x[1], x[2], 1e-5f))
        .named("layerNorm around 1000")
        .inputs(Oracle.map(Array.normal(1, 5, 65), v -> v + 1000), Array.normal(2, 65), Array.normal(3, 65))
        .tolerance(4 * 1000 * 0x1p-24)
        .step(1e-3)
        .run(device);
  }

  @Test
  void attentionBearsLargeScores() {
    GradientCheck.of(x -> Oracle.attention(x[0], x[1], x[2], null, true),
        x -> x[0].scaledDotProductAttention(x[1], x[2], null, true))
        .named("attention with scores around 500")
        .inputs(Oracle.map(Array.normal(1, 1, 1, 17, 8), v -> 20 * v),
            Oracle.map(Array.normal(2, 1, 1, 17, 8), v -> 20 * v),
            Array.normal(3, 1, 1, 17, 8))
        .tolerance(4 * 1000 * 0x1p-24)
        .run(device);
  }

  @Test
  void bf16OverflowsToInfinity() {
    float[] y = scope.tensor(new float[]{Float.MAX_VALUE, 3e38f}, Shape.of(2), DType.BF16).times(2f).toArray();
    assertArrayEquals(new float[]{INF, INF}, y);
  }
}
