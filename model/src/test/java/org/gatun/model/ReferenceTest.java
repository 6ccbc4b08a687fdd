package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Compares with PyTorch's results in f64, so that every difference is rounding of ours, or a mistake. */
class ReferenceTest {
  /**
   * Relative to the largest element. A value has passed some thirty sums of at most 96 products, whose
   * roundings (half an ulp of 2⁻²³ each) add up like a random walk: 30 · √96 · 2⁻²⁴ = 1.8e-5.
   */
  private static final double ROUNDING = 30 * Math.sqrt(96) * 0x1p-24;

  private static Device device;
  private static Reference reference;

  @BeforeAll
  static void open() throws IOException {
    device = new CpuDevice(2);
    reference = new Reference();
  }

  @AfterAll
  static void close() {
    reference.close();
    device.close();
  }

  @Test
  void logitsAreThoseOfTransformers() throws IOException {
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.F32); var scope = Scope.on(device)) {
      assertClose("logits", reference.tensor("logits"), logits(gpt2, scope));
    }
  }

  @Test
  void logitsWithErfGeluAreThoseOfTransformers() throws IOException {
    Gpt2Config config = new Gpt2Folder(Reference.FOLDER).config().withGelu(Gelu.ERF);
    try (var gpt2 = Gpt2.load(Reference.FOLDER, config, device, Precision.F32); var scope = Scope.on(device)) {
      assertClose("logits", reference.tensor("erf.logits"), logits(gpt2, scope));
      assertEquals(reference.number("erf_loss"), loss(gpt2, scope).item(), 1e-5);
    }
  }

  @Test
  void lossIsThatOfTransformers() throws IOException {
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.F32); var scope = Scope.on(device)) {
      assertEquals(reference.number("loss"), loss(gpt2, scope).item(), 1e-5);
    }
  }

  @Test
  void everyGradientIsThatOfPyTorch() throws IOException {
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.F32); var tape = Tape.on(device)) {
      tape.backward(loss(gpt2, tape));
      for (Parameter parameter : gpt2.parameters().all()) {
        assertClose(parameter.name(), expectedGradient(parameter, gpt2.config()), parameter.gradient().toArray());
      }
    }
  }

  /** PyTorch's gradient with our orientation and, for the token table, our rows of padding. */
  private static float[] expectedGradient(Parameter parameter, Gpt2Config config) throws IOException {
    float[] gradient = reference.tensor("gradient.transformer." + parameter.name());
    if (parameter.name().equals("wte.weight")) {
      return Arrays.copyOf(gradient, config.paddedVocabulary() * config.channels());
    }
    boolean matrix = parameter.name().startsWith("h.") && parameter.shape().rank() == 2;
    return matrix ? Gpt2Weights.transposed(gradient, parameter.shape().dim(1), parameter.shape().dim(0)) : gradient;
  }

  @Test
  void tenStepsOfAdamWFollowPyTorch() throws IOException {
    double[] losses = reference.series("losses");
    double[] norms = reference.series("gradient_norms");
    var config = new AdamW.Config((float) reference.number("beta1"), (float) reference.number("beta2"),
        (float) reference.number("eps"), (float) reference.number("weight_decay"));
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.F32);
        var adamw = new AdamW(gpt2.parameters(), config);
        var clip = new GradientClip(gpt2.parameters(), (float) reference.number("clip"))) {
      for (int step = 0; step < losses.length; step++) {
        try (var tape = Tape.on(device)) {
          Tensor loss = loss(gpt2, tape);
          tape.backward(loss);
          assertEquals(losses[step], loss.item(), 1e-4 * losses[step], "loss of step " + step);
          Tensor scale = clip.measure();
          assertEquals(norms[step], clip.norm().item(), 1e-4 * norms[step], "gradient norm of step " + step);
          adamw.step((float) reference.number("lr"), scale);
        }
      }
    }
  }

  @Test
  void bf16LossIsNearThatOfF32() throws IOException {
    try (var gpt2 = Gpt2.load(Reference.FOLDER, device, Precision.BF16); var scope = Scope.on(device)) {
      // eight bits of fraction, about 2⁻⁹ relative a rounding, ten roundings on the way
      assertEquals(reference.number("loss"), loss(gpt2, scope).item(), 10 * 0x1p-9 * reference.number("loss"));
    }
  }

  private static Tensor loss(Gpt2 gpt2, Scope scope) throws IOException {
    return gpt2.loss(reference.tokens(scope), reference.targets(scope));
  }

  /** Without the columns of padding. */
  private static float[] logits(Gpt2 gpt2, Scope scope) throws IOException {
    return gpt2.logits(reference.tokens(scope)).slice(2, 0, gpt2.config().vocabulary()).toArray();
  }

  private static void assertClose(String name, float[] expected, float[] found) {
    assertEquals(expected.length, found.length, name);
    double largest = 0;
    double worst = 0;
    List<Integer> wrong = new ArrayList<>();
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(expected[i] - (double) found[i]));
    }
    for (int i = 0; i < expected.length; i++) {
      if (!(Math.abs(expected[i] - (double) found[i]) <= ROUNDING * largest)) {
        wrong.add(i);
      }
    }
    assertTrue(wrong.isEmpty(), name + ": off by up to " + worst + " of " + largest + " at " + wrong.size()
        + " of " + expected.length + " elements");
  }
}
