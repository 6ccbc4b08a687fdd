package org.gatun.model;

import java.util.Arrays;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * Continues a text token by token.
 *
 * <p>A model sees at most its context: once a text is longer, each next token is predicted from the
 * last {@code context} tokens (as in nanoGPT), all of whose positions have then moved, so that they
 * are computed again.
 */
public final class Generator {
  private final Gpt2 model;
  private final Tokenizer tokenizer;
  private final boolean cached;

  /** With a key-value cache. */
  public Generator(Gpt2 model, Tokenizer tokenizer) {
    this(model, tokenizer, true);
  }

  /** With a key-value cache or without: the tokens are the same, up to rounding. */
  Generator(Gpt2 model, Tokenizer tokenizer, boolean cached) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.cached = cached;
    if (tokenizer.vocabulary() > model.config().vocabulary()) {
      throw new IllegalArgumentException("generator: tokenizer " + tokenizer.name() + " has " + tokenizer.vocabulary()
          + " tokens, the model " + model.config().vocabulary() + "; take the tokenizer it was trained with");
    }
  }

  /**
   * Writes at most {@code maxTokens} tokens after the prompt and stops before the end of text, if the
   * tokenizer has such a token. An empty prompt starts a new text.
   *
   * @param output is handed each piece of text as soon as its last byte is known
   * @return the generated text without the prompt
   */
  public String generate(String prompt, Sampling sampling, int maxTokens, Consumer<String> output) {
    if (maxTokens < 0) {
      throw new IllegalArgumentException("generate: " + maxTokens + " tokens to write, expected at least 0");
    }
    var decoder = new TokenDecoder(tokenizer);
    var text = new StringBuilder();
    Consumer<String> both = piece -> {
      if (!piece.isEmpty()) {
        text.append(piece);
        output.accept(piece);
      }
    };
    generate(start(prompt), sampling, maxTokens, token -> both.accept(decoder.next(token)));
    both.accept(decoder.rest());
    return text.toString();
  }

  /** A text begins after an end, else after a line's end, else after the first token there is. */
  private int[] start(String prompt) {
    if (!prompt.isEmpty()) {
      return tokenizer.encode(prompt);
    }
    OptionalInt end = tokenizer.endOfText();
    if (end.isPresent()) {
      return new int[]{end.getAsInt()};
    }
    try {
      return tokenizer.encode("\n");
    } catch (IllegalArgumentException noLines) {
      return new int[]{0};
    }
  }

  private void generate(int[] prompt, Sampling sampling, int maxTokens, IntConsumer output) {
    int context = model.config().context();
    int end = tokenizer.endOfText().orElse(-1);
    int[] tokens = prompt;
    try (var cache = new KeyValueCache(model, 1)) {
      for (int step = 0; step < maxTokens; step++) {
        int length = prompt.length + step;
        float[] logits = cached && length <= context
            ? cachedLogits(cache, tokens, length)
            : logits(tokens, Math.max(0, length - context), length);
        int next = sampling.choose(logits, tokenizer.vocabulary(), step);
        if (next == end) {
          return;
        }
        if (length == tokens.length) {
          tokens = Arrays.copyOf(tokens, Math.max(64, 2 * length));
        }
        tokens[length] = next;
        output.accept(next);
      }
    }
  }

  /** The logits after tokens up to {@code length}, of which the cache knows the first. */
  private float[] cachedLogits(KeyValueCache cache, int[] tokens, int length) {
    try (Scope scope = model.inference()) {
      return model.nextLogits(tensor(scope, tokens, cache.length(), length), cache).toArray();
    }
  }

  private float[] logits(int[] tokens, int start, int end) {
    try (Scope scope = model.inference()) {
      return model.nextLogits(tensor(scope, tokens, start, end)).toArray();
    }
  }

  /** I32 [1, T]. */
  private static Tensor tensor(Scope scope, int[] tokens, int start, int end) {
    return scope.tensor(Arrays.copyOfRange(tokens, start, end), Shape.of(1, end - start));
  }
}
