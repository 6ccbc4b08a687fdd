package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SampleTest {
  @TempDir
  static Path shared;

  @TempDir
  Path folder;

  private static Path run;

  @BeforeAll
  static void train() throws IOException {
    run = shared.resolve("run");
    assertEquals(0, Cli.train("--data", Cli.text(shared, 2000), "--out", run, "--steps", 3).code());
  }

  private static String sample(Object... options) {
    var all = new java.util.ArrayList<Object>(List.of("sample", "--model", run, "--max-tokens", 12));
    all.addAll(List.of(options));
    Cli cli = Cli.run(all.toArray());
    assertEquals(0, cli.code(), cli.err());
    return cli.out();
  }

  /** The texts below lines of {@code ===}, by these lines. */
  private static List<String> texts(String out) {
    return Arrays.stream(out.split("(?m)^(?==== )")).filter(text -> !text.isEmpty()).toList();
  }

  @Test
  void eachSampleIsTheOneOfItsSeedAlone() {
    List<String> texts = texts(sample("--prompt", "for", "--samples", 10, "--seed", 40));
    assertEquals(10, texts.size());
    for (int i = 0; i < 10; i++) {
      assertEquals("=== seed " + (40 + i) + "\n" + sample("--prompt", "for", "--seed", 40 + i), texts.get(i));
    }
    assertEquals(10, texts.stream().map(text -> text.substring(text.indexOf('\n'))).distinct().count());
  }

  @Test
  void eachLineOfAFileIsAPrompt() throws IOException {
    Path file = Files.writeString(folder.resolve("p.txt"), "for (int\n\nint i\n");
    List<String> texts = texts(sample("--prompt-file", file, "--samples", 2, "--seed", 5));
    assertEquals(4, texts.size());
    assertEquals("=== prompt 2, seed 6\n" + sample("--prompt", "int i", "--seed", 6), texts.get(3));
    assertEquals(2, texts(sample("--prompt-file", file)).size());
    Cli empty = Cli.run("sample", "--model", run, "--prompt-file", Files.writeString(file, "\n \n"));
    assertEquals(1, empty.code());
    assertTrue(empty.err().contains("p.txt has no line with a prompt"), empty.err());
    Cli noText = Cli.run("sample", "--model", run, "--prompt-file", Files.write(file, new byte[]{(byte) 0xC3, 10}));
    assertTrue(noText.err().contains("p.txt is not text in UTF-8"), noText.err());
    assertFalse(noText.err().contains("\tat "), noText.err());
  }

  @Test
  void linesAreAnsweredUntilTheInputEnds() {
    InputStream before = System.in;
    try {
      System.setIn(new ByteArrayInputStream("for\nint".getBytes(StandardCharsets.UTF_8)));
      assertEquals(sample("--prompt", "for") + sample("--prompt", "int"), sample("--interactive"));
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void promptsFromTwoPlacesAreWrongUse() {
    Cli cli = Cli.run("sample", "--model", run, "--prompt", "a", "--interactive");
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("--prompt, --prompt-file and --interactive exclude one another"), cli.err());
    assertEquals(2, Cli.run("sample", "--model", run, "--samples", 0).code());
  }
}
