package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.gatun.cpu.CpuDevice;
import org.gatun.optim.AdamW;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2Test {
  private static final Gpt2Config SMALL = Gpt2Config.of(2, 3, 24).withContext(16).withVocabulary(61);

  private static Device device;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  static Gpt2 model(Device device, Gpt2Config config, long seed) {
    var parameters = new Parameters(device, Precision.F32);
    var gpt2 = new Gpt2(parameters, config);
    parameters.initialize(seed);
    return gpt2;
  }

  /** I32 [batch, time], below the vocabulary. */
  static Tensor random(Scope scope, int batch, int time, long seed) {
    int[] tokens = new Random(seed).ints((long) batch * time, 0, SMALL.vocabulary()).toArray();
    return scope.tensor(tokens, Shape.of(batch, time));
  }

  private static float[] gradients(Gpt2 gpt2) {
    return gpt2.parameters().gradients().toArray();
  }

  @Test
  void aFreshModelPredictsAllTokensAboutAlike() {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      float loss = gpt2.loss(random(scope, 4, 16, 2), random(scope, 4, 16, 3)).item();
      assertEquals(Math.log(SMALL.vocabulary()), loss, 0.1);
    }
  }

  @Test
  void initialValuesHaveTheDeviationsOfGpt2() {
    Gpt2Config config = Gpt2Config.of(8, 4, 128).withContext(64).withVocabulary(512);
    try (var gpt2 = model(device, config, 1)) {
      assertEquals(0.02, deviation(gpt2, "wte.weight"), 0.0005);
      assertEquals(0.02, deviation(gpt2, "wpe.weight"), 0.0005);
      assertEquals(0.02, deviation(gpt2, "h.3.attn.c_attn.weight"), 0.0005);
      assertEquals(0.02, deviation(gpt2, "h.3.mlp.c_fc.weight"), 0.0005);
      assertEquals(0.005, deviation(gpt2, "h.3.attn.c_proj.weight"), 0.0002);
      assertEquals(0.005, deviation(gpt2, "h.3.mlp.c_proj.weight"), 0.0002);
      assertEquals(0, deviation(gpt2, "h.3.mlp.c_proj.bias"));
      assertEquals(1, deviation(gpt2, "ln_f.weight"));
      assertEquals(0, deviation(gpt2, "ln_f.bias"));
    }
  }

  private static double deviation(Gpt2 gpt2, String name) {
    float[] values = gpt2.parameters().get(name).master().toArray();
    double squares = 0;
    for (float value : values) {
      squares += (double) value * value;
    }
    return Math.sqrt(squares / values.length);
  }

  @Test
  void rowsOfPaddingStayZeroWhileTraining() {
    try (var gpt2 = model(device, SMALL, 1);
        var adamw = new AdamW(gpt2.parameters(), AdamW.Config.defaults())) {
      for (int step = 0; step < 5; step++) {
        try (var tape = Tape.on(device)) {
          tape.backward(gpt2.loss(random(tape, 2, 8, step), random(tape, 2, 8, step + 100)));
          adamw.step(1e-2f);
        }
      }
      float[] table = gpt2.parameters().get("wte.weight").master().toArray();
      float[] padding = Arrays.copyOfRange(table, SMALL.vocabulary() * SMALL.channels(), table.length);
      assertArrayEquals(new float[padding.length], padding);
    }
  }

  @Test
  void theTokenTableGetsTheGradientsOfBothItsUses() {
    try (var gpt2 = model(device, SMALL, 1); var tape = Tape.on(device)) {
      int[] tokens = {1, 2, 3, 4};
      int[] targets = {11, 12, 13, 14};
      tape.backward(gpt2.loss(tape.tensor(tokens, Shape.of(1, 4)), tape.tensor(targets, Shape.of(1, 4))));
      float[] gradient = gpt2.parameters().get("wte.weight").gradient().toArray();
      double input = norm(gradient, 1);
      double target = norm(gradient, 11);
      double neither = norm(gradient, 30);
      assertTrue(input > 2 * neither && target > 2 * neither && neither > 0,
          "norms of rows: input " + input + ", target " + target + ", neither " + neither);
    }
  }

  private static double norm(float[] gradient, int row) {
    double squares = 0;
    for (int i = 0; i < SMALL.channels(); i++) {
      squares += Math.pow(gradient[row * SMALL.channels() + i], 2);
    }
    return Math.sqrt(squares);
  }

  @Test
  void accumulatedMicroStepsEqualOneBatch() {
    try (var gpt2 = model(device, SMALL, 1)) {
      try (var tape = Tape.on(device)) {
        tape.backward(gpt2.loss(random(tape, 4, 8, 1), random(tape, 4, 8, 2)));
      }
      float[] whole = gradients(gpt2);
      gpt2.parameters().forgetGradients();
      for (int step = 0; step < 4; step++) {
        try (var tape = Tape.on(device)) {
          Tensor tokens = random(tape, 4, 8, 1).slice(0, step, step + 1);
          Tensor targets = random(tape, 4, 8, 2).slice(0, step, step + 1);
          tape.backward(gpt2.loss(tokens, targets).times(1f / 4));
        }
      }
      assertArrayEquals(whole, gradients(gpt2), 1e-6f);
    }
  }

  @Test
  void theOrderOfTheBatchChangesNothingButOrder() {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      Tensor tokens = random(scope, 2, 8, 1);
      Tensor turned = Tensor.concat(0, List.of(tokens.slice(0, 1, 2), tokens.slice(0, 0, 1)));
      Tensor all = gpt2.logits(tokens);
      Tensor logits = Tensor.concat(0, List.of(all.slice(0, 1, 2), all.slice(0, 0, 1)));
      assertArrayEquals(logits.toArray(), gpt2.logits(turned).toArray(), 1e-6f);
    }
  }

  @Test
  void aTokenSeesNoneAfterIt() {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      Tensor tokens = random(scope, 1, 8, 1);
      float[] all = gpt2.logits(tokens).slice(1, 0, 5).toArray();
      assertArrayEquals(gpt2.logits(tokens.slice(1, 0, 5)).toArray(), all, 1e-6f);
    }
  }

  @Test
  void dropoutActsOnATapeOnly() {
    try (var gpt2 = model(device, SMALL.withDropout(0.5f), 1); var plain = model(device, SMALL, 1);
        var scope = Scope.on(device); var tape = Tape.on(device, 7)) {
      float[] expected = plain.logits(random(scope, 2, 8, 1)).toArray();
      assertArrayEquals(expected, gpt2.logits(random(scope, 2, 8, 1)).toArray());
      float[] dropped = gpt2.logits(random(tape, 2, 8, 1)).toArray();
      assertTrue(!Arrays.equals(expected, dropped));
    }
  }

  @Test
  void dropoutOfZeroIsNoDropout() {
    try (var gpt2 = model(device, SMALL.withDropout(0f), 1)) {
      List<float[]> losses = new ArrayList<>();
      for (long seed = 0; seed < 2; seed++) {
        try (var tape = Tape.on(device, seed)) {
          losses.add(gpt2.loss(random(tape, 2, 8, 1), random(tape, 2, 8, 2)).toArray());
        }
      }
      assertArrayEquals(losses.get(0), losses.get(1));
    }
  }

  @Test
  void parametersAreNamedAsInHuggingFacesCheckpoints() {
    try (var gpt2 = model(device, SMALL.withLayers(1), 1)) {
      List<String> names = gpt2.parameters().all().stream().map(Parameter::toString).toList();
      assertEquals(List.of("wte.weight [128, 24]", "wpe.weight [16, 24]", "h.0.ln_1.weight [24]", "h.0.ln_1.bias [24]",
          "h.0.attn.c_attn.weight [72, 24]", "h.0.attn.c_attn.bias [72]", "h.0.attn.c_proj.weight [24, 24]",
          "h.0.attn.c_proj.bias [24]", "h.0.ln_2.weight [24]", "h.0.ln_2.bias [24]", "h.0.mlp.c_fc.weight [96, 24]",
          "h.0.mlp.c_fc.bias [96]", "h.0.mlp.c_proj.weight [24, 96]", "h.0.mlp.c_proj.bias [24]", "ln_f.weight [24]",
          "ln_f.bias [24]"), names);
    }
  }

  @Test
  void ignoredTargetsTakeNoPart() {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      Tensor tokens = random(scope, 1, 8, 1);
      int[] targets = random(scope, 1, 8, 2).toIntArray();
      Arrays.fill(targets, 4, 8, Gpt2.IGNORED_TARGET);
      float half = gpt2.loss(tokens.slice(1, 0, 4), random(scope, 1, 8, 2).slice(1, 0, 4)).item();
      assertEquals(half, gpt2.loss(tokens, scope.tensor(targets, Shape.of(1, 8))).item(), 1e-6);
    }
  }

  @Test
  void wrongTokensAreAnsweredInOneSentence() {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      assertRefused("GPT-2: 17 positions are more than the context of 16", () -> gpt2.logits(random(scope, 1, 17, 1)));
      assertRefused("needs tokens I32[B, T]", () -> gpt2.logits(scope.tensor(new int[3], Shape.of(3))));
      assertRefused("needs tokens I32[B, T]", () -> gpt2.logits(scope.tensor(new int[0], Shape.of(1, 0))));
      assertRefused("indices must be I32", () -> gpt2.logits(scope.tensor(new float[3], Shape.of(1, 3))));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {61, 127, 128, -1, Integer.MIN_VALUE, Integer.MAX_VALUE})
  void aTokenBeyondTheVocabularyIsRefusedThoughThePaddedTableHasARowForIt(int token) {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      Tensor tokens = scope.tensor(new int[]{token}, Shape.of(1, 1));
      var e = assertThrows(RuntimeException.class, () -> gpt2.logits(tokens));
      assertTrue(e.getMessage().contains("index " + token), e.getMessage());
      assertTrue(e.getMessage().contains("61 rows"), e.getMessage());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {61, 127, 128, -2})
  void aTargetBeyondTheVocabularyIsRefused(int target) {
    try (var gpt2 = model(device, SMALL, 1); var scope = Scope.on(device)) {
      Tensor targets = scope.tensor(new int[]{target}, Shape.of(1, 1));
      var e = assertThrows(RuntimeException.class, () -> gpt2.loss(random(scope, 1, 1, 1), targets));
      assertTrue(e.getMessage().contains(Integer.toString(target)) && e.getMessage().contains("61"), e.getMessage());
    }
  }

  static void assertRefused(String words, org.junit.jupiter.api.function.Executable action) {
    var e = assertThrows(IllegalArgumentException.class, action);
    assertTrue(e.getMessage().contains(words), e.getMessage());
  }

  @Test
  void trainingNeedsNoMoreMemoryAfterTheFirstSteps() {
    try (var own = new CpuDevice(1); var gpt2 = model(own, SMALL, 1);
        var adamw = new AdamW(gpt2.parameters(), AdamW.Config.defaults())) {
      long reserved = 0;
      for (int step = 0; step < 20; step++) {
        try (var tape = Tape.on(own)) {
          tape.backward(gpt2.loss(random(tape, 2, 16, step), random(tape, 2, 16, step)));
          adamw.step(1e-3f);
        }
        if (step == 2) {
          reserved = own.bytesReserved();
        }
      }
      assertEquals(reserved, own.bytesReserved());
    }
  }
}
