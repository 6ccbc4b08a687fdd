package org.gatun.train.data;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What decides, with the sources, every byte that {@link Preparation} writes; and two numbers that do not.
 *
 * @param tokenizer gpt2, byte or char
 * @param tail whether the validation split is the end of the text, not documents chosen by their hash
 * @param textField of JSON objects and parquet files
 * @param threads that encode; the result is the same for any number
 * @param commitBytes of text between two states of the output that a killed process can go on from
 */
public record PrepareOptions(
    String tokenizer,
    double valFraction,
    boolean tail,
    long seed,
    String textField,
    EndOfText endOfText,
    long shardTokens,
    TokenFormat format,
    int threads,
    long commitBytes) {
  /** Where the token between documents goes. */
  public enum EndOfText {
    /** Behind each document, as nanoGPT has it. */
    APPEND,
    /** In front of each document, as llm.c has it. */
    PREPEND,
    /** Nowhere. */
    NONE
  }

  /** As the state and the manifest keep them. */
  Map<String, String> toMap() {
    var map = new LinkedHashMap<String, String>();
    map.put("tokenizer", tokenizer);
    map.put("val-fraction", Double.toString(valFraction));
    map.put("split", tail ? "tail" : "hash");
    map.put("seed", Long.toString(seed));
    map.put("text-field", textField);
    map.put("eot", lower(endOfText));
    map.put("shard-tokens", Long.toString(shardTokens));
    map.put("format", lower(format));
    return map;
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
