package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whatever a file of questions holds, it is questions or is refused in a sentence that names it. Run
 * one by name, such as {@code -Dtest=QuestionsFuzz#hellaswag}, with JAZZER_FUZZ=1 in the environment.
 */
class QuestionsFuzz {
  private interface Reading {
    void of(Path file) throws IOException;
  }

  private static void check(byte[] bytes, Reading reading) throws IOException {
    Path file = Files.createTempFile("questions", ".jsonl");
    try {
      reading.of(Files.write(file, bytes));
    } catch (IOException e) {
      assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
      assertFalse(e.getMessage().contains("\n"), e.getMessage());
    } finally {
      Files.delete(file);
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static Stream<byte[]> hellaswagFiles() {
    return Stream.of(
        utf8("{\"ctx\": \"a\", \"endings\": [\"b\", \"c\", \"d\", \"e\"], \"label\": 3}\n\n{}"), utf8("[]"),
        new byte[0]);
  }

  @MethodSource("hellaswagFiles")
  @FuzzTest(maxDuration = "60s")
  void hellaswag(byte[] bytes) throws IOException {
    check(bytes, file -> HellaSwag.read(file));
  }

  static Stream<byte[]> lambadaFiles() {
    return Stream.of(utf8("{\"text\": \"the last word\"}\r\n"), utf8("{\"text\": \"\\u00e9 \\ud83d\"}"),
        new byte[]{-1});
  }

  @MethodSource("lambadaFiles")
  @FuzzTest(maxDuration = "60s")
  void lambada(byte[] bytes) throws IOException {
    check(bytes, file -> Lambada.read(file));
  }
}
