package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainTest {
  @TempDir
  Path folder;

  private Path text;

  @BeforeEach
  void writeText() throws IOException {
    text = Cli.text(folder, 4000);
  }

  private Path train(String name, Object... options) {
    Path out = folder.resolve(name);
    var all = new java.util.ArrayList<Object>(List.of("--data", text, "--out", out, "--steps", 20));
    all.addAll(List.of(options));
    Cli cli = Cli.train(all.toArray());
    assertEquals(0, cli.code(), cli.err());
    return out;
  }

  private static float loss(List<String> rows, int step) {
    return Float.parseFloat(rows.get(step).split(",")[2]);
  }

  @Test
  void lastLineSaysHowItEnded() {
    Path out = folder.resolve("run");
    Cli cli = Cli.train("--data", text, "--out", out, "--steps", 3);
    assertEquals(0, cli.code(), cli.err());
    assertTrue(
        cli.lastLine()
            .matches(
                "done steps 3 val_loss \\d+\\.\\d{6} dir "
                    + java.util.regex.Pattern.quote(out.toString())),
        cli.out());
  }

  @Test
  void folderHoldsAModelAndTheStateToGoOn() {
    Path out = train("run");
    for (String name : List.of(
        "config.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "metrics.csv",
        "train.log")) {
      assertTrue(Files.isRegularFile(out.resolve(name)), name);
    }
  }

  @Test
  void lossFalls() throws IOException {
    List<String> rows = Cli.rows(train("run", "--lr", 0.01, "--steps", 60));
    assertEquals(Math.log(256), loss(rows, 1), 0.1, "at first all bytes are about equally likely");
    assertTrue(loss(rows, 60) < 4.5, rows::getLast);
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16"})
  void sameSeedGivesTheSameRowsOnAnyNumberOfThreads(String precision) throws IOException {
    Path one = train("one", "--threads", 1, "--dropout", 0.1, "--precision", precision);
    Path two = train("two", "--threads", 2, "--dropout", 0.1, "--precision", precision);
    assertEquals(Cli.rows(one), Cli.rows(two));
    assertNotEquals(
        Cli.rows(one),
        Cli.rows(train("other", "--seed", 2, "--dropout", 0.1, "--precision", precision)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16"})
  void resumedRunHasTheRowsAndTheFilesOfOneNeverStopped(String precision) throws IOException {
    Object[] options = {
      "--precision",
      precision,
      "--dropout",
      0.1,
      "--sampling",
      "shuffled",
      "--schedule",
      "linear",
      "--batch-tokens",
      32
    };
    Path whole = train("whole", options);
    Path stopped = train("stopped", with(options, "--max-minutes", 0, "--checkpoint-interval", 3));
    int lives = 0;
    for (int minutesAreUp = 0; minutesAreUp < 2; minutesAreUp++, lives++) {
      assertEquals(0, Cli.run("train", "--resume", stopped, "--max-minutes", 0.0002).code());
    }
    Cli last = Cli.run("train", "--resume", stopped, "--max-minutes", 10, "--threads", 2);
    assertEquals(0, last.code(), last.err());
    assertEquals(Cli.rows(whole), Cli.rows(stopped));
    for (String name : List.of("model.safetensors", "optimizer.safetensors", "config.json")) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(name)), Files.readAllBytes(stopped.resolve(name)), name);
    }
  }

  private static Object[] with(Object[] options, Object... more) {
    var all = new java.util.ArrayList<>(List.of(options));
    all.addAll(List.of(more));
    return all.toArray();
  }

  @Test
  void accumulationGivesTheGradientsOfOneLargeBatch() throws IOException {
    List<String> small =
        Cli.rows(train("small", "--micro-batch", 2, "--batch-tokens", 64, "--steps", 5));
    List<String> large =
        Cli.rows(train("large", "--micro-batch", 8, "--batch-tokens", 64, "--steps", 5));
    for (int step = 1; step <= 5; step++) {
      assertEquals(loss(large, step), loss(small, step), 1e-5f, "mean of four means of equal size");
    }
  }

  @Test
  void continuesAFinishedRunWithMoreSteps() throws IOException {
    Path out = train("run", "--schedule", "constant", "--warmup-steps", 2);
    assertEquals(0, Cli.run("train", "--resume", out, "--steps", 30).code());
    assertEquals(
        Cli.rows(train("longer", "--schedule", "constant", "--warmup-steps", 2, "--steps", 30)),
        Cli.rows(out));
  }

  @Test
  void resumingAFinishedRunChangesNothing() throws IOException {
    Path out = train("run");
    List<String> rows = Cli.rows(out);
    Cli again = Cli.run("train", "--resume", out);
    assertEquals(0, again.code(), again.err());
    assertTrue(again.lastLine().startsWith("done steps 20 "), again.out());
    assertEquals(rows, Cli.rows(out));
  }

  @Test
  void startsFromTheWeightsOfAnotherRun() throws IOException {
    Path first = train("first", "--lr", 0.01, "--steps", 60);
    Cli cli =
        Cli.run(
            "train",
            "--init",
            first,
            "--data",
            text,
            "--out",
            folder.resolve("second"),
            "--steps",
            2,
            "--micro-batch",
            2,
            "--sample-tokens",
            0);
    assertEquals(0, cli.code(), cli.err());
    assertTrue(loss(Cli.rows(folder.resolve("second")), 1) < 4.5, cli.out());
  }

  @Test
  void resumesARunThatHadNoCheckpointYet() throws IOException {
    Path whole = train("whole", "--seed", 7);
    Path begun = train("begun", "--seed", 7, "--max-minutes", 0);
    try (var files = Files.walk(begun.resolve("checkpoints"))) {
      files
          .sorted(java.util.Comparator.reverseOrder())
          .forEach(file -> assertTrue(file.toFile().delete()));
    }
    Files.delete(begun.resolve("optimizer.safetensors"));
    assertEquals(0, Cli.run("train", "--resume", begun, "--max-minutes", 10).code());
    assertEquals(Cli.rows(whole), Cli.rows(begun));
  }

  @Test
  void tokenFilesWithoutATokenizerTrainAndEvaluate() throws IOException {
    Path tokens =
        Cli.tokens(
            folder.resolve("tokens.bin"),
            java.util.stream.IntStream.range(0, 500).map(i -> i * i % 301).toArray());
    Path out = folder.resolve("run");
    Cli cli =
        Cli.train(
            "--data",
            tokens,
            "--vocab",
            301,
            "--sampling",
            "sequential",
            "--out",
            out,
            "--steps",
            5);
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().contains("no validation data"), cli.out());
    Cli eval = Cli.run("eval", "--model", out, "--data", tokens);
    assertTrue(
        eval.lastLine().matches("loss \\d+\\.\\d{6} perplexity \\d+\\.\\d{4} tokens 499"),
        eval.out() + eval.err());
    assertEquals(
        "tokens 100",
        Cli.run("eval", "--model", out, "--data", tokens, "--tokens", 100)
            .lastLine()
            .replaceAll(".*(tokens)", "$1"));
  }

  @Test
  void folderOfTokensNamesItsVocabularyAndValidationData() throws IOException {
    Path data = Files.createDirectory(folder.resolve("data"));
    Cli.tokens(
        data.resolve("train.bin"),
        java.util.stream.IntStream.range(0, 500).map(i -> i % 40).toArray());
    Cli.tokens(
        data.resolve("val.bin"),
        java.util.stream.IntStream.range(0, 50).map(i -> i % 40).toArray());
    Files.writeString(
        data.resolve("manifest.json"),
        "{\"tokenizer\": \"char\", \"vocab_size\": 40, \"files\": []}");
    Path out = folder.resolve("run");
    Cli cli = Cli.train("--data", data, "--out", out, "--steps", 2);
    assertEquals(0, cli.code(), cli.err());
    assertFalse(cli.out().contains("no validation data"), cli.out());
    assertTrue(
        Files.readString(out.resolve("config.json")).matches("(?s).*\"vocab_size\" ?: 40\\b.*"));
  }

  @Test
  void characterVocabularyIsSavedWithTheModel() {
    Path out = train("run", "--tokenizer", "char");
    Cli cli = Cli.run("sample", "--model", out, "--prompt", "for (int", "--max-tokens", 5);
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().startsWith("for (int"), cli.out());
    assertEquals(
        cli.out(),
        Cli.run("sample", "--model", out, "--prompt", "for (int", "--max-tokens", 5).out(),
        "same seed");
  }
}
