package org.gatun.train;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.gatun.model.Generator;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Sampling;
import org.gatun.tensor.Precision;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun sample}: writes on. */
@Command(name = "sample", description = {
  "Continue a text with a trained model, until it ends or has --max-tokens more.",
  "Several texts are computed side by side; above each stands the number of its prompt and its seed."
}, mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class)
final class SampleCommand implements Callable<Integer> {
  /** Texts side by side: each has a key-value cache of its own, 75 MB for GPT-2 of 124M. */
  private static final int MOST_AT_ONCE = 8;

  private static final Pattern CONTROL = Pattern.compile("[\\p{Cntrl}&&[^\\n\\t]]");

  @Option(names = "--model", paramLabel = "DIR", required = true, description = "A run's folder or any Hugging Face GPT-2 folder.")
  Path model;

  @Option(names = "--prompt", paramLabel = "TEXT", defaultValue = "", description = "The text to continue; empty starts a new one.", showDefaultValue = picocli.CommandLine.Help.Visibility.NEVER)
  String prompt;

  @Option(names = "--prompt-file", paramLabel = "FILE", description = "Texts to continue, one on each line.")
  Path promptFile;

  @Option(names = "--interactive", description = "Continue each line that is typed, until the input ends (Ctrl-D).")
  boolean interactive;

  @Option(names = "--samples", paramLabel = "N", defaultValue = "1", description = "Write so many texts after each prompt: the first with --seed, the second with the next seed, and"
      + " so on.")
  int samples;

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
    WrongUse.unlessAtLeast("--samples", 1, samples);
    if ((prompt.isEmpty() ? 0 : 1) + (promptFile == null ? 0 : 1) + (interactive ? 1 : 0) > 1) {
      throw new WrongUse("--prompt, --prompt-file and --interactive exclude one another");
    }
    List<String> prompts = promptFile == null ? List.of(prompt) : lines(promptFile);
    var tokenizer = new Gpt2Folder(model).tokenizer();
    try (var device = deviceOptions.open();
        var gpt2 = Gpt2.load(model, device, Precision.F32)) {
      var generator = new Generator(gpt2, tokenizer);
      if (interactive) {
        converse(generator);
      } else {
        for (int i = 0; i < prompts.size(); i++) {
          write(generator, prompts.get(i), prompts.size() == 1 ? "" : "prompt " + (i + 1) + ", ");
        }
      }
    }
    return 0;
  }

  private static List<String> lines(Path file) throws IOException {
    List<String> lines;
    try {
      lines = Files.readAllLines(file).stream().filter(line -> !line.isBlank()).toList();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(file + " is not text in UTF-8; give one prompt a line", e);
    }
    if (lines.isEmpty()) {
      throw new IllegalArgumentException(file + " has no line with a prompt");
    }
    return lines;
  }

  /** Answers line by line; what cannot be continued is said, and the next line read. */
  private void converse(Generator generator) throws IOException {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    boolean terminal = StepLog.isTerminal();
    while (true) {
      if (terminal) {
        System.out.print("> ");
        System.out.flush();
      }
      String line = in.readLine();
      if (line == null) {
        break;
      }
      try {
        write(generator, line, "");
      } catch (IllegalArgumentException e) {
        System.err.println("gatun: " + Sentences.of(e));
      }
    }
    if (terminal) {
      System.out.println();
    }
  }

  private void write(Generator generator, String text, String number) {
    if (samples == 1) {
      if (!number.isEmpty()) {
        System.out.println("=== " + number + "seed " + seed);
      }
      System.out.print(text);
      generator.generate(text, sampling(0), maxTokens, SampleCommand::print);
      System.out.println();
      return;
    }
    for (int first = 0; first < samples; first += MOST_AT_ONCE) {
      List<Sampling> some =
          IntStream.range(first, Math.min(samples, first + MOST_AT_ONCE)).mapToObj(this::sampling).toList();
      List<String> written = generator.generate(text, some, maxTokens);
      for (int i = 0; i < some.size(); i++) {
        System.out.println("=== " + number + "seed " + (seed + first + i));
        System.out.print(text);
        print(written.get(i));
        System.out.println();
      }
    }
  }

  private Sampling sampling(int sample) {
    return Sampling.of(temperature, topK, topP, seed + sample);
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
