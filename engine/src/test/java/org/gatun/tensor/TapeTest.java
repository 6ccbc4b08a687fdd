package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.OpRow;
import org.gatun.proof.OpTable;
import org.gatun.proof.Oracle;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Kernels.Sink;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How gradients meet, in which order they are ready, and when memory goes back. */
class TapeTest {
  private CpuDevice device;
  private Parameters parameters;

  @BeforeEach
  void open() {
    device = new CpuDevice(2);
    parameters = new Parameters(device, Precision.F32);
  }

  @AfterEach
  void close() {
    parameters.close();
    device.close();
  }

  private Parameter add(String name, int... dims) {
    return parameters.add(name, Initializer.normal(0.5f), dims);
  }

  private static float[] filled(int length, float value) {
    var values = new float[length];
    java.util.Arrays.fill(values, value);
    return values;
  }

  private static Array wide(Tensor x) {
    float[] values = x.toArray();
    var doubles = new double[values.length];
    java.util.Arrays.setAll(doubles, i -> values[i]);
    return new Array(x.shape(), doubles);
  }

  @Test
  void firstGradientOverwritesAndLaterOnesAdd() {
    Parameter w = add("w", 17);
    parameters.initialize(1);
    device.kernels().pointwise().fill(w.gradient(), 99f);
    parameters.forgetGradients();
    for (int step = 1; step <= 3; step++) {
      try (var tape = Tape.on(device)) {
        tape.backward(tape.borrow(w.value()).times(2f).sum());
      }
      assertArrayEquals(filled(17, 2f * step), w.gradient().toArray());
    }
    parameters.forgetGradients();
    try (var tape = Tape.on(device)) {
      tape.backward(tape.borrow(w.value()).times(3f).sum());
    }
    assertArrayEquals(filled(17, 3f), w.gradient().toArray());
  }

  @Test
  void parameterThatTookNoPartHasGradientZero() {
    Parameter w = add("w", 5);
    Parameter idle = add("idle", 7);
    parameters.initialize(1);
    device.kernels().pointwise().fill(idle.gradient(), 99f);
    parameters.forgetGradients();
    try (var tape = Tape.on(device)) {
      tape.backward(tape.borrow(w.value()).sum());
    }
    float[] flat = parameters.gradients().toArray();
    for (int i = 0; i < 7; i++) {
      assertEquals(0f, flat[(int) idle.start() + i]);
    }
    assertArrayEquals(filled(7, 0f), idle.gradient().toArray());
  }

  @Test
  void sharedGradientIsCopiedBeforeMoreIsAdded() {
    Parameter w = add("w", 9);
    Parameter z = add("z", 9);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(w.value()).times(1f);
      Tensor other = tape.borrow(z.value()).times(1f);
      Tensor scaled = x.times(3f);
      // Backward: plus passes one gradient to x and to other; then scaled adds to x's alone.
      Tensor sum = x.plus(other);
      tape.backward(sum.plus(scaled).sum());
    }
    assertArrayEquals(filled(9, 4f), w.gradient().toArray());
    assertArrayEquals(filled(9, 1f), z.gradient().toArray());
  }

  @Test
  void gradientPassedThroughManyViewsAndAddsIsRight() {
    Parameter w = add("w", 4, 6);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(w.value()).times(1f);
      Tensor a = x.reshape(24).plus(x.reshape(24));
      Tensor b = a.reshape(6, 4).plus(x.transpose(0, 1));
      tape.backward(b.plus(b).sum());
    }
    assertArrayEquals(filled(24, 6f), w.gradient().toArray());
  }

  @Test
  void unusedBranchLeavesNoGradient() {
    Parameter w = add("w", 9);
    Parameter unused = add("unused", 9);
    parameters.initialize(1);
    var ready = new ArrayList<String>();
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(w.value()).times(1f);
      x.times(tape.borrow(unused.value())).exp();
      tape.backward(x.sum(), p -> ready.add(p.name()));
    }
    assertArrayEquals(filled(9, 1f), w.gradient().toArray());
    assertArrayEquals(filled(9, 0f), unused.gradient().toArray());
    assertEquals(List.of("unused", "w"), ready);
  }

  @Test
  void parametersAreReadyOnceInReverseOrderAndTiedOnesLast() {
    Parameter wte = add("wte", 11, 8);
    Parameter first = add("first", 8, 8);
    Parameter second = add("second", 8, 8);
    parameters.initialize(1);
    var ready = new ArrayList<String>();
    try (var tape = Tape.on(device)) {
      Tensor tokens = tape.tensor(new int[]{1, 5, 10, 0}, Shape.of(4));
      Tensor x = wte.value().embedding(tokens).linear(first.value(), null).linear(second.value(), null);
      tape.backward(x.linear(wte.value(), null).crossEntropy(tokens), p -> ready.add(p.name()));
    }
    assertEquals(List.of("second", "first", "wte"), ready);
  }

  @Test
  void gradientIsFinalWhenItsParameterIsReady() {
    Parameter w1 = add("w1", 8, 8);
    Parameter w2 = add("w2", 8, 8);
    parameters.initialize(1);
    var seen = new ArrayList<float[]>();
    try (var tape = Tape.on(device)) {
      Tensor x = tape.tensor(filled(32, 0.5f), Shape.of(4, 8));
      Tensor y = x.linear(w1.value(), null).linear(w2.value(), null).linear(w1.value(), null);
      tape.backward(y.square().sum(), p -> seen.add(p.gradient().toArray()));
    }
    assertArrayEquals(w2.gradient().toArray(), seen.get(0));
    assertArrayEquals(w1.gradient().toArray(), seen.get(1));
  }

  /** Cross-entropy may turn logits into their gradient only where no backward reads them. */
  @Test
  void crossEntropySparesLogitsWhoseMakerReadsThem() {
    checkLogits("tanh", x -> x[0].times(1f).tanh(), x -> Oracle.map(x[0], Math::tanh));
    checkLogits("logSoftmax", x -> x[0].times(1f).logSoftmax(), x -> Oracle.logSoftmax(x[0]));
    checkLogits("exp", x -> x[0].exp(), x -> Oracle.map(x[0], Math::exp));
  }

  private void checkLogits(String name, GradientCheck.Operation logits, GradientCheck.Reference reference) {
    GradientCheck.of(x -> Oracle.crossEntropy(reference.apply(x[0]), x[1], 9, -1),
        x -> logits.apply(x[0]).crossEntropy(x[1]))
        .named("crossEntropy of " + name)
        .inputs(Array.normal(1, 4, 9))
        .indices(Shape.of(4), 0, 8, 3, 3)
        .run(device);
  }

  @Test
  void crossEntropySparesLogitsThatAreUsedElsewhere() {
    GradientCheck.of(x -> {
      Array logits = Oracle.map(x[0], v -> v * 1.5);
      Array loss = Oracle.crossEntropy(logits, x[1], 9, -1);
      return Oracle.plus(loss, Oracle.reduce(Oracle.zip(logits, logits, (a, b) -> a * b), false, Oracle::mean));
    }, x -> {
      Tensor logits = x[0].times(1.5f);
      Tensor square = logits.times(logits).mean();
      return logits.crossEntropy(x[1]).plus(square);
    }).inputs(Array.normal(1, 4, 9)).indices(Shape.of(4), 0, 8, 3, 3).run(device);
  }

  @Test
  void crossEntropySparesLogitsThatServeAsCondition() {
    // Where reads its condition again in backward, though no gradient flows to it.
    GradientCheck.of(x -> {
      Array logits = Oracle.map(x[0], v -> Math.max(v * 1.5, 0));
      Array chosen = Oracle.where(logits, x[1], Oracle.map(x[1], v -> -2 * v));
      return Oracle.plus(Oracle.crossEntropy(logits, x[2], 9, -1), Oracle.reduce(chosen, false, Oracle::sum));
    }, x -> {
      Tensor logits = x[0].times(1.5f).maximum(0f).times(1f);
      Tensor chosen = logits.where(x[1], x[1].times(-2f));
      return logits.crossEntropy(x[2]).plus(chosen.sum());
    }).inputs(Array.normal(1, 4, 9), Array.normal(2, 4, 9)).indices(Shape.of(4), 0, 8, 3, 3).run(device);
  }

  @Test
  void crossEntropySparesLogitsThatServeAsMask() {
    GradientCheck.of(x -> {
      // The same weight again, as a constant: through the mask no gradient flows.
      Array y = Oracle.attention(x[2], x[2], x[2], Oracle.linear(x[0], x[3], null), false);
      return Oracle.plus(Oracle.crossEntropy(Oracle.linear(x[0], x[1], null), x[4], 4, -1),
          Oracle.reduce(y, false, Oracle::sum));
    }, x -> {
      Tensor logits = x[0].linear(x[1], null);
      Tensor y = x[2].scaledDotProductAttention(x[2], x[2], logits.detach(), false);
      return logits.crossEntropy(x[4]).plus(y.sum());
    }).constant(Array.normal(1, 4, 9)).inputs(Array.normal(2, 4, 9), Array.normal(3, 1, 1, 4, 8))
        .constant(Array.normal(2, 4, 9)).indices(Shape.of(4), 0, 3, 2, 2).run(device);
  }

  @Test
  void crossEntropyOfALinearHeadTakesNoSecondTensorOfLogits() {
    Parameter head = add("head", 4096, 8);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor logits = tape.full(0.5f, Shape.of(64, 8)).linear(head.value(), null);
      Tensor loss = logits.crossEntropy(tape.tensor(new int[64], Shape.of(64)));
      long before = device.bytesReserved();
      tape.backward(loss);
      long more = device.bytesReserved() - before;
      assertTrue(more < logits.shape().size() * Float.BYTES, "backward took " + more + " bytes");
    }
  }

  @Test
  void microStepsAddUpToOneBatch() {
    Parameter w1 = add("w1", 16, 9);
    Parameter b1 = add("b1", 16);
    Parameter w2 = add("w2", 7, 16);
    parameters.initialize(3);
    Array x = Array.normal(4, 12, 9);
    int[] targets = {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4};
    float[] whole = gradientsOf(x, targets, 1, w1, b1, w2);
    parameters.forgetGradients();
    float[] parts = gradientsOf(x, targets, 4, w1, b1, w2);
    double norm = 0;
    double error = 0;
    for (int i = 0; i < whole.length; i++) {
      norm += whole[i] * whole[i];
      error += (whole[i] - parts[i]) * (whole[i] - parts[i]);
    }
    // Twelve rows, summed in another order.
    assertTrue(Math.sqrt(error) <= 12 * 0x1p-24 * Math.sqrt(norm),
        "error " + Math.sqrt(error) + " of " + Math.sqrt(norm));
  }

  private float[] gradientsOf(Array x, int[] targets, int microSteps, Parameter w1, Parameter b1, Parameter w2) {
    int rows = targets.length / microSteps;
    for (int step = 0; step < microSteps; step++) {
      try (var tape = Tape.on(device)) {
        var part = new float[rows * 9];
        for (int i = 0; i < part.length; i++) {
          part[i] = (float) x.values()[step * part.length + i];
        }
        Tensor h = tape.tensor(part, Shape.of(rows, 9)).linearGelu(w1.value(), b1.value(), Gelu.TANH);
        int[] some = java.util.Arrays.copyOfRange(targets, step * rows, (step + 1) * rows);
        Tensor loss = h.linear(w2.value(), null).crossEntropy(tape.tensor(some, Shape.of(rows)));
        tape.backward(loss.times(1f / microSteps));
      }
    }
    return parameters.gradients().toArray();
  }

  @Test
  void memoryIsGivenBackDuringBackward() {
    var layers = new ArrayList<Parameter>();
    for (int i = 0; i < 6; i++) {
      layers.add(add("w" + i, 64, 64));
    }
    parameters.initialize(1);
    parameters.gradients(); // taken when first needed, and kept
    long before = device.bytesInUse();
    var inUse = new ArrayList<Long>();
    try (var tape = Tape.on(device)) {
      Tensor x = tape.tensor(filled(128 * 64, 0.1f), Shape.of(128, 64));
      long input = device.bytesInUse() - before;
      for (Parameter layer : layers) {
        x = x.linear(layer.value(), null);
      }
      Tensor loss = x.square().mean();
      tape.backward(loss, _ -> inUse.add(device.bytesInUse()));
      // The input and the loss are left.
      assertEquals(before + input + 512, device.bytesInUse());
      assertTrue(loss.item() > 0);
    }
    for (int i = 1; i < inUse.size(); i++) {
      assertTrue(inUse.get(i) < inUse.get(i - 1), "in use at each parameter: " + inUse);
    }
    assertEquals(before, device.bytesInUse());
  }

  @Test
  void nothingIsLeftBehindByAnyOperation() {
    for (OpRow row : OpTable.rows()) {
      long before = device.bytesInUse();
      row.check(Precision.BF16, OpRow.Use.ON_PARAMETERS).directions(0).tolerance(1e9).run(device);
      assertEquals(before, device.bytesInUse(), row.toString());
    }
  }

  @Test
  void secondBackwardIsRefused() {
    Parameter w = add("w", 5);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor loss = tape.borrow(w.value()).sum();
      tape.backward(loss);
      var e = assertThrows(IllegalArgumentException.class, () -> tape.backward(loss));
      assertTrue(e.getMessage().startsWith("backward: "), e.getMessage());
    }
    assertArrayEquals(filled(5, 1f), w.gradient().toArray());
  }

  @Test
  void tapeGoesOnAfterBackward() {
    Parameter w = add("w", 5);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      tape.backward(tape.borrow(w.value()).sum());
      tape.backward(tape.borrow(w.value()).times(3f).sum());
    }
    assertArrayEquals(filled(5, 4f), w.gradient().toArray());
  }

  @Test
  void lossAndBorrowedTensorsOutliveBackward() {
    Parameter w = add("w", 5);
    parameters.initialize(1);
    try (var outer = Scope.on(device); var tape = Tape.on(device)) {
      Tensor constant = outer.full(2f, Shape.of(5));
      Tensor loss = tape.borrow(constant).times(w.value()).sum();
      tape.backward(loss);
      assertTrue(Float.isFinite(loss.item()));
      assertArrayEquals(filled(5, 2f), constant.toArray());
    }
    assertArrayEquals(filled(5, 2f), w.gradient().toArray());
  }

  @Test
  void constantsAreNotRecorded() {
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor y = tape.full(2f, Shape.of(5)).exp().sum();
      assertFalse(y.isTracked());
      var e = assertThrows(IllegalArgumentException.class, () -> tape.backward(y));
      assertEquals("backward: F32[] does not depend on a parameter through this tape (comparisons, argMax, oneHot and"
          + " detach() carry no gradient)", e.getMessage());
    }
  }

  @Test
  void detachedTensorPassesNoGradient() {
    Parameter w = add("w", 5);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor x = tape.borrow(w.value()).times(2f);
      tape.backward(x.detach().times(x).sum());
      assertEquals(5, w.gradient().toArray().length);
    }
    Array gradient = wide(w.gradient());
    Array value = wide(w.value());
    for (int i = 0; i < 5; i++) {
      assertEquals(4 * value.values()[i], gradient.values()[i], 1e-6);
    }
  }

  @Test
  void gradientOfAnyOutputMayBeGiven() {
    Parameter w = add("w", 3, 4);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      Tensor y = tape.borrow(w.value()).transpose(0, 1);
      // A gradient that is itself a view.
      Tensor dy = tape.tensor(new float[]{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, Shape.of(3, 4)).transpose(0, 1);
      tape.backward(y, dy, _ -> {});
    }
    assertArrayEquals(new float[]{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, w.gradient().toArray());
  }

  @Test
  void extremesThatAreEqualShareTheGradient() {
    Parameter w = parameters.add("w", (_, i) -> i < 3 ? 5f : 1f, 6);
    parameters.initialize(1);
    try (var tape = Tape.on(device)) {
      tape.backward(tape.borrow(w.value()).max());
    }
    assertArrayEquals(new float[]{1 / 3f, 1 / 3f, 1 / 3f, 0, 0, 0}, w.gradient().toArray());
  }

  @Test
  void valuesChangedThroughMastersAreSeen() {
    Parameter w = add("w", 3);
    parameters.initialize(1);
    device.kernels().pointwise().copy(Sink.of(w.master()), w.gradient());
    parameters.mastersChanged();
    assertArrayEquals(filled(3, 0f), w.value().toArray());
  }
}
