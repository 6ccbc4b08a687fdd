package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.SmallGpt;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same bits, however many threads there are and whatever else is in the batch. */
class DeterminismTest {
  private static final int BATCH = 5;
  private static final int TIME = 33;

  private static float[] trained(int threads, Precision precision) {
    try (var device = new CpuDevice(threads); var model = new SmallGpt(device, precision)) {
      return model.train(Shape.of(BATCH, TIME), 4);
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void trainingGivesTheSameBitsOnAnyNumberOfThreads(Precision precision) {
    float[] one = trained(1, precision);
    assertArrayEquals(one, trained(1, precision), "a second run");
    assertArrayEquals(one, trained(2, precision), "two threads");
    assertArrayEquals(one, trained(3, precision), "three threads");
  }

  @Test
  void orderOfTheBatchChangesNothingButTheOrder() {
    int[] order = {3, 0, 4, 1, 2};
    int[] tokens = SmallGpt.tokens(7, Shape.of(BATCH, TIME));
    var permuted = new int[tokens.length];
    for (int b = 0; b < BATCH; b++) {
      System.arraycopy(tokens, order[b] * TIME, permuted, b * TIME, TIME);
    }
    float[] straight = logits(tokens, BATCH);
    float[] mixed = logits(permuted, BATCH);
    int each = TIME * SmallGpt.VOCABULARY;
    for (int b = 0; b < BATCH; b++) {
      assertArrayEquals(Arrays.copyOfRange(straight, order[b] * each, (order[b] + 1) * each),
          Arrays.copyOfRange(mixed, b * each, (b + 1) * each), "sequence " + order[b]);
    }
  }

  private static float[] logits(int[] tokens, int batch) {
    try (var device = new CpuDevice(2); var model = new SmallGpt(device, Precision.F32);
        var scope = Scope.on(device)) {
      return model.logits(scope.tensor(tokens, Shape.of(batch, TIME)), 0f, 0).toArray();
    }
  }

  @Test
  void gradientOfAnInputFollowsTheOrderOfTheBatch() {
    try (var device = new CpuDevice(2); var parameters = new Parameters(device, Precision.F32)) {
      Parameter x = parameters.add("x", Initializer.normal(1f), 7, 24);
      Parameter w = parameters.add("w", Initializer.normal(0.3f), 33, 24);
      parameters.initialize(1);
      float[] straight = rowGradients(device, parameters, x, w);
      float[] values = x.value().toArray();
      var reversed = new float[values.length];
      for (int row = 0; row < 7; row++) {
        System.arraycopy(values, row * 24, reversed, (6 - row) * 24, 24);
      }
      device.upload(x.master(), java.lang.foreign.MemorySegment.ofArray(reversed));
      parameters.mastersChanged();
      float[] mixed = rowGradients(device, parameters, x, w);
      for (int row = 0; row < 7; row++) {
        assertArrayEquals(Arrays.copyOfRange(straight, row * 24, row * 24 + 24),
            Arrays.copyOfRange(mixed, (6 - row) * 24, (6 - row) * 24 + 24));
      }
    }
  }

  private static float[] rowGradients(Device device, Parameters parameters, Parameter x, Parameter w) {
    parameters.forgetGradients();
    try (var tape = Tape.on(device)) {
      Tensor y = tape.borrow(x.value()).linearGelu(w.value(), null, Gelu.TANH).softmax();
      tape.backward(y.square().sum());
    }
    return x.gradient().toArray();
  }
}
