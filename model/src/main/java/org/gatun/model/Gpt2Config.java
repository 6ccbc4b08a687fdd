package org.gatun.model;

import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.tensor.Kernels.Gelu;

/**
 * The size and the variants of a GPT-2: everything that decides which parameters there are and what
 * is computed with them.
 *
 * @param layers L, the number of blocks
 * @param heads NH, attention heads of a block
 * @param channels C, a multiple of the heads
 * @param context the largest T
 * @param vocabulary V, the number of tokens without padding
 * @param bias whether linear layers and norms have a bias, as OpenAI's do
 * @param gelu the form of the activation; OpenAI's is {@link Gelu#TANH}
 * @param dropout the share of elements dropped after the embeddings and at the end of both residual
 *     branches while training
 * @param layerNormEps added to the variance; OpenAI's is 1e-5
 */
public record Gpt2Config(int layers, int heads, int channels, int context, int vocabulary, boolean bias, Gelu gelu,
    float dropout, float layerNormEps) {
  /** The vocabulary of OpenAI's models. */
  public static final int GPT2_VOCABULARY = 50_257;

  private static final int PADDING = 128;
  private static final Map<String, Gpt2Config> PRESETS = new TreeMap<>(Map.of(
      "quickstart", of(4, 4, 128).withContext(64).withVocabulary(256),
      "gpt2", of(12, 12, 768),
      "gpt2-medium", of(24, 16, 1024),
      "gpt2-large", of(36, 20, 1280),
      "gpt2-xl", of(48, 25, 1600)));

  /** @throws IllegalArgumentException if no such model can be built */
  public Gpt2Config {
    require(layers >= 1, "layers " + layers + " must be at least 1");
    require(heads >= 1, "heads " + heads + " must be at least 1");
    require(channels >= 1, "channels " + channels + " must be at least 1");
    require(channels % heads == 0, "channels " + channels + " must be a multiple of heads " + heads);
    require(context >= 1, "context " + context + " must be at least 1");
    require(vocabulary >= 1, "vocabulary " + vocabulary + " must be at least 1");
    require(gelu != null, "the form of the GELU must be named");
    require(dropout >= 0 && dropout < 1, "dropout " + dropout + " must be in [0, 1)");
    require(layerNormEps > 0 && layerNormEps < 1, "layer norm epsilon " + layerNormEps + " must be in (0, 1)");
    double matrices = 12.0 * layers * channels * channels + ((double) vocabulary + context + PADDING) * channels;
    require(matrices < Integer.MAX_VALUE,
        String.format(Locale.ROOT, "%,.0f parameters must be fewer than %,d", matrices, Integer.MAX_VALUE));
  }

  private static void require(boolean holds, String rule) {
    if (!holds) {
      throw new IllegalArgumentException("GPT-2 configuration: " + rule);
    }
  }

  /** GPT-2 of this size: context 1024, vocabulary 50,257, biases, tanh GELU, no dropout. */
  public static Gpt2Config of(int layers, int heads, int channels) {
    return new Gpt2Config(layers, heads, channels, 1024, GPT2_VOCABULARY, true, Gelu.TANH, 0f, 1e-5f);
  }

  /** 4 layers, 4 heads, 128 channels, context 64, bytes: trains on a laptop in a minute or two. */
  public static Gpt2Config quickstart() {
    return preset("quickstart");
  }

  /** OpenAI's smallest, 124M. */
  public static Gpt2Config gpt2() {
    return preset("gpt2");
  }

  /** The configuration of this name: quickstart, gpt2, gpt2-medium, gpt2-large or gpt2-xl. */
  public static Gpt2Config preset(String name) {
    Gpt2Config config = PRESETS.get(name);
    if (config == null) {
      throw new IllegalArgumentException(
          "no preset is named " + name + "; there are " + String.join(", ", PRESETS.keySet()));
    }
    return config;
  }

  /** V rounded up to a multiple of 128: the rows of the token table, of which the last stay zero. */
  public int paddedVocabulary() {
    return (vocabulary + PADDING - 1) / PADDING * PADDING;
  }

  /** HS, the channels of one head. */
  public int headSize() {
    return channels / heads;
  }

  /** The number of learned elements without padding, the tied head counted once: 124,439,808 for gpt2. */
  public long parameterCount() {
    return parameterCount(vocabulary);
  }

  private long parameterCount(int rows) {
    long c = channels;
    long matrices = 12 * c * c;
    long vectors = bias ? 13 * c : 2 * c;
    long lastNorm = bias ? 2 * c : c;
    return (rows + (long) context) * c + layers * (matrices + vectors) + lastNorm;
  }

  /**
   * Floating-point operations of a training step for each token of a sequence of this length, as
   * nanoGPT and PaLM count them: 6 (N - wpe) + 12 L C T with attention taken as full.
   */
  public long flopsPerToken(int time) {
    long withoutPositions = parameterCount(paddedVocabulary()) - (long) context * channels;
    return 6 * withoutPositions + 12L * layers * channels * time;
  }

  /** As {@link #flopsPerToken}, as llm.c counts them: 6 N + 6 L C T with attention taken as causal. */
  public long causalFlopsPerToken(int time) {
    return 6 * parameterCount(paddedVocabulary()) + 6L * layers * channels * time;
  }

  /** With another number of blocks. */
  public Gpt2Config withLayers(int value) {
    return new Gpt2Config(value, heads, channels, context, vocabulary, bias, gelu, dropout, layerNormEps);
  }

  /** With another number of heads. */
  public Gpt2Config withHeads(int value) {
    return new Gpt2Config(layers, value, channels, context, vocabulary, bias, gelu, dropout, layerNormEps);
  }

  /** With another number of channels. */
  public Gpt2Config withChannels(int value) {
    return new Gpt2Config(layers, heads, value, context, vocabulary, bias, gelu, dropout, layerNormEps);
  }

  /** With another longest sequence. */
  public Gpt2Config withContext(int value) {
    return new Gpt2Config(layers, heads, channels, value, vocabulary, bias, gelu, dropout, layerNormEps);
  }

  /** With another number of tokens. */
  public Gpt2Config withVocabulary(int value) {
    return new Gpt2Config(layers, heads, channels, context, value, bias, gelu, dropout, layerNormEps);
  }

  /** With biases or without. */
  public Gpt2Config withBias(boolean value) {
    return new Gpt2Config(layers, heads, channels, context, vocabulary, value, gelu, dropout, layerNormEps);
  }

  /** With the other form of the activation. */
  public Gpt2Config withGelu(Gelu value) {
    return new Gpt2Config(layers, heads, channels, context, vocabulary, bias, value, dropout, layerNormEps);
  }

  /** With another share of elements dropped. */
  public Gpt2Config withDropout(float value) {
    return new Gpt2Config(layers, heads, channels, context, vocabulary, bias, gelu, value, layerNormEps);
  }

  /** With another number beside the variance. */
  public Gpt2Config withLayerNormEps(float value) {
    return new Gpt2Config(layers, heads, channels, context, vocabulary, bias, gelu, dropout, value);
  }
}
