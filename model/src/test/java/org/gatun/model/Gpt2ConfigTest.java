package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class Gpt2ConfigTest {
  @ParameterizedTest
  @CsvSource({"gpt2, 124439808", "gpt2-medium, 354823168", "gpt2-large, 774030080", "gpt2-xl, 1557611200"})
  void presetsHaveThePublishedNumberOfParameters(String name, long parameters) {
    assertEquals(parameters, Gpt2Config.preset(name).parameterCount());
  }

  @Test
  void paddingAndBiasesCountAsInOtherPrograms() {
    Gpt2Config padded = Gpt2Config.gpt2().withVocabulary(50_304);
    assertEquals(124_475_904, padded.parameterCount());
    assertEquals(124_373_760, padded.withBias(false).parameterCount());
  }

  @ParameterizedTest
  @CsvSource({"gpt2, 855.4, 803.5", "gpt2-medium, 2424.9, 2280.2", "gpt2-large, 5202.9, 4927.7",
    "gpt2-xl, 10280, 9818"})
  void operationsPerTokenAreThoseOfNanoGptAndLlmC(String name, double nanoGpt, double llmC) {
    Gpt2Config config = Gpt2Config.preset(name);
    assertEquals(nanoGpt, config.flopsPerToken(1024) / 1e6, 0.5);
    assertEquals(llmC, config.causalFlopsPerToken(1024) / 1e6, 0.5);
  }

  @ParameterizedTest
  @CsvSource({"50257, 50304", "256, 256", "65, 128", "1, 128", "129, 256"})
  void vocabularyIsPaddedToMultiplesOf128(int vocabulary, int padded) {
    assertEquals(padded, Gpt2Config.gpt2().withVocabulary(vocabulary).paddedVocabulary());
  }

  @Test
  void aModelHasTheParametersTheConfigurationCounts() {
    try (var device = new CpuDevice(1)) {
      for (boolean bias : new boolean[]{true, false}) {
        Gpt2Config config = Gpt2Config.quickstart().withBias(bias).withVocabulary(384);
        try (var gpt2 = new Gpt2(new Parameters(device, Precision.F32), config)) {
          assertEquals(config.parameterCount(), gpt2.parameters().size());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("impossible")
  void whatCannotBeBuiltIsRefusedInOneSentence(String words, UnaryOperator<Gpt2Config> change) {
    var e = assertThrows(IllegalArgumentException.class, () -> change.apply(Gpt2Config.gpt2()));
    assertTrue(e.getMessage().startsWith("GPT-2 configuration: ") && e.getMessage().contains(words), e.getMessage());
  }

  static Stream<Arguments> impossible() {
    return Stream.of(
        change("layers 0", config -> config.withLayers(0)),
        change("heads -1", config -> config.withHeads(-1)),
        change("channels 768 must be a multiple of heads 7", config -> config.withHeads(7)),
        change("channels 0", config -> config.withChannels(0)),
        change("context 0", config -> config.withContext(0)),
        change("vocabulary 0", config -> config.withVocabulary(0)),
        change("GELU", config -> config.withGelu(null)),
        change("dropout 1.0", config -> config.withDropout(1f)),
        change("dropout NaN", config -> config.withDropout(Float.NaN)),
        change("epsilon 0.0", config -> config.withLayerNormEps(0)),
        change("fewer than", config -> config.withVocabulary(Integer.MAX_VALUE)),
        change("fewer than", config -> config.withLayers(Integer.MAX_VALUE)));
  }

  private static Arguments change(String words, UnaryOperator<Gpt2Config> change) {
    return Arguments.of(words, change);
  }

  @Test
  void anUnknownPresetIsAnsweredWithTheKnownOnes() {
    var e = assertThrows(IllegalArgumentException.class, () -> Gpt2Config.preset("gpt3"));
    assertEquals("no preset is named gpt3; there are gpt2, gpt2-large, gpt2-medium, gpt2-xl, quickstart",
        e.getMessage());
  }
}
