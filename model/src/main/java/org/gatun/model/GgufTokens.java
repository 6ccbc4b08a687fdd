package org.gatun.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * A tokenizer in the keys of GGUF. llama.cpp knows GPT-2's byte-pair encoding, of which plain bytes are
 * the case without merges; it knows no tokenizer of characters, so a model of these is written as one
 * without a vocabulary, with the characters under a key of our own.
 */
final class GgufTokens {
  private static final String MODEL = "tokenizer.ggml.model";
  private static final String TOKENS = "tokenizer.ggml.tokens";
  private static final String CHARACTERS = "gatun.tokenizer.characters";
  private static final String NONE = "none";
  private static final int NORMAL = 1;
  private static final int CONTROL = 3;
  private static final int UNUSED = 5;

  private GgufTokens() {}

  /** Adds the keys for a model of {@code vocabulary} tokens, of which the tokenizer may know fewer. */
  static void write(GgufWriter writer, Optional<Tokenizer> tokenizer, int vocabulary) {
    switch (tokenizer.orElse(null)) {
      case Gpt2Tokenizer gpt2 -> {
        List<String> tokens = Gpt2Vocabulary.tokens(gpt2);
        write(writer, tokens, Gpt2Vocabulary.merges(tokens).lines().skip(1).toList(), Gpt2Tokenizer.END_OF_TEXT,
            vocabulary);
      }
      // llama.cpp stops at token 11 of such a vocabulary if nothing else is named; no text has the byte 0.
      case ByteTokenizer _ -> write(writer, byteTokens(), List.of(), 0, vocabulary);
      case null, default -> {
        writer.value(MODEL, NONE).value("gpt2.vocab_size", vocabulary);
        if (tokenizer.isPresent() && tokenizer.get() instanceof CharacterTokenizer characters) {
          writer.value(CHARACTERS, characters.characters());
        }
      }
    }
  }

  private static void write(GgufWriter writer, List<String> known, List<String> merges, int end, int vocabulary) {
    var tokens = new ArrayList<>(known);
    var types = new ArrayList<>(Collections.nCopies(known.size(), NORMAL));
    types.set(end, CONTROL);
    for (int token = known.size(); token < vocabulary; token++) {
      tokens.add("[PAD" + token + "]");
      types.add(UNUSED);
    }
    writer.value(MODEL, "gpt2").value("tokenizer.ggml.pre", "gpt-2").value(TOKENS, tokens)
        .value("tokenizer.ggml.token_type", types).value("tokenizer.ggml.merges", merges)
        .value("tokenizer.ggml.bos_token_id", end).value("tokenizer.ggml.eos_token_id", end)
        .value("tokenizer.ggml.add_bos_token", false);
  }

  private static List<String> byteTokens() {
    var tokens = new ArrayList<String>();
    for (char shown : Gpt2Vocabulary.shownBytes()) {
      tokens.add(String.valueOf(shown));
    }
    return tokens;
  }

  /** The tokenizer of ours that has a file's tokens; empty if none has. */
  static Optional<Tokenizer> read(GgufFile file) {
    if (file.value(CHARACTERS) instanceof List<?> list && !list.isEmpty()
        && list.stream().allMatch(TokenizerFolder::isCharacter)) {
      var tokenizer = new CharacterTokenizer(list.stream().mapToInt(text -> ((String) text).codePointAt(0)).toArray());
      return tokenizer.characters().equals(list) ? Optional.of(tokenizer) : Optional.empty();
    }
    if (!(file.value(TOKENS) instanceof List<?> tokens)) {
      return Optional.empty();
    }
    if (tokens.size() >= Gpt2Config.GPT2_VOCABULARY) {
      var gpt2 = new Gpt2Tokenizer();
      return beginsWith(tokens, Gpt2Vocabulary.tokens(gpt2)) ? Optional.of(gpt2) : Optional.empty();
    }
    return beginsWith(tokens, byteTokens()) ? Optional.of(new ByteTokenizer()) : Optional.empty();
  }

  private static boolean beginsWith(List<?> tokens, List<String> known) {
    return tokens.size() >= known.size() && tokens.subList(0, known.size()).equals(known);
  }
}
