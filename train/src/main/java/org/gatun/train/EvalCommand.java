package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Tokenizer;
import org.gatun.tensor.Precision;
import org.gatun.train.data.Split;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun eval}: how well a model predicts. */
@Command(name = "eval", description = {
  "Measure how well a model predicts a text, or how well it answers questions.",
  "--data: the text is cut into windows of the model's context, side by side; every token but the"
      + " first is predicted once. --hellaswag: which of four endings is the likeliest, by the mean loss"
      + " of a token (acc_norm) and by the sum (acc). --lambada: how often the last word is the"
      + " likeliest. Each prints a line."
}, mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class EvalCommand implements Callable<Integer> {
  @Option(names = "--model", paramLabel = "DIR", required = true, description = "A run's folder or any Hugging Face GPT-2 folder.")
  Path model;

  @Option(names = "--data", paramLabel = "FILE|DIR", description = "Text (a file, or all files of a folder), or tokens (a .bin or .npy file, or"
      + " a folder with such for validation).")
  Path data;

  @Option(names = {"--tokens",
    "--eval-tokens"}, paramLabel = "N", defaultValue = "10485760", description = "Predict this many tokens of --data from the beginning, where there are that many.")
  long tokens;

  @Option(names = "--hellaswag", paramLabel = "FILE", description = "HellaSwag's public .jsonl: ctx, endings and label on each line.")
  Path hellaswag;

  @Option(names = "--lambada", paramLabel = "FILE", description = "LAMBADA as .jsonl: a text on each line, whose last word is guessed.")
  Path lambada;

  @Option(names = "--items", paramLabel = "N", description = "Only the first items of --hellaswag and --lambada.")
  Integer items;

  @Mixin
  DeviceOptions deviceOptions;

  @Mixin
  ConfigOptions config;

  @Override
  public Integer call() throws IOException {
    deviceOptions.validate();
    WrongUse.unlessAtLeast("--eval-tokens", 1, tokens);
    if (items != null) {
      WrongUse.unlessAtLeast("--items", 1, items);
    }
    if (data == null && hellaswag == null && lambada == null) {
      throw new WrongUse("nothing to evaluate; give --data, --hellaswag or --lambada");
    }
    // Whatever is wrong with a file is found before the model is read.
    Tokens sequence = data == null ? null : sequence();
    if (sequence != null && sequence.size() < 2) {
      throw new IllegalArgumentException(
          data + " has " + sequence.size() + " tokens; to predict one takes at least 2");
    }
    List<HellaSwag.Item> questions = hellaswag == null ? List.of() : first(HellaSwag.read(hellaswag));
    List<Lambada.Item> words = lambada == null ? List.of() : first(Lambada.read(lambada));
    boolean asked = !questions.isEmpty() || !words.isEmpty();
    Tokenizer tokenizer = asked ? new Gpt2Folder(model).tokenizer() : null;
    try (var device = deviceOptions.open();
        var gpt2 = Gpt2.load(model, device, Precision.F32)) {
      if (!questions.isEmpty()) {
        answer(gpt2, tokenizer, questions);
      }
      if (!words.isEmpty()) {
        guess(gpt2, tokenizer, words);
      }
      if (sequence != null) {
        predict(gpt2, sequence);
      }
    }
    return 0;
  }

  private <T> List<T> first(List<T> all) {
    return items == null ? all : all.subList(0, Math.min(items, all.size()));
  }

  private void predict(Gpt2 gpt2, Tokens sequence) {
    Evaluation evaluation;
    try (var status = new StatusLine(System.err)) {
      evaluation =
          Evaluation.of(
              gpt2,
              sequence,
              tokens,
              gpt2.config().context(),
              (done, all, loss) -> status.show(
                  () -> format("tokens %,d/%,d  loss %.4f  %s", done, all, loss, status.remaining(done, all))));
    }
    System.out.println(
        format(
            "loss %.6f perplexity %.4f tokens %d",
            evaluation.loss(),
            evaluation.perplexity(),
            evaluation.tokens()));
  }

  private static void answer(Gpt2 gpt2, Tokenizer tokenizer, List<HellaSwag.Item> questions) {
    HellaSwag answers;
    try (var status = new StatusLine(System.err)) {
      answers = HellaSwag.of(gpt2, tokenizer, questions, showing(status, "hellaswag"));
    }
    System.out.println(
        format(
            "hellaswag acc_norm %.4f acc %.4f items %d",
            answers.accuracy(),
            answers.accuracyBySum(),
            answers.items()));
  }

  private static void guess(Gpt2 gpt2, Tokenizer tokenizer, List<Lambada.Item> words) {
    Lambada guesses;
    try (var status = new StatusLine(System.err)) {
      guesses = Lambada.of(gpt2, tokenizer, words, showing(status, "lambada"));
    }
    System.out.println(
        format(
            "lambada accuracy %.4f perplexity %.4f items %d",
            guesses.accuracy(),
            guesses.perplexity(),
            guesses.items()));
  }

  private static HellaSwag.Answered showing(StatusLine status, String what) {
    return (done, all, accuracy) -> status.show(
        () -> format("%s %d/%d  accuracy %.4f  %s", what, done, all, accuracy, status.remaining(done, all)));
  }

  private static String format(String text, Object... values) {
    return String.format(Locale.ROOT, text, values);
  }

  private Tokens sequence() throws IOException {
    Tokens validation =
        Files.isDirectory(data) || TokenFile.isNamed(data) ? TokenFile.open(data, Split.VAL) : null;
    if (validation == null && TokenFile.holds(data)) {
      throw new IllegalArgumentException(
          data + " has tokens to train on but none for validation; name the file to evaluate on");
    }
    return validation != null
        ? validation
        : Corpus.encode(data.toString(), TextFiles.read(data), new Gpt2Folder(model).tokenizer());
  }
}
