package org.gatun.tensor;

import static org.gatun.tensor.GradientCheck.Array.normal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Oracle;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A segment that is computed twice carries the same gradients as one that is kept. */
class RecomputedTest {
  private static final int CHANNELS = 8;

  private CpuDevice device;
  private Parameters parameters;
  private Parameter up;
  private Parameter down;
  private Parameter gain;

  @BeforeEach
  void open() {
    device = new CpuDevice(2);
    parameters = new Parameters(device, Precision.F32);
    up = parameters.add("up", Initializer.normal(0.5f), 4 * CHANNELS, CHANNELS);
    down = parameters.add("down", Initializer.normal(0.5f), CHANNELS, 4 * CHANNELS);
    gain = parameters.add("gain", Initializer.normal(0.5f), CHANNELS);
    parameters.initialize(1);
  }

  @AfterEach
  void close() {
    parameters.close();
    device.close();
  }

  private static Tensor recomputed(Scope scope, java.util.function.Supplier<Tensor> segment) {
    return scope.recomputed(() -> List.of(segment.get())).getFirst();
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void gradientsAreThoseOfTheReference(Precision precision) {
    GradientCheck.of(RecomputedTest::reference, p -> recomputed(p[0].scope(),
        () -> p[0].plus(p[0].mlp(p[1], null, p[2], null, Gelu.TANH)).times(p[3])))
        .named("recomputed")
        .inputs(normal(1, 3, CHANNELS), normal(2, 4 * CHANNELS, CHANNELS),
            normal(3, CHANNELS, 4 * CHANNELS), normal(4, CHANNELS))
        .precision(precision).roundings(6).run(device);
  }

  private static Array reference(Array... p) {
    Array h = Oracle.map(Oracle.linear(p[0], p[1], null), x -> Oracle.gelu(x, Gelu.TANH));
    Array branch = Oracle.linear(h, p[2], null);
    var y = new double[branch.values().length];
    for (int i = 0; i < y.length; i++) {
      y[i] = (p[0].values()[i] + branch.values()[i]) * p[3].values()[i % CHANNELS];
    }
    return new Array(branch.shape(), y);
  }

  /** Two layers that share their parameters, with dropout between them, each a segment if asked for. */
  private Tensor loss(Tape tape, boolean segments) {
    Tensor x = tape.borrow(gain.value()).times(tape.tensor(new float[3 * CHANNELS], Shape.of(3, CHANNELS)).plus(1));
    for (int layer = 0; layer < 2; layer++) {
      Tensor in = x;
      x = segments ? recomputed(tape, () -> layer(in)) : layer(in);
    }
    return x.square().sum();
  }

  private Tensor layer(Tensor x) {
    Tape tape = (Tape) x.scope();
    Tensor branch = x.mlp(up.value(), null, down.value(), null, Gelu.TANH).dropout(0.3f, tape.nextSeed());
    return x.plus(branch).times(gain.value()).dropout(0.1f, tape.nextSeed());
  }

  private float[] gradients(boolean segments) {
    parameters.forgetGradients();
    try (var tape = Tape.on(device, 7)) {
      tape.backward(loss(tape, segments));
    }
    return parameters.gradients().toArray();
  }

  @Test
  void gradientsAreTheSameBitsAsWithout() {
    assertArrayEquals(gradients(false), gradients(true));
  }

  @Test
  void segmentWithinASegmentIsTheSame() {
    float[] expected = gradients(false);
    parameters.forgetGradients();
    try (var tape = Tape.on(device, 7)) {
      tape.backward(recomputed(tape, () -> loss(tape, true)));
    }
    assertArrayEquals(expected, parameters.gradients().toArray());
  }

  @Test
  void parametersAreReadyOnceAfterTheirLastUse() {
    var ready = new ArrayList<String>();
    try (var tape = Tape.on(device, 7)) {
      tape.backward(loss(tape, true), parameter -> ready.add(parameter.name()));
    }
    assertEquals(List.of("gain", "up", "down"), ready.stream().sorted(
        java.util.Comparator.comparing(List.of("gain", "up", "down")::indexOf)).toList());
    assertEquals("gain", ready.getLast(), "used once more before both layers");
  }

  @Test
  void onlyResultsAreKept() {
    int rows = 1000;
    long tensor = 4L * rows * CHANNELS;
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(gain.value()).plus(tape.tensor(new float[rows * CHANNELS], Shape.of(rows, CHANNELS)));
      long before = device.bytesInUse();
      Tensor y = recomputed(tape, () -> x.exp().log().exp().log());
      assertTrue(device.bytesInUse() - before < 2 * tensor, () -> device.bytesInUse() - before + " bytes");
      tape.backward(y.sum());
      assertTrue(device.bytesInUse() - before <= 2 * tensor, () -> device.bytesInUse() - before + " bytes");
    }
  }

  @Test
  void unusedSegmentLeavesNoGradientAndIsReady() {
    var ready = new ArrayList<String>();
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(gain.value()).times(1f);
      recomputed(tape, () -> x.times(2f).linear(up.value(), null));
      tape.backward(x.sum(), parameter -> ready.add(parameter.name()));
    }
    assertEquals(List.of("up", "gain"), ready);
    assertArrayEquals(new float[4 * CHANNELS * CHANNELS], up.gradient().toArray());
  }

  @Test
  void oneOfTwoResultsIsEnough() {
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(gain.value()).times(1f);
      List<Tensor> both = tape.recomputed(() -> List.of(x.times(2f), x.times(3f)));
      tape.backward(both.get(1).sum());
    }
    var three = new float[CHANNELS];
    java.util.Arrays.fill(three, 3f);
    assertArrayEquals(three, gain.gradient().toArray());
  }

  @Test
  void plainScopeKeepsTheResultAlone() {
    try (var scope = Scope.on(device)) {
      Tensor x = scope.full(2f, Shape.of(1000));
      long before = device.bytesInUse();
      assertEquals(16f, recomputed(scope, () -> x.square().square()).toArray()[0]);
      assertEquals(4096, device.bytesInUse() - before);
      assertEquals(2f, x.toArray()[0]);
    }
  }

  @Test
  void segmentMustMakeWhatItReturns() {
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(gain.value()).times(1f);
      var e = assertThrows(IllegalArgumentException.class, () -> recomputed(tape, () -> x));
      assertTrue(e.getMessage().contains("which it did not make"), e.getMessage());
    }
  }

  @Test
  void segmentMustComputeTheSameEachTime() {
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(gain.value()).times(1f);
      var runs = new int[1];
      Tensor y = recomputed(tape, () -> x.slice(0, runs[0]++, CHANNELS).exp());
      Tensor loss = y.sum();
      var e = assertThrows(IllegalStateException.class, () -> tape.backward(loss));
      assertTrue(e.getMessage().contains("must compute the same each time"), e.getMessage());
    }
  }
}
