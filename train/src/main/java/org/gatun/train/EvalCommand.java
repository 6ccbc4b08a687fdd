package org.gatun.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.tensor.Precision;
import org.gatun.train.data.Split;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun eval}: how well a model predicts. */
@Command(name = "eval", description = {
  "Measure how well a model predicts a text.",
  "The data is cut into windows of the model's context, side by side; every token but the first"
      + " is predicted once."
}, mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class EvalCommand implements Callable<Integer> {
  @Option(names = "--model", paramLabel = "DIR", required = true, description = "A run's folder or any Hugging Face GPT-2 folder.")
  Path model;

  @Option(names = "--data", paramLabel = "FILE|DIR", required = true, description = "Text (a file, or all files of a folder), or tokens (a .bin or .npy file, or"
      + " a folder with such for validation).")
  Path data;

  @Option(names = "--tokens", paramLabel = "N", description = "Predict only this many tokens, from the beginning.")
  Long tokens;

  @Mixin
  DeviceOptions deviceOptions;

  @Mixin
  ConfigOptions config;

  @Override
  public Integer call() throws IOException {
    deviceOptions.validate();
    if (tokens != null) {
      WrongUse.unlessAtLeast("--tokens", 1, tokens);
    }
    Tokens sequence = sequence();
    if (sequence.size() < 2) {
      throw new IllegalArgumentException(
          data + " has " + sequence.size() + " tokens; to predict one takes at least 2");
    }
    try (var device = deviceOptions.open();
        var gpt2 = Gpt2.load(model, device, Precision.F32)) {
      var evaluation =
          Evaluation.of(
              gpt2, sequence, tokens == null ? Long.MAX_VALUE : tokens, gpt2.config().context());
      System.out.printf(
          Locale.ROOT,
          "loss %.6f perplexity %.4f tokens %d%n",
          evaluation.loss(),
          evaluation.perplexity(),
          evaluation.tokens());
    }
    return 0;
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
