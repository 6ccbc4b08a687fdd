package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.gatun.cpu.CpuDevice;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EvaluationTest {
  private static final Gpt2Config CONFIG = Gpt2Config.of(2, 2, 32).withContext(24).withVocabulary(256);

  @TempDir
  static Path shared;

  @TempDir
  Path folder;

  private static Path run;

  @BeforeAll
  static void train() throws IOException {
    run = shared.resolve("run");
    assertEquals(0, Cli.train("--data", Cli.text(shared, 3000), "--out", run, "--steps", 250, "--lr", 0.01,
        "--channels", 32, "--context", 64).code());
  }

  private static Evaluation evaluate(int threads, int atOnce) {
    var text = new byte[1000];
    new Random(3).nextBytes(text);
    try (Device device = new CpuDevice(threads);
        var parameters = new Parameters(device, Precision.F32);
        var gpt2 = new Gpt2(parameters, CONFIG)) {
      parameters.initialize(7);
      Tokens tokens = Corpus.encode("random", text, new ByteTokenizer());
      return Evaluation.of(gpt2, tokens, 900, CONFIG.context(), atOnce, (_, _, _) -> {});
    }
  }

  @Test
  void theNumberIsTheSameBitForBitHoweverItIsComputed() {
    Evaluation expected = evaluate(1, 1);
    assertEquals(900, expected.tokens());
    assertEquals(Math.log(256), expected.loss(), 0.05, "random weights know nothing");
    for (int threads : new int[]{1, 2, 3}) {
      for (int atOnce : new int[]{24, 100, 10_000}) {
        assertEquals(expected, evaluate(threads, atOnce), threads + " threads, " + atOnce + " tokens at once");
      }
    }
  }

  @Test
  void aPrefixIsTheSameUnderBothNamesOfItsOption() {
    Path text = shared.resolve("text.txt");
    String last = Cli.run("eval", "--model", run, "--data", text, "--eval-tokens", 500).lastLine();
    assertTrue(last.endsWith(" tokens 500"), last);
    assertEquals(last, Cli.run("eval", "--model", run, "--data", text, "--tokens", 500, "--threads", 3).lastLine());
    assertEquals(last,
        Cli.run(Map.of("GATUN_EVAL_TOKENS", "500"), "eval", "--model", run, "--data", text).lastLine());
    assertTrue(Cli.run("eval", "--model", run, "--data", text).lastLine().endsWith(" tokens 2999"));
  }

  // HellaSwag. The model has learned "for (int i12 = 3; ; ) {}" by heart, more or less.

  private static String item(String text, int label, String... endings) {
    return "{\"ind\": 24, \"activity_label\": \"Java\", \"ctx_a\": \"\", \"ctx\": \"" + text + "\", \"split\": \"val\","
        + " \"label\": " + label + ", \"endings\": [\"" + String.join("\", \"", endings) + "\"]}\n";
  }

  @Test
  void theLikeliestEndingIsTheAnswer() throws IOException {
    Path file = Files.writeString(folder.resolve("h.jsonl"),
        item("for (int", 2, "QQQQ", "%%%%", "i1 = ", "zzzz") + "\n"
            + item("for (int", 0, "QQQQ", "%%%%", "i1 = ", "zzzz")
            + item("for (int", 3, "QQQQ", "%%%%", "@@@@", "i1 = "));
    Cli cli = Cli.run("eval", "--model", run, "--hellaswag", file);
    assertEquals("hellaswag acc_norm 0.6667 acc 0.6667 items 3", cli.lastLine(), cli.err());
    assertEquals("hellaswag acc_norm 1.0000 acc 1.0000 items 1",
        Cli.run("eval", "--model", run, "--hellaswag", file, "--items", 1).lastLine());
  }

  /** Digits 8 and 9 never come after "=": the long ending has the larger sum, and the smaller mean. */
  @Test
  void meanAndSumMayDiffer() throws IOException {
    Path file = Files.writeString(folder.resolve("h.jsonl"),
        item("for (int", 0, "i1 = 9; ;) {}\\nfor (int i1 = 8; ;) {}", "(", "QQ", "QQQ"));
    assertEquals("hellaswag acc_norm 1.0000 acc 0.0000 items 1",
        Cli.run("eval", "--model", run, "--hellaswag", file).lastLine());
  }

  @Test
  void aContextLongerThanTheModelsIsCroppedFromTheLeft() throws IOException {
    Path file = Files.writeString(folder.resolve("h.jsonl"),
        item("Q".repeat(500) + "for (int", 1, "QQQQ", "i1 = ", "%%%%", "zzzz"));
    assertTrue(Cli.run("eval", "--model", run, "--hellaswag", file).lastLine().endsWith("items 1"));
    Files.writeString(file, item("for", 1, "Q".repeat(100), "a", "b", "c"));
    Cli cli = Cli.run("eval", "--model", run, "--hellaswag", file);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("item 1: continuation: 101 tokens to predict and one before do not fit a context of"
        + " 64"), cli.err());
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
    "` `|no line in it, expected items of HellaSwag",
    "{}|item 1 has the keys , expected a text ctx, four texts in endings",
    "{\"ctx\": \"a\", \"endings\": [\"a\", \"b\", \"c\"], \"label\": 0}|expected a text ctx, four texts in endings",
    "{\"ctx\": \"a\", \"endings\": [\"a\", \"b\", \"c\", \"d\"], \"label\": \"\"}|the label 0 to 3 of the right one",
    "{\"ctx\": \"a\", \"endings\": [\"a\", \"b\", \"c\", 1], \"label\": 1}|four texts in endings",
    "{\"ctx\": 1|h.jsonl line 1: not JSON as expected",
    "[]|h.jsonl line 1: does not begin with {",
  })
  void aLineThatIsNoItemIsAnsweredInOneSentence(String line, String sentence) throws IOException {
    Path file = Files.writeString(folder.resolve("h.jsonl"), line);
    Cli cli = Cli.run("eval", "--model", run, "--hellaswag", file);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains(sentence), cli.err());
    assertFalse(cli.err().contains("\tat "), cli.err());
  }

  // LAMBADA.

  @Test
  void theLastWordIsGuessedAsAWhole() throws IOException {
    Path file = Files.writeString(folder.resolve("l.jsonl"),
        "{\"text\": \"for (int i1 = 1; ;) {}\"}\n{\"text\": \"for (int i1 = 1; ;) QQ \"}\n");
    String last = Cli.run("eval", "--model", run, "--lambada", file).lastLine();
    assertTrue(last.matches("lambada accuracy 0.5000 perplexity \\d+\\.\\d{4} items 2"), last);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{\"text\": \"word\"}", "{\"text\": \" word\"}", "{\"text\": 1}", "{}"})
  void aTextOfOneWordIsRefused(String line) throws IOException {
    Path file = Files.writeString(folder.resolve("l.jsonl"), line);
    Cli cli = Cli.run("eval", "--model", run, "--lambada", file);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("expected a text of at least two words"), cli.err());
  }

  @Test
  void nothingToEvaluateIsWrongUse() {
    Cli cli = Cli.run("eval", "--model", run);
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("nothing to evaluate; give --data, --hellaswag or --lambada"), cli.err());
  }

  @Test
  void severalAreDoneInOneGo() throws IOException {
    Path hellaswag = Files.writeString(folder.resolve("h.jsonl"), item("for", 1, "a", "b", "c", "d"));
    Path lambada = Files.writeString(folder.resolve("l.jsonl"), "{\"text\": \"for (int\"}");
    Cli cli = Cli.run("eval", "--model", run, "--hellaswag", hellaswag, "--lambada", lambada, "--data", lambada);
    assertEquals(3, cli.out().lines().count(), cli.out());
    assertTrue(cli.lastLine().startsWith("loss "), cli.out());
  }
}
