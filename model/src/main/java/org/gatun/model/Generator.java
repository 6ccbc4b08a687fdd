package org.gatun.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
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
    return generate(prompt, List.of(sampling), maxTokens, (_, piece) -> output.accept(piece)).getFirst();
  }

  /**
   * As {@link #generate(String, Sampling, int, Consumer)}, one text for each way of sampling, computed
   * side by side: each is the text it would be alone, in much less time than one after the other.
   */
  public List<String> generate(String prompt, List<Sampling> samplings, int maxTokens) {
    return generate(prompt, samplings, maxTokens, (_, _) -> {});
  }

  /** Is handed pieces of texts, which are numbered from 0. */
  private interface Pieces {
    void accept(int text, String piece);
  }

  private List<String> generate(String prompt, List<Sampling> samplings, int maxTokens, Pieces output) {
    if (maxTokens < 0) {
      throw new IllegalArgumentException("generate: " + maxTokens + " tokens to write, expected at least 0");
    }
    var decoders = new ArrayList<TokenDecoder>();
    var texts = new ArrayList<StringBuilder>();
    samplings.forEach(_ -> {
      decoders.add(new TokenDecoder(tokenizer));
      texts.add(new StringBuilder());
    });
    Pieces both = (row, piece) -> {
      if (!piece.isEmpty()) {
        texts.get(row).append(piece);
        output.accept(row, piece);
      }
    };
    generate(start(prompt), samplings, maxTokens, (row, token) -> both.accept(row, decoders.get(row).next(token)));
    for (int row = 0; row < texts.size(); row++) {
      both.accept(row, decoders.get(row).rest());
    }
    return texts.stream().map(StringBuilder::toString).toList();
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

  /** Is handed the tokens of texts. */
  private interface Tokens {
    void accept(int text, int token);
  }

  private void generate(int[] prompt, List<Sampling> samplings, int maxTokens, Tokens output) {
    int rows = samplings.size();
    int context = model.config().context();
    int padded = model.config().paddedVocabulary();
    int end = tokenizer.endOfText().orElse(-1);
    var ended = new boolean[rows];
    var tokens = new int[rows][];
    Arrays.fill(tokens, prompt);
    int writing = rows;
    try (var cache = new KeyValueCache(model, rows)) {
      for (int step = 0; step < maxTokens && writing > 0; step++) {
        int length = prompt.length + step;
        float[] logits = cached && length <= context
            ? cachedLogits(cache, tokens, length)
            : logits(tokens, Math.max(0, length - context), length);
        if (length == tokens[0].length) {
          Arrays.setAll(tokens, row -> Arrays.copyOf(tokens[row], Math.max(64, 2 * length)));
        }
        for (int row = 0; row < rows; row++) {
          if (ended[row]) {
            continue;
          }
          float[] own = rows == 1 ? logits : Arrays.copyOfRange(logits, row * padded, (row + 1) * padded);
          int next = samplings.get(row).choose(own, tokenizer.vocabulary(), step);
          if (next == end) {
            // Its row goes on with token 0, which changes nothing for the others.
            ended[row] = true;
            writing--;
          } else {
            tokens[row][length] = next;
            output.accept(row, next);
          }
        }
      }
    }
  }

  /** The logits [B, Vp] after tokens up to {@code length}, of which the cache knows the first. */
  private float[] cachedLogits(KeyValueCache cache, int[][] tokens, int length) {
    try (Scope scope = model.inference()) {
      return model.nextLogits(tensor(scope, tokens, cache.length(), length), cache).toArray();
    }
  }

  private float[] logits(int[][] tokens, int start, int end) {
    try (Scope scope = model.inference()) {
      return model.nextLogits(tensor(scope, tokens, start, end)).toArray();
    }
  }

  /** I32 [B, T]. */
  private static Tensor tensor(Scope scope, int[][] tokens, int start, int end) {
    int time = end - start;
    var some = new int[tokens.length * time];
    for (int row = 0; row < tokens.length; row++) {
      System.arraycopy(tokens[row], start, some, row * time, time);
    }
    return scope.tensor(some, Shape.of(tokens.length, time));
  }
}
