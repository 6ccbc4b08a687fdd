package org.gatun.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/** Which tokenizer a model's folder says it has: bytes and characters in a file of our own. */
final class TokenizerFolder {
  static final String FILE = "gatun-tokenizer.json";

  private TokenizerFolder() {}

  static Tokenizer load(Path folder) throws IOException {
    Optional<Tokenizer> found = find(folder);
    if (found.isEmpty()) {
      throw new MalformedFileException(folder.resolve(Gpt2Folder.CONFIG), "a vocabulary of "
          + new Gpt2Folder(folder).config().vocabulary() + " and no tokenizer beside it, expected " + FILE
          + ", vocab.json or GPT-2's vocabulary of " + Gpt2Config.GPT2_VOCABULARY + "; name the tokenizer");
    }
    return found.get();
  }

  static Optional<Tokenizer> find(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    if (Files.exists(file)) {
      return Optional.of(read(file));
    }
    Gpt2Tokenizer gpt2 = Gpt2Vocabulary.load(folder);
    if (gpt2 != null) {
      return Optional.of(gpt2);
    }
    int vocabulary = new Gpt2Folder(folder).config().vocabulary();
    return vocabulary == Gpt2Config.GPT2_VOCABULARY ? Optional.of(new Gpt2Tokenizer()) : Optional.empty();
  }

  private static Tokenizer read(Path file) throws IOException {
    Map<String, Object> json = Json.read(file);
    String name = String.valueOf(json.get("tokenizer"));
    return switch (name) {
      case ByteTokenizer.NAME -> new ByteTokenizer();
      case CharacterTokenizer.NAME -> characters(file, json.get("vocabulary"));
      default -> throw new MalformedFileException(file, "tokenizer is " + MalformedFileException.quote(name)
          + ", expected " + ByteTokenizer.NAME + " or " + CharacterTokenizer.NAME);
    };
  }

  /** The file's characters must be in the order of tokens, or a model would read other ones. */
  private static Tokenizer characters(Path file, Object vocabulary) throws IOException {
    try {
      if (vocabulary instanceof List<?> list && list.stream().allMatch(TokenizerFolder::isCharacter)) {
        int[] codePoints = list.stream().mapToInt(character -> ((String) character).codePointAt(0)).toArray();
        var tokenizer = new CharacterTokenizer(codePoints);
        if (tokenizer.characters().equals(list)) {
          return tokenizer;
        }
      }
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(file, e.getMessage(), e);
    }
    throw new MalformedFileException(file,
        "the vocabulary is not a list of different characters in the order of their code points, as expected");
  }

  static boolean isCharacter(Object value) {
    return value instanceof String text && text.codePointCount(0, text.length()) == 1;
  }

  /** {@code vocabulary} is null where the name says all. */
  static void write(Path folder, String name, List<String> vocabulary) throws IOException {
    var json = new LinkedHashMap<String, Object>();
    json.put("tokenizer", name);
    if (vocabulary != null) {
      json.put("vocabulary", vocabulary);
    }
    AtomicFile.write(folder.resolve(FILE), Json.text(json));
  }
}
