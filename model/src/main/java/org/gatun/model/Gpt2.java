package org.gatun.model;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.gatun.nn.Dropout;
import org.gatun.nn.Embedding;
import org.gatun.nn.LayerNorm;
import org.gatun.tensor.Device;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019): token and
 * position embeddings, blocks, a last norm, and a head that is the token table once more.
 *
 * <p>Parameters bear the names of Hugging Face's checkpoints; a matrix is [out, in]. The token table
 * has rows up to a multiple of 128; those beyond the vocabulary are zero and stay so.
 *
 * <p>Dropout falls where Hugging Face has it, except on attention probabilities, which blockwise
 * attention never holds.
 *
 * <p>Shapes: B batch, T time, C channels, V vocabulary, Vp padded vocabulary.
 */
public final class Gpt2 implements AutoCloseable {
  /** The target that takes no part in the loss. */
  public static final int IGNORED_TARGET = -1;

  /**
   * Logits of a loss that would take more bytes are computed in portions, and once again in the backward pass. Where they fit, keeping
   * them saves that product.
   */
  public static final long LOGITS_BYTES = 8L << 30;

  static final float DEVIATION = 0.02f;

  private final Parameters parameters;
  private final Gpt2Config config;
  private final Embedding wte;
  private final Embedding wpe;
  private final Dropout dropout;
  private final List<Block> blocks = new ArrayList<>();
  private final LayerNorm lnF;
  private Scope constants;
  private Tensor allPositions;

  /**
   * Adds the parameters of such a model; {@link Parameters#initialize} then draws them from N(0,
   * 0.02), the projections that end a residual branch from N(0, 0.02 / √(2L)), biases 0, gains 1.
   */
  public Gpt2(Parameters parameters, Gpt2Config config) {
    this.parameters = parameters;
    this.config = config;
    int channels = config.channels();
    wte = new Embedding(parameters.in("wte"), config.paddedVocabulary(), channels,
        firstRows((long) config.vocabulary() * channels, Initializer.normal(DEVIATION)));
    wpe = new Embedding(parameters.in("wpe"), config.context(), channels, Initializer.normal(DEVIATION));
    dropout = new Dropout(config.dropout());
    for (int i = 0; i < config.layers(); i++) {
      blocks.add(new Block(parameters.in("h." + i), config));
    }
    lnF = new LayerNorm(parameters.in("ln_f"), channels, config.bias(), config.layerNormEps());
  }

  private static Initializer firstRows(long elements, Initializer values) {
    return (seed, index) -> index < elements ? values.at(seed, index) : 0f;
  }

  /**
   * The model of a Hugging Face folder, which owns its parameters; the caller closes it.
   *
   * @throws IOException if the folder holds no such model
   */
  public static Gpt2 load(Path folder, Device device, Precision precision) throws IOException {
    return load(folder, new Gpt2Folder(folder).config(), device, precision);
  }

  /** As {@link #load(Path, Device, Precision)}, with a configuration that may differ in its dropout. */
  public static Gpt2 load(Path folder, Gpt2Config config, Device device, Precision precision)
      throws IOException {
    var parameters = new Parameters(device, precision);
    try (var weights = Gpt2Weights.open(folder)) {
      weights.requireFit(config);
      var gpt2 = new Gpt2(parameters, config);
      parameters.initializeToZero();
      weights.readInto(gpt2);
      return gpt2;
    } catch (IOException | RuntimeException e) {
      parameters.close();
      throw e;
    }
  }

  /** Tokens I32 [B, T] to logits [B, T, Vp], those of padding zero. */
  public Tensor logits(Tensor tokens) {
    return wte.logits(forward(tokens, 0, this::attend, kept(tokens, Recompute.NONE)));
  }

  /** Without a backward pass there is nothing to compute again, and nothing to keep either. */
  private static Recompute kept(Tensor tokens, Recompute recompute) {
    return tokens.scope().isRecording() ? recompute : Recompute.BLOCK;
  }

  private Tensor attend(int layer, Tensor qkv) {
    return qkv.causalAttention(config.heads());
  }

  /** As {@link #logits(Tensor)}, of the positions from {@code start} on only: [B, T - start, Vp]. */
  Tensor logits(Tensor tokens, int start) {
    Tensor x = forward(tokens, 0, this::attend, Recompute.BLOCK);
    return wte.logits(x.slice(1, start, x.shape().dim(1)));
  }

  /**
   * The mean cross-entropy of predicting targets I32 [B, T] from tokens I32 [B, T], F32 [], over the
   * vocabulary without padding; {@link #IGNORED_TARGET} takes no part.
   */
  public Tensor loss(Tensor tokens, Tensor targets) {
    return loss(tokens, targets, Recompute.NONE);
  }

  /** As {@link #loss(Tensor, Tensor)}, with the same gradients from fewer activations kept. */
  public Tensor loss(Tensor tokens, Tensor targets, Recompute recompute) {
    Tensor x = forward(tokens, 0, this::attend, kept(tokens, recompute));
    return x.linearCrossEntropy(wte.weight().value(), targets, config.vocabulary(), IGNORED_TARGET, LOGITS_BYTES);
  }

  /**
   * The logits [B, Vp] of the token after these, I32 [B, T], which follow those the cache has seen
   * and are added to it.
   *
   * @throws IllegalStateException on a tape: a cache carries no gradient
   */
  public Tensor nextLogits(Tensor tokens, KeyValueCache cache) {
    Tensor x = forward(tokens, cache.length(), cache.begin(tokens), Recompute.NONE);
    cache.end(tokens);
    return lastLogits(x);
  }

  /** The logits [B, Vp] of the token after these, I32 [B, T]. */
  public Tensor nextLogits(Tensor tokens) {
    return lastLogits(forward(tokens, 0, this::attend, Recompute.NONE));
  }

  private Tensor lastLogits(Tensor x) {
    int batch = x.shape().dim(0);
    int time = x.shape().dim(1);
    return wte.logits(x.slice(1, time - 1, time).reshape(batch, config.channels()));
  }

  /** What stands between a block's projections: attention on the packed qkv [B, T, 3C] of a layer. */
  interface Attending {
    /** [B, T, C]. */
    Tensor attend(int layer, Tensor qkv);
  }

  /** The last norm's output [B, T, C] for tokens [B, T] at positions from {@code start} on. */
  private Tensor forward(Tensor tokens, int start, Attending attending, Recompute recompute) {
    Tensor positions = positions(tokens, start);
    Tensor embedded = wte.forward(tokens, config.vocabulary());
    Tensor x = dropout.forward(embedded.plus(wpe.forward(positions)));
    var residual = new Residual(x, norm(0).forward(x));
    for (int i = 0; i < blocks.size(); i++) {
      int layer = i;
      residual = blocks.get(i).forward(residual, norm(i + 1), qkv -> attending.attend(layer, qkv), recompute);
    }
    return residual.normed();
  }

  /** The norm that a block begins with; after the last block, the final one. */
  private LayerNorm norm(int block) {
    return block < blocks.size() ? blocks.get(block).ln1() : lnF;
  }

  /** I32 [T]. */
  private Tensor positions(Tensor tokens, int start) {
    if (tokens.shape().rank() != 2 || tokens.shape().size() == 0) {
      throw new IllegalArgumentException("GPT-2: needs tokens I32[B, T], got " + tokens);
    }
    int time = tokens.shape().dim(1);
    if (start + time > config.context()) {
      throw new IllegalArgumentException("GPT-2: " + (start + time) + " positions are more than the context of "
          + config.context() + "; give fewer tokens");
    }
    return tokens.scope().borrow(allPositions().slice(0, start, start + time));
  }

  /** From 0 on, made once: a step that a device replays must not bring them again. */
  private Tensor allPositions() {
    if (allPositions == null) {
      constants = Scope.on(parameters.device());
      allPositions = constants.tensor(IntStream.range(0, config.context()).toArray(), Shape.of(config.context()));
    }
    return allPositions;
  }

  /**
   * Writes {@code maxTokens} more tokens after the prompt, fewer if the text ends, handing each piece
   * of text over as it comes; see {@link Generator}.
   *
   * @return the generated text without the prompt
   */
  public String generate(Tokenizer tokenizer, String prompt, Sampling sampling, int maxTokens,
      Consumer<String> output) {
    return new Generator(this, tokenizer).generate(prompt, sampling, maxTokens, output);
  }

  /** A scope for inference on this model's device. */
  Scope inference() {
    return Scope.on(parameters.device());
  }

  /** Its size and variants. */
  public Gpt2Config config() {
    return config;
  }

  /** What it has learned. */
  public Parameters parameters() {
    return parameters;
  }

  /** Closes the parameters. */
  @Override
  public void close() {
    if (constants != null) {
      constants.close();
    }
    parameters.close();
  }
}
