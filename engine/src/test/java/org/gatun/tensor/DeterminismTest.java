package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same bits, however many threads there are and whatever else is in the batch. */
class DeterminismTest {
  private static final int BATCH = 5;
  private static final int TIME = 33;
  private static final int CHANNELS = 48;
  private static final int VOCABULARY = 67;

  /** A small GPT: one block between an embedding and a head that share a table. */
  private record Model(Parameters parameters, List<Parameter> p) {
    static Model on(Device device, Precision precision) {
      var parameters = new Parameters(device, precision);
      int c = CHANNELS;
      int[][] shapes =
          {{VOCABULARY, c}, {c}, {c}, {3 * c, c}, {3 * c}, {c, c}, {c}, {c}, {c}, {4 * c, c}, {4 * c}, {c, 4 * c}, {c}};
      var all = new ArrayList<Parameter>();
      for (int i = 0; i < shapes.length; i++) {
        all.add(parameters.add("p" + i, Initializer.normal(0.2f), shapes[i]));
      }
      parameters.initialize(1);
      return new Model(parameters, all);
    }

    private Tensor value(int i) {
      return p.get(i).value();
    }

    Tensor logits(Tensor tokens, float dropout, long seed) {
      Tensor x = value(0).embedding(tokens).dropout(dropout, seed);
      Tensor qkv = x.layerNorm(value(1), value(2), 1e-5f).linear(value(3), value(4));
      Tensor branch = qkv.causalAttention(4).linear(value(5), value(6));
      Residual r = x.addLayerNorm(branch, value(7), value(8), 1e-5f);
      Tensor y = r.stream().plus(r.normed().mlp(value(9), value(10), value(11), value(12), Gelu.TANH));
      return y.linear(value(0), null);
    }
  }

  private static int[] tokens(int seed) {
    var tokens = new int[BATCH * TIME];
    Arrays.setAll(tokens, i -> Integer.remainderUnsigned(Philox.bits(seed, i), VOCABULARY));
    return tokens;
  }

  private static float[] trained(int threads, Precision precision) {
    try (var device = new CpuDevice(threads)) {
      Model model = Model.on(device, precision);
      try (var parameters = model.parameters(); var clip = new GradientClip(parameters, 0.5f);
          var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
        for (int step = 0; step < 4; step++) {
          try (var tape = Tape.on(device, step)) {
            Tensor x = tape.tensor(tokens(step), Shape.of(BATCH, TIME));
            Tensor targets = tape.tensor(tokens(step + 100), Shape.of(BATCH, TIME));
            tape.backward(model.logits(x, 0.1f, tape.nextSeed()).crossEntropy(targets));
            adamw.step(1e-2f, clip.measure());
          }
        }
        return parameters.masters().toArray();
      }
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
    int[] tokens = tokens(7);
    var permuted = new int[tokens.length];
    for (int b = 0; b < BATCH; b++) {
      System.arraycopy(tokens, order[b] * TIME, permuted, b * TIME, TIME);
    }
    float[] straight = logits(tokens, BATCH);
    float[] mixed = logits(permuted, BATCH);
    int each = TIME * VOCABULARY;
    for (int b = 0; b < BATCH; b++) {
      assertArrayEquals(Arrays.copyOfRange(straight, order[b] * each, (order[b] + 1) * each),
          Arrays.copyOfRange(mixed, b * each, (b + 1) * each), "sequence " + order[b]);
    }
  }

  private static float[] logits(int[] tokens, int batch) {
    try (var device = new CpuDevice(2)) {
      Model model = Model.on(device, Precision.F32);
      try (var scope = Scope.on(device)) {
        return model.logits(scope.tensor(tokens, Shape.of(batch, TIME)), 0f, 0).toArray();
      }
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
