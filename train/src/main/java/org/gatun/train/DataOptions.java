package org.gatun.train;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** What to learn from. */
final class DataOptions {
  /** In which order windows are taken from the data. */
  enum Order {
    SHUFFLED,
    SEQUENTIAL
  }

  @Option(names = "--data", paramLabel = "FILE|DIR", description = "Text (a file, or all files of a folder), or tokens (a .bin or .npy file, or"
      + " a folder of such for training and validation, as gatun prepare, nanoGPT and llm.c write them)."
      + " Not given: Java sources of this JDK.")
  Path data;

  @Option(names = "--val-data", paramLabel = "FILE|DIR", description = "Data to validate on, if not a part of --data.")
  Path valData;

  @Option(names = "--val-fraction", paramLabel = "F", defaultValue = "0.1", description = "Share of a text, taken from its end, that is kept for validation.")
  double valFraction;

  @Option(names = "--tokenizer", paramLabel = "byte|char|gpt2", description = "What turns text into tokens. Not given: the model's of --init, or the preset's.")
  String tokenizer;

  @Option(names = "--sampling", paramLabel = "shuffled|sequential", defaultValue = "shuffled", description = "Order of the windows: a new permutation each epoch, or as they stand in the data.")
  Order sampling;

  void validate() {
    if (!(valFraction >= 0 && valFraction < 1)) {
      throw new WrongUse("--val-fraction " + valFraction + ": must be at least 0 and below 1");
    }
    if (tokenizer != null && !Corpus.TOKENIZERS.contains(tokenizer)) {
      throw new WrongUse(
          "--tokenizer "
              + tokenizer
              + ": did you mean "
              + Nearest.to(tokenizer, Corpus.TOKENIZERS)
              + "?");
    }
  }
}
