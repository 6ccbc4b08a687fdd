package org.gatun.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalInt;

/** Text to tokens and back. */
public interface Tokenizer {
  /** The short name the command line knows it by: {@code byte}, {@code char} or {@code gpt2}. */
  String name();

  /** The number of tokens; every token is below it. */
  int vocabulary();

  /**
   * The tokens of a text. What looks like a special token is ordinary text.
   *
   * @throws IllegalArgumentException if the text has a character the vocabulary lacks
   */
  int[] encode(String text);

  /**
   * The tokens of a text that is there as bytes of UTF-8, from {@code start} up to {@code end}; bytes that
   * are no UTF-8 become U+FFFD, unless they are tokens themselves.
   *
   * @throws IllegalArgumentException if the text has a character the vocabulary lacks
   */
  default int[] encode(byte[] utf8, int start, int end) {
    return encode(new String(utf8, start, end - start, StandardCharsets.UTF_8));
  }

  /**
   * The last place in ({@code start}, {@code end}) where a longer text may be cut in two so that both halves
   * have the tokens of the whole, or -1 if there is none; the bytes are UTF-8 and go on behind {@code end}
   * with a whole character.
   */
  default int lastCut(byte[] utf8, int start, int end) {
    int at = end;
    while (--at > start && (utf8[at] & 0xC0) == 0x80) {
      // within a character
    }
    return at > start ? at : -1;
  }

  /**
   * The UTF-8 bytes a token stands for; they may be part of a character.
   *
   * @throws IllegalArgumentException if there is no such token
   */
  byte[] bytes(int token);

  /** The token between documents; empty if there is none. */
  OptionalInt endOfText();

  /** Writes to a model's folder what {@link #load} needs to come back with this tokenizer. */
  void save(Path folder) throws IOException;

  /** The text of these tokens; bytes that are no UTF-8 become U+FFFD. */
  default String decode(int... tokens) {
    var decoder = new TokenDecoder(this);
    var text = new StringBuilder();
    for (int token : tokens) {
      text.append(decoder.next(token));
    }
    return text.append(decoder.rest()).toString();
  }

  /**
   * The tokenizer of a model's folder: the one saved there, or GPT-2's where the vocabulary is
   * GPT-2's.
   *
   * @throws IOException if it cannot be told, or if the folder's vocabulary is another one
   */
  static Tokenizer load(Path folder) throws IOException {
    return TokenizerFolder.load(folder);
  }
}
