package org.gatun.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/**
 * GPT-2's tokenizer in Hugging Face's files: {@code vocab.json} (token strings and numbers) and {@code
 * merges.txt} (which two tokens each was merged from), both of which follow from the tokens' bytes.
 */
final class Gpt2Vocabulary {
  private static final String VOCABULARY = "vocab.json";
  private static final String MERGES = "merges.txt";
  private static final String FAST = "tokenizer.json";
  private static final String SETTINGS = "tokenizer_config.json";
  static final String END_OF_TEXT = "<|endoftext|>";
  private static final JsonFactory FACTORY = new JsonFactory();

  private Gpt2Vocabulary() {}

  static void write(Path folder, Gpt2Tokenizer tokenizer) throws IOException {
    List<String> tokens = tokens(tokenizer);
    AtomicFile.write(folder.resolve(VOCABULARY), vocabulary(tokens));
    AtomicFile.write(folder.resolve(MERGES), merges(tokens));
    var settings = new LinkedHashMap<String, Object>();
    settings.put("add_prefix_space", false);
    settings.put("bos_token", END_OF_TEXT);
    settings.put("eos_token", END_OF_TEXT);
    settings.put("unk_token", END_OF_TEXT);
    settings.put("tokenizer_class", "GPT2Tokenizer");
    AtomicFile.write(folder.resolve(SETTINGS), Json.text(settings));
  }

  /** All tokens by number, each byte shown as one character; the end of text is the last. */
  static List<String> tokens(Gpt2Tokenizer tokenizer) {
    char[] shown = shownBytes();
    var tokens = new ArrayList<String>();
    for (int token = 0; token < Gpt2Tokenizer.END_OF_TEXT; token++) {
      var text = new StringBuilder();
      for (byte b : tokenizer.bytes(token)) {
        text.append(shown[b & 0xFF]);
      }
      tokens.add(text.toString());
    }
    tokens.add(END_OF_TEXT);
    return tokens;
  }

  /**
   * GPT-2's {@code bytes_to_unicode}: printable bytes show as themselves, the others as the characters
   * from U+0100 on.
   */
  static char[] shownBytes() {
    var shown = new char[256];
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      shown[b] = (char) (printable ? b : next++);
    }
    return shown;
  }

  private static String vocabulary(List<String> tokens) throws IOException {
    var text = new StringWriter();
    try (JsonGenerator generator = FACTORY.createGenerator(text)) {
      generator.writeStartObject();
      for (int i = 0; i < tokens.size(); i++) {
        generator.writeNumberField(tokens.get(i), i);
      }
      generator.writeEndObject();
    }
    return text.toString();
  }

  static String merges(List<String> tokens) {
    Map<String, Integer> ranks = HashMap.newHashMap(tokens.size());
    for (int i = 0; i < Gpt2Tokenizer.END_OF_TEXT; i++) {
      ranks.put(tokens.get(i), i);
    }
    var lines = new StringBuilder("#version: 0.2\n");
    for (int i = 0; i < Gpt2Tokenizer.END_OF_TEXT; i++) {
      if (tokens.get(i).length() > 1) {
        lines.append(String.join(" ", lastMerge(tokens.get(i), i, ranks))).append('\n');
      }
    }
    return lines.toString();
  }

  /** The two parts left when a token's characters are merged with the merges that came before its own. */
  private static List<String> lastMerge(String token, int rank, Map<String, Integer> ranks) {
    List<String> parts = new ArrayList<>(token.chars().mapToObj(Character::toString).toList());
    while (parts.size() > 2) {
      int best = -1;
      int bestRank = rank;
      for (int i = 0; i + 1 < parts.size(); i++) {
        int merged = ranks.getOrDefault(parts.get(i) + parts.get(i + 1), Integer.MAX_VALUE);
        if (merged < bestRank) {
          best = i;
          bestRank = merged;
        }
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
    return parts;
  }

  /**
   * GPT-2's tokenizer if a folder has its vocabulary in a file of Hugging Face's; null if it has no such
   * file.
   *
   * @throws MalformedFileException if it has another vocabulary
   */
  static Gpt2Tokenizer load(Path folder) throws IOException {
    for (String name : List.of(VOCABULARY, FAST)) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        var tokenizer = new Gpt2Tokenizer();
        requireEqual(file, tokens(tokenizer), name.equals(FAST));
        return tokenizer;
      }
    }
    return null;
  }

  private static void requireEqual(Path file, List<String> tokens, boolean nested) throws IOException {
    int equal = 0;
    try (InputStream in = Files.newInputStream(file); JsonParser parser = FACTORY.createParser(in)) {
      enterVocabulary(parser, nested);
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String token = parser.currentName();
        int number = parser.nextToken() == JsonToken.VALUE_NUMBER_INT ? parser.getValueAsInt(-1) : -1;
        equal += number >= 0 && number < tokens.size() && tokens.get(number).equals(token) ? 1 : 0;
      }
    } catch (JsonProcessingException e) {
      throw new MalformedFileException(file, "not JSON as expected", e);
    }
    if (equal != tokens.size()) {
      throw new MalformedFileException(file, "the vocabulary is not GPT-2's, expected its " + tokens.size()
          + " tokens, found " + equal + " of them");
    }
  }

  /** Goes to the object of tokens: the whole of vocab.json, model.vocab in tokenizer.json. */
  private static void enterVocabulary(JsonParser parser, boolean nested) throws IOException {
    parser.nextToken();
    for (String name : nested ? List.of("model", "vocab") : List.<String>of()) {
      while (parser.nextToken() == JsonToken.FIELD_NAME && !parser.currentName().equals(name)) {
        parser.nextToken();
        parser.skipChildren();
      }
      parser.nextToken();
    }
  }
}
