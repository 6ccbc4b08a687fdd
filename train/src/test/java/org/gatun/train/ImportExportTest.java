package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImportExportTest {
  @TempDir
  Path folder;

  private Path text;
  private Path run;

  @BeforeEach
  void train() throws IOException {
    text = Cli.text(folder, 2000);
    run = folder.resolve("run");
    assertEquals(0, Cli.train("--data", text, "--out", run, "--steps", 3).code());
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "llmc", "gguf"})
  void whatGoesOutComesBackBitByBit(String format) throws IOException {
    Path out = folder.resolve("out." + format);
    Cli exported = Cli.run("export", "--model", run, "--output", out, "--format", format);
    assertEquals(0, exported.code(), exported.err());
    assertEquals("exported " + out + " format " + format + " dtype f32 largest_logit_change 0.00",
        exported.lastLine());
    Path back = folder.resolve("back");
    Cli imported = Cli.run("import", "--input", out, "--output", back, "--tokenizer", "byte");
    assertEquals(0, imported.code(), imported.err());
    assertTrue(imported.lastLine().startsWith("imported " + back + " parameters "), imported.lastLine());
    assertArrayEquals(Files.readAllBytes(run.resolve("model.safetensors")),
        Files.readAllBytes(back.resolve("model.safetensors")));
    assertEquals(eval(run), eval(back));
  }

  private String eval(Path model) {
    return Cli.run("eval", "--model", model, "--data", text).lastLine();
  }

  @ParameterizedTest
  @CsvSource({"hf, f16", "hf, bf16", "llmc, bf16", "gguf, f16", "gguf, bf16"})
  void roundedModelsPredictAboutTheSame(String format, String dtype) {
    Path out = folder.resolve("out");
    Cli exported = Cli.run("export", "--model", run, "--output", out, "--format", format, "--dtype", dtype);
    assertEquals(0, exported.code(), exported.err());
    double change = Double.parseDouble(exported.lastLine().replaceFirst(".* ", ""));
    // Logits of this model are below 1, and bf16 has a unit roundoff of 1/256.
    assertTrue(change > 0 && change < 1 / 64.0, exported.lastLine());
    assertEquals(0, Cli.run("import", "--input", out, "--output", folder.resolve("back")).code());
  }

  @Test
  void aPlaceThatIsTakenIsNotTouched() throws IOException {
    Cli cli = Cli.run("export", "--model", run, "--output", text);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("text.txt is in the way"), cli.err());
    assertEquals(2000, Files.size(text));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
    "export --model RUN --output OUT --format ggml|--format ggml: did you mean gguf?",
    "export --model RUN --output OUT --dtype fp16|--dtype fp16: did you mean f16?",
    "export --model RUN --output OUT --format llmc --dtype f16|--format llmc holds f32 or bf16",
    "import --input RUN --output OUT --format llama|--format llama: did you mean",
    "import --input RUN --output OUT --tokenizer bpe|--tokenizer bpe: did you mean",
    "export --model RUN|--output",
  })
  void wrongOptionsAreAnsweredInOneSentence(String command, String sentence) throws IOException {
    Path out = folder.resolve("out");
    Cli cli = Cli.run(
        (Object[]) command.replace("RUN", run.toString()).replace("OUT", out.toString()).split(" "));
    assertEquals(2, cli.code(), cli.err());
    assertTrue(cli.err().contains(sentence), cli.err());
    assertFalse(Files.exists(out));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
    "text.txt|begins like no model, expected a Hugging Face folder",
    "missing|missing does not exist",
    ".|no model.safetensors and no model.safetensors.index.json",
  })
  void whatIsNoModelIsAnsweredInOneSentence(String input, String sentence) throws IOException {
    Cli cli = Cli.run("import", "--input", folder.resolve(input), "--output", folder.resolve("out"));
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains(sentence), cli.err());
    assertFalse(cli.err().contains("\tat "), cli.err());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(2, files.count(), "the text and the run, nothing else");
    }
  }

  @Test
  void aTokenizerThatDoesNotFitIsRefused() {
    Cli cli = Cli.run("import", "--input", run, "--output", folder.resolve("out"), "--tokenizer", "gpt2");
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("has a vocabulary of 256, the tokenizer gpt2 has 50257 tokens"), cli.err());
  }
}
