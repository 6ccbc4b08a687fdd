package org.gatun.train.data;

import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What must be known of all texts before the first is encoded: which characters there are, and where the end begins
 * that is kept for validation.
 *
 * @param characters the different ones, in the order of code points
 * @param cutChunk the number of the chunk where the validation split begins
 * @param cutCharacter characters of that chunk that still belong to the training split
 */
record Survey(String characters, long cutChunk, long cutCharacter) {
  /** What a chunk has to tell. */
  record Part(BitSet codePoints, long characters) {}

  /** Characters of a text in UTF-8: bytes that do not continue one. */
  static long characters(byte[] utf8) {
    long count = 0;
    for (byte b : utf8) {
      count += (b & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
  }

  /** Of a text; bytes that are no UTF-8 are counted as they will be encoded. */
  static Part part(byte[] text, boolean asBytes) {
    String characters = new String(text, StandardCharsets.UTF_8);
    var codePoints = new BitSet();
    characters.codePoints().forEach(codePoints::set);
    return new Part(codePoints, asBytes ? characters(text) : characters.codePointCount(0, characters.length()));
  }

  /** How many bytes of a piece, {@code before} characters into its chunk, belong to the training split. */
  int cut(long chunk, long before, byte[] utf8) {
    if (chunk != cutChunk) {
      return chunk < cutChunk ? utf8.length : 0;
    }
    long left = cutCharacter - before;
    int at = 0;
    while (at < utf8.length && left >= 0) {
      if ((utf8[at] & 0xC0) != 0x80) {
        if (left-- == 0) {
          return at;
        }
      }
      at++;
    }
    return left < 0 ? 0 : utf8.length;
  }

  Map<String, Object> toJson() {
    var json = new LinkedHashMap<String, Object>();
    json.put("characters", characters);
    json.put("cut_chunk", cutChunk);
    json.put("cut_character", cutCharacter);
    return json;
  }

  /** Null if it is none. */
  static Survey of(Object json) {
    return json instanceof Map<?, ?> map
        && map.get("characters") instanceof String characters
        && map.get("cut_chunk") instanceof Long chunk
        && map.get("cut_character") instanceof Long character
            ? new Survey(characters, chunk, character)
            : null;
  }
}
