package org.gatun.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonTest {
  @TempDir
  Path folder;

  @Test
  void whatIsWrittenIsReadBack() throws IOException {
    var object = new LinkedHashMap<String, Object>();
    object.put("text", "Grüße \"\n\u0000 😀");
    object.put("numbers", List.of(1L, Long.MIN_VALUE, 0.5, -1e-300));
    object.put("nothing", null);
    object.put("flags", Arrays.asList(true, false, null));
    object.put("inner", Map.of("empty", List.of()));
    Path file = folder.resolve("a.json");
    Files.writeString(file, Json.text(object));
    assertEquals(object, Json.read(file));
    assertEquals(List.copyOf(object.keySet()), List.copyOf(Json.read(file).keySet()));
  }

  @Test
  void floatsKeepTheirDigits() {
    assertEquals("{\n  \"eps\" : 1.0E-5\n}\n", Json.text(Map.of("eps", 1e-5f)));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      `` | does not begin with {
      `[1]` | does not begin with {
      `{'a':` | not JSON as expected
      `{'a':1}x` | not JSON as expected
      `{'a':1}{}` | goes on after its JSON object
      `{'a':1,'a':2}` | Duplicate field
      `{'a':99999999999999999999}` | not JSON as expected
      `{'a':Infinity}` | not JSON as expected
      """)
  void malformedTextIsRefusedInOneSentence(String text, String words) throws IOException {
    assertRefused((text == null ? "" : text).replace('\'', '"').getBytes(StandardCharsets.UTF_8), words);
  }

  @Test
  void deepNestingIsRefused() throws IOException {
    assertRefused(("{\"a\":" + "[".repeat(100_000)).getBytes(StandardCharsets.UTF_8), "not JSON as expected");
  }

  @Test
  void otherEncodingsAreRefused() throws IOException {
    assertRefused("{\"é\":1}".getBytes(StandardCharsets.ISO_8859_1), "not UTF-8");
    assertRefused("{\"a\":1}".getBytes(StandardCharsets.UTF_16), "not UTF-8");
  }

  @Test
  void numbersThatJsonLacksAreNotWritten() {
    assertThrows(IllegalArgumentException.class, () -> Json.text(Map.of("a", Double.NaN)));
    assertThrows(IllegalArgumentException.class, () -> Json.text(Map.of("a", new Object())));
  }

  private void assertRefused(byte[] bytes, String words) throws IOException {
    Path file = folder.resolve("bad.json");
    Files.write(file, bytes);
    var e = assertThrows(MalformedFileException.class, () -> Json.read(file));
    assertTrue(e.getMessage().startsWith(file + ": ") && e.getMessage().contains(words)
        && e.getMessage().lines().count() == 1, e.getMessage());
  }
}
