package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.gatun.io.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What transformers makes of these files is checked by src/test/python/check_tokenizer.py. */
class TokenizerJsonTest {
  @TempDir
  Path folder;

  private Map<?, ?> vocabulary() throws IOException {
    var model = (Map<?, ?>) Json.read(folder.resolve("tokenizer.json")).get("model");
    return (Map<?, ?>) model.get("vocab");
  }

  @Test
  void aByteIsItsOwnNumber() throws IOException {
    new ByteTokenizer().save(folder);
    assertEquals(256, vocabulary().size());
    assertEquals(97L, vocabulary().get("a"));
    assertEquals(32L, vocabulary().get("\u0120"), "the space as GPT-2 shows it");
    assertEquals(10L, vocabulary().get("\u010A"), "the end of a line");
    assertEquals(255L, vocabulary().get("\u00FF"));
    assertEquals("byte", Tokenizer.load(folder).name());
  }

  @Test
  void aCharacterIsAWord() throws IOException {
    var characters = CharacterTokenizer.of("b\n\uD83D\uDE42a");
    characters.save(folder);
    assertEquals(Map.of("\n", 0L, "a", 1L, "b", 2L, "\uD83D\uDE42", 3L), vocabulary());
    assertEquals("char", Tokenizer.load(folder).name());
  }

  @Test
  void anotherTokenizersFilesAreNotLeftBehind() throws IOException {
    new ByteTokenizer().save(folder);
    new Gpt2Tokenizer().save(folder);
    assertFalse(Files.exists(folder.resolve("tokenizer.json")));
    assertTrue(Files.exists(folder.resolve("vocab.json")));
    assertEquals("gpt2", Tokenizer.load(folder).name());
  }
}
