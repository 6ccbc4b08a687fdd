package org.gatun.train;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.CharacterTokenizer;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Gpt2Tokenizer;
import org.gatun.model.Tokenizer;
import org.gatun.train.data.DataManifest;
import org.gatun.train.data.Split;

/**
 * Tokens to train on and tokens to validate on.
 *
 * @param tokenizer what made the tokens; null if that is not known
 * @param vocabulary the number of different tokens
 * @param validation where there is none, the training tokens
 */
record Corpus(
    Tokens train, Tokens validation, Tokenizer tokenizer, int vocabulary, String description) {
  static final List<String> TOKENIZERS = List.of("byte", "char", "gpt2");

  /** What a text is cut from when none is given: bytes of {@link JdkText}. */
  private static final int JDK_BYTES = 2_500_000;

  /**
   * Token files up to this size are searched for tokens beyond the vocabulary when opened, larger
   * ones as they are read.
   */
  private static final long CHECKED_TOKENS = 1L << 24;

  /** Whether validation loss means anything beyond training loss. */
  boolean hasValidation() {
    return validation != train;
  }

  /**
   * The data that the options describe.
   *
   * @param known the tokenizer of the model that is trained on; null for a new one
   * @param vocabulary of the model that is trained on or asked for; 0 to have it from the data
   */
  static Corpus open(DataOptions options, Tokenizer known, int vocabulary) throws IOException {
    if (!isTokens(options.data)) {
      return ofText(options, known, vocabulary);
    }
    Corpus corpus = ofTokens(options, known, vocabulary);
    corpus.train.requireBelow(corpus.vocabulary, CHECKED_TOKENS);
    corpus.validation.requireBelow(corpus.vocabulary, CHECKED_TOKENS);
    return corpus;
  }

  static boolean isTokens(Path data) throws IOException {
    return data != null && TokenFile.holds(data);
  }

  // Tokens.

  private static Corpus ofTokens(DataOptions options, Tokenizer known, int vocabulary)
      throws IOException {
    Tokens train = TokenFile.open(options.data, Split.TRAIN);
    Tokens validation = validation(options);
    Path folder = Files.isDirectory(options.data) ? options.data : TokenFile.folder(options.data);
    var manifest = DataManifest.of(folder);
    int tokens =
        vocabulary != 0
            ? vocabulary
            : manifest.vocabulary() != 0 ? manifest.vocabulary() : Gpt2Config.GPT2_VOCABULARY;
    return new Corpus(
        train,
        validation == null ? train : validation,
        tokenizerOfTokens(options, known, manifest, folder, tokens),
        tokens,
        train.name() + ", " + train.size() + " tokens");
  }

  /** Where no other is named: the folder's own, or what lies beside a file called train.bin. */
  private static Tokens validation(DataOptions options) throws IOException {
    if (options.valData != null) {
      Tokens named =
          Files.isDirectory(options.valData) || TokenFile.isNamed(options.valData)
              ? TokenFile.open(options.valData, Split.VAL)
              : null;
      if (named == null) {
        throw new WrongUse(
            "--val-data "
                + options.valData
                + ": --data holds tokens, so this must be a .bin file of tokens too");
      }
      return named;
    }
    if (Files.isDirectory(options.data)) {
      return TokenFile.open(options.data, Split.VAL);
    }
    Path beside = options.data.resolveSibling("val.bin");
    return options.data.endsWith("train.bin") && Files.exists(beside) ? TokenFile.open(beside) : null;
  }

  /** For samples only: the tokens are made already. */
  private static Tokenizer tokenizerOfTokens(
      DataOptions options, Tokenizer known, DataManifest manifest, Path folder, int vocabulary)
      throws IOException {
    String name = options.tokenizer != null ? options.tokenizer : manifest.tokenizer();
    if (known != null) {
      return known;
    }
    if (name == null) {
      return vocabulary == Gpt2Config.GPT2_VOCABULARY ? new Gpt2Tokenizer() : null;
    }
    return switch (name) {
      case "byte" -> new ByteTokenizer();
      case "gpt2" -> new Gpt2Tokenizer();
      case "char" -> manifest.tokenizer() == null ? null : Tokenizer.load(folder);
      default -> null;
    };
  }

  // Text.

  private static Corpus ofText(DataOptions options, Tokenizer known, int vocabulary)
      throws IOException {
    byte[] text = options.data == null ? JdkText.read(JDK_BYTES) : TextFiles.read(options.data);
    byte[] validationText = options.valData == null ? null : TextFiles.read(options.valData);
    String name = options.data == null ? JdkText.description() : options.data.toString();
    Tokenizer tokenizer = known != null ? known : tokenizer(options.tokenizer, text);
    if (vocabulary != 0 && vocabulary < tokenizer.vocabulary()) {
      throw new WrongUse(
          "--vocab "
              + vocabulary
              + " is less than the "
              + tokenizer.vocabulary()
              + " tokens of --tokenizer "
              + tokenizer.name());
    }
    Tokens tokens = encode(name, text, tokenizer);
    Tokens train = tokens;
    Tokens validation;
    if (validationText != null) {
      validation = encode(options.valData.toString(), validationText, tokenizer);
    } else {
      long kept = (long) Math.ceil(tokens.size() * (1 - options.valFraction));
      boolean enough = tokens.size() - kept >= 2;
      train = enough ? tokens.slice(0, kept) : tokens;
      validation = enough ? tokens.slice(kept, tokens.size()) : train;
    }
    return new Corpus(
        train,
        validation,
        tokenizer,
        vocabulary == 0 ? tokenizer.vocabulary() : vocabulary,
        name + ", " + tokens.size() + " tokens (" + tokenizer.name() + ")");
  }

  private static Tokenizer tokenizer(String name, byte[] text) {
    return switch (name == null ? "byte" : name) {
      case "byte" -> new ByteTokenizer();
      case "char" -> CharacterTokenizer.of(new String(text, StandardCharsets.UTF_8));
      case "gpt2" -> new Gpt2Tokenizer();
      default ->
          throw new WrongUse(
              "--tokenizer " + name + ": there are " + String.join(", ", TOKENIZERS));
    };
  }

  /** A text in memory as tokens. */
  static Tokens encode(String name, byte[] text, Tokenizer tokenizer) {
    if (tokenizer.vocabulary() > 1 << Short.SIZE) {
      throw new IllegalArgumentException(
          name + ": " + tokenizer.vocabulary() + " different tokens do not fit two bytes");
    }
    int[] tokens = tokenizer.encode(text, 0, text.length);
    var bytes = new byte[Math.multiplyExact(2, tokens.length)];
    for (int i = 0; i < tokens.length; i++) {
      bytes[2 * i] = (byte) tokens[i];
      bytes[2 * i + 1] = (byte) (tokens[i] >> Byte.SIZE);
    }
    return Tokens.of(name, MemorySegment.ofArray(bytes));
  }

  /**
   * @throws IllegalArgumentException if there is not one window to train on
   */
  void requireWindow(int context) {
    if (train.size() < context + 1L) {
      throw new IllegalArgumentException(
          ("%s has %s tokens to train on; a window of --context %s takes %s:"
              + " give more data or a smaller --context")
              .formatted(train.name(), train.size(), context, context + 1));
    }
    if (validation.size() < 2) {
      throw new IllegalArgumentException(
          validation.name() + " has " + validation.size() + " tokens; validation takes at least 2");
    }
  }
}
