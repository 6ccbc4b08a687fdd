package org.gatun.model;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;

/**
 * {@code tokenizer.json} as Hugging Face's tokenizers library reads it, for the tokenizers that GPT-2's
 * own files cannot describe, so that transformers opens a folder of such a model too.
 */
final class TokenizerJson {
  static final String FILE = "tokenizer.json";
  private static final String SETTINGS = "tokenizer_config.json";

  private TokenizerJson() {}

  /** Bytes are a byte-level byte-pair encoding without merges. */
  static void writeBytes(Path folder) throws IOException {
    var tokens = new ArrayList<String>();
    for (char shown : Gpt2Vocabulary.shownBytes()) {
      tokens.add(String.valueOf(shown));
    }
    var model = new LinkedHashMap<String, Object>();
    model.put("type", "BPE");
    model.put("dropout", null);
    model.put("unk_token", null);
    model.put("continuing_subword_prefix", null);
    model.put("end_of_word_suffix", null);
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.put("vocab", numbered(tokens));
    model.put("merges", List.of());
    var byteLevel = new LinkedHashMap<String, Object>();
    byteLevel.put("type", "ByteLevel");
    byteLevel.put("add_prefix_space", false);
    byteLevel.put("trim_offsets", true);
    byteLevel.put("use_regex", false);
    write(folder, model, byteLevel, byteLevel);
  }

  /** Each character is a word; one that is not in the vocabulary is dropped there, and refused here. */
  static void writeCharacters(Path folder, List<String> characters) throws IOException {
    var model = new LinkedHashMap<String, Object>();
    model.put("type", "WordLevel");
    model.put("vocab", numbered(characters));
    model.put("unk_token", "");
    var split = new LinkedHashMap<String, Object>();
    split.put("type", "Split");
    split.put("pattern", Map.of("Regex", "[\\s\\S]"));
    split.put("behavior", "Isolated");
    split.put("invert", false);
    write(folder, model, split, Map.of("type", "Fuse"));
  }

  private static Map<String, Object> numbered(List<String> tokens) {
    var numbered = new LinkedHashMap<String, Object>();
    for (int i = 0; i < tokens.size(); i++) {
      numbered.put(tokens.get(i), i);
    }
    return numbered;
  }

  private static void write(Path folder, Map<String, Object> model, Map<String, Object> preTokenizer,
      Map<String, Object> decoder) throws IOException {
    var json = new LinkedHashMap<String, Object>();
    json.put("version", "1.0");
    json.put("truncation", null);
    json.put("padding", null);
    json.put("added_tokens", List.of());
    json.put("normalizer", null);
    json.put("pre_tokenizer", preTokenizer);
    json.put("post_processor", null);
    json.put("decoder", decoder);
    json.put("model", model);
    AtomicFile.write(folder.resolve(FILE), Json.text(json));
    var settings = new LinkedHashMap<String, Object>();
    settings.put("clean_up_tokenization_spaces", false);
    settings.put("tokenizer_class", "PreTrainedTokenizerFast");
    AtomicFile.write(folder.resolve(SETTINGS), Json.text(settings));
  }
}
