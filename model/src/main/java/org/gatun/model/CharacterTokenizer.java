package org.gatun.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;

/** Each Unicode character that occurs in a text is a token, numbered in the order of code points. */
public final class CharacterTokenizer implements Tokenizer {
  static final String NAME = "char";

  private final int[] characters;
  private final Map<Integer, Integer> tokens = new HashMap<>();

  /**
   * A token for each different code point given.
   *
   * @throws IllegalArgumentException if there is none, or half a surrogate pair, which is no character
   */
  public CharacterTokenizer(int... codePoints) {
    characters = Arrays.stream(codePoints).sorted().distinct().toArray();
    if (characters.length == 0) {
      throw new IllegalArgumentException("character tokenizer: a text without characters has no vocabulary");
    }
    for (int i = 0; i < characters.length; i++) {
      int c = characters[i];
      if (!Character.isValidCodePoint(c) || c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
        throw new IllegalArgumentException("character tokenizer: " + name(c) + " is no Unicode character");
      }
      tokens.put(c, i);
    }
  }

  /** The vocabulary of a text. */
  public static CharacterTokenizer of(String text) {
    return new CharacterTokenizer(text.codePoints().toArray());
  }

  private static String name(int codePoint) {
    return String.format(Locale.ROOT, "U+%04X", codePoint);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int vocabulary() {
    return characters.length;
  }

  @Override
  public int[] encode(String text) {
    int[] encoded = text.codePoints().toArray();
    for (int i = 0; i < encoded.length; i++) {
      Integer token = tokens.get(encoded[i]);
      if (token == null) {
        throw new IllegalArgumentException("character tokenizer: character " + i + " of the text, " + name(encoded[i])
            + ", did not occur in the data it was made from");
      }
      encoded[i] = token;
    }
    return encoded;
  }

  @Override
  public byte[] bytes(int token) {
    if (token < 0 || token >= characters.length) {
      throw new IllegalArgumentException(
          "character tokenizer: token " + token + " is outside of the vocabulary of " + characters.length);
    }
    return Character.toString(characters[token]).getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public OptionalInt endOfText() {
    return OptionalInt.empty();
  }

  /** The characters, in the order of their tokens. */
  public List<String> characters() {
    return Arrays.stream(characters).mapToObj(Character::toString).toList();
  }

  @Override
  public void save(Path folder) throws IOException {
    TokenizerFolder.write(folder, NAME, characters());
    TokenizerJson.writeCharacters(folder, characters());
  }
}
