package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.gatun.cpu.CpuDevice;
import org.gatun.gpu.CudaDevice;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Recomputation changes what a step of GPT-2 takes, and nothing that it makes. */
class RecomputeTest {
  private static final Gpt2Config SMALL =
      Gpt2Config.of(3, 2, 32).withContext(32).withVocabulary(61).withDropout(0.1f);

  /** All gradients of two micro-steps, after the loss of each. */
  private static List<float[]> step(Device device, Precision precision, Recompute recompute) {
    var made = new ArrayList<float[]>();
    try (var gpt2 = new Gpt2(new Parameters(device, precision), SMALL)) {
      gpt2.parameters().initialize(5);
      for (int micro = 0; micro < 2; micro++) {
        try (var tape = Tape.on(device, micro)) {
          Tensor loss = gpt2.loss(tokens(tape, 1 + micro), tokens(tape, 3 + micro), recompute);
          made.add(loss.toArray());
          tape.backward(loss);
        }
      }
      made.add(gpt2.parameters().gradients().toArray());
    }
    return made;
  }

  private static Tensor tokens(Scope scope, long seed) {
    return Gpt2Test.random(scope, 4, 32, seed);
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void lossAndGradientsAreTheSameBits(Precision precision) {
    try (var device = new CpuDevice(2)) {
      List<float[]> kept = step(device, precision, Recompute.NONE);
      for (Recompute recompute : Recompute.values()) {
        List<float[]> made = step(device, precision, recompute);
        for (int i = 0; i < kept.size(); i++) {
          assertArrayEquals(kept.get(i), made.get(i), recompute + ", " + i);
        }
      }
    }
  }

  /** The activations of the documentation, to within what a pool rounds blocks up by, an eighth at most. */
  @Test
  void aLayerKeepsAsManyActivationsAsTheDocumentationSays() {
    assertKept(CpuDevice::rehearsal, 14, 4, 2);
    assertKept(CudaDevice::rehearsal, 18, 4, 2);
  }

  private static void assertKept(Supplier<Device> rehearsal, int... units) {
    long unit = 4L * 8 * 64 * 64;
    for (Recompute recompute : Recompute.values()) {
      long layer = (inUse(rehearsal, 9, recompute) - inUse(rehearsal, 5, recompute)) / 4;
      double expected = (double) units[recompute.ordinal()] * unit;
      assertEquals(1.06, layer / expected, 0.07, recompute + " keeps " + layer + " bytes a layer");
    }
  }

  private static long inUse(Supplier<Device> rehearsal, int layers, Recompute recompute) {
    try (var device = rehearsal.get();
        var gpt2 = new Gpt2(new Parameters(device, Precision.F32),
            Gpt2Config.of(layers, 2, 64).withContext(64).withVocabulary(61))) {
      gpt2.parameters().initializeToZero();
      long before = device.bytesInUse();
      try (var tape = Tape.on(device)) {
        int[] tokens = new int[8 * 64];
        gpt2.loss(tape.tensor(tokens, Shape.of(8, 64)), tape.tensor(tokens, Shape.of(8, 64)), recompute);
        return device.bytesInUse() - before;
      }
    }
  }

  @Test
  void aStepTakesLessMemory() {
    long none = reserved(Recompute.NONE);
    long halves = reserved(Recompute.ATTENTION_MLP);
    long block = reserved(Recompute.BLOCK);
    assertTrue(halves < 0.7 * none && block < halves,
        "none " + none + ", attention-mlp " + halves + ", block " + block + " bytes");
  }

  private static long reserved(Recompute recompute) {
    try (var device = new CpuDevice(1);
        var gpt2 = new Gpt2(new Parameters(device, Precision.F32),
            Gpt2Config.of(8, 2, 64).withContext(128).withVocabulary(61))) {
      gpt2.parameters().initialize(1);
      try (var tape = Tape.on(device)) {
        int[] tokens = new int[16 * 128];
        tape.backward(
            gpt2.loss(tape.tensor(tokens, Shape.of(16, 128)), tape.tensor(tokens, Shape.of(16, 128)), recompute));
      }
      return device.bytesReserved();
    }
  }
}
