package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.gatun.io.Json;

/**
 * What {@code manifest.json} beside a token file says about the tokens.
 *
 * @param vocabulary its {@code vocab_size}; 0 if it says nothing
 * @param tokenizer its {@code tokenizer}; null if it says nothing
 */
record Manifest(int vocabulary, String tokenizer) {
  static Manifest beside(Path file) throws IOException {
    Path manifest = file.resolveSibling("manifest.json");
    Map<String, Object> json = Files.exists(manifest) ? Json.read(manifest) : Map.of();
    return new Manifest(
        json.get("vocab_size") instanceof Long size ? Math.toIntExact(size) : 0,
        json.get("tokenizer") instanceof String name ? name : null);
  }
}
