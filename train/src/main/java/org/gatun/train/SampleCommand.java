package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Sampling;
import org.gatun.tensor.Precision;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun sample}: writes on. */
@Command(name = "sample", description = "Continue a text with a trained model.", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class SampleCommand implements Callable<Integer> {
  private static final Pattern CONTROL = Pattern.compile("[\\p{Cntrl}&&[^\\n\\t]]");

  @Option(names = "--model", paramLabel = "DIR", required = true, description = "A run's folder or any Hugging Face GPT-2 folder.")
  Path model;

  @Option(names = "--prompt", paramLabel = "TEXT", defaultValue = "", description = "The text to continue; empty starts a new one.", showDefaultValue = picocli.CommandLine.Help.Visibility.NEVER)
  String prompt;

  @Option(names = "--max-tokens", paramLabel = "N", defaultValue = "256", description = "Tokens to write at most.")
  int maxTokens;

  @Option(names = "--temperature", paramLabel = "F", defaultValue = "0.8", description = "Below 1 likely tokens become likelier; 0 always takes the likeliest.")
  float temperature;

  @Option(names = "--top-k", paramLabel = "K", defaultValue = "0", description = "Choose among the K likeliest tokens; 0: all.")
  int topK;

  @Option(names = "--top-p", paramLabel = "P", defaultValue = "1", description = "Choose among the likeliest tokens that together have probability P.")
  float topP;

  @Option(names = "--seed", paramLabel = "N", defaultValue = "1337", description = "The same seed writes the same text.")
  long seed;

  @Mixin
  DeviceOptions deviceOptions;

  @Mixin
  ConfigOptions config;

  @Override
  public Integer call() throws IOException {
    deviceOptions.validate();
    WrongUse.unlessAtLeast("--max-tokens", 1, maxTokens);
    WrongUse.unlessWithin("--temperature", 0, Float.MAX_VALUE, temperature);
    WrongUse.unlessAtLeast("--top-k", 0, topK);
    WrongUse.unlessWithin("--top-p", Float.MIN_VALUE, 1, topP);
    var tokenizer = new Gpt2Folder(model).tokenizer();
    try (var device = deviceOptions.open();
        var gpt2 = Gpt2.load(model, device, Precision.F32)) {
      System.out.print(prompt);
      gpt2.generate(
          tokenizer,
          prompt,
          Sampling.of(temperature, topK, topP, seed),
          maxTokens,
          SampleCommand::print);
      System.out.println();
    }
    return 0;
  }

  private static void print(String piece) {
    System.out.print(printable(piece));
    System.out.flush();
  }

  /**
   * Without control characters, with which an untrained model could tell the terminal to do
   * anything.
   */
  static String printable(String text) {
    return CONTROL.matcher(text).replaceAll("\uFFFD");
  }
}
