package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.gatun.train.data.Preparation;
import org.gatun.train.data.PrepareOptions;
import org.gatun.train.data.Progress;
import org.gatun.train.data.Source;
import org.gatun.train.data.Sources;
import org.gatun.train.data.TokenFormat;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun prepare}: from texts to token files. */
@Command(name = "prepare", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
  "Make files of tokens, for training and for validation, out of texts.",
  "",
  "Reads .txt (a document a file), .jsonl, .jsonl.gz, .jsonl.zst (a document a line) and .parquet (a"
      + " document a row), in any mix; other names are told by content. Documents without text are left out.",
  "Killed or interrupted, the same command goes on where it was; the result is the same to the last byte,"
      + " also for any number of threads.",
  ""
}, footer = {
  "",
  "The output has a manifest.json with counts, hashes and sources; gatun data verify checks it, gatun train"
      + " --data DIR trains on it.",
  "Memory: about 60 MB for each thread and 400 MB beside, whatever the input; a JSON line or a row may have 16"
      + " MiB, a text file any size."
})
final class PrepareCommand implements Callable<Integer> {
  /** How documents are divided between training and validation. */
  enum Division {
    HASH,
    TAIL
  }

  @Option(names = "--input", paramLabel = "FILE|DIR|GLOB", required = true, arity = "1..*", description = "Texts: files, folders with all that is below, or patterns in quotes ('**.jsonl').")
  List<String> input;

  @Option(names = "--output", paramLabel = "DIR", required = true, description = "The folder for the tokens, new or empty, or one that was begun with the same options.")
  Path output;

  @Option(names = "--tokenizer", paramLabel = "gpt2|byte|char", defaultValue = "gpt2", description = "What turns text into tokens. With char, all texts are read twice.")
  String tokenizer;

  @Option(names = "--val-fraction", paramLabel = "F", defaultValue = "0.01", description = "Share of the documents that is kept for validation.")
  double valFraction;

  @Option(names = "--split", paramLabel = "hash|tail", defaultValue = "hash", description = "Which documents these are: chosen by a hash of their text and the seed, or the end of the"
      + " text, by characters (for a single text; reads it twice).")
  Division split;

  @Option(names = "--seed", paramLabel = "N", defaultValue = "1337", description = "Seed of the choice by hash.")
  long seed;

  @Option(names = "--text-field", paramLabel = "NAME", defaultValue = "text", description = "The field of JSON objects, or the column of parquet files, that holds the text.")
  String textField;

  @Option(names = "--eot", paramLabel = "append|prepend|none", description = "Where <|endoftext|> goes in each document (gpt2 alone has it). Not given: append for raw, prepend"
      + " for the others, as their inventors do.")
  PrepareOptions.EndOfText eot;

  @Option(names = "--format", paramLabel = "raw|llmc|npy", defaultValue = "raw", description = "train.bin and val.bin of tokens alone (nanoGPT), or shards with llm.c's or NumPy's header. Two"
      + " bytes a token, four where the vocabulary has more than 65,536.")
  TokenFormat format;

  @Option(names = "--shard-tokens", paramLabel = "N", defaultValue = "100000000", description = "Tokens of a shard.")
  long shardTokens;

  @Option(names = "--threads", paramLabel = "N", description = "Threads that encode. Not given: one for each processor.")
  Integer threads;

  @Option(names = "--commit-bytes", paramLabel = "N", defaultValue = "67108864", description = "Text that is done again at most after a kill.")
  long commitBytes;

  @Mixin
  ConfigOptions config;

  @Override
  public Integer call() throws IOException {
    validate();
    List<Source> sources = Sources.of(input);
    long bytes = sources.stream().mapToLong(Source::bytes).sum();
    try (var status = new StatusLine(System.out)) {
      status.line(
          String.format(
              Locale.ROOT, "%d files, %,d bytes, to %s with %d threads", sources.size(), bytes, output, threads()));
      Preparation.Result result =
          new Preparation(sources, options(), output, Versions.all(), shownOn(status)).run();
      if (result.repaired() > 0) {
        status.line(
            String.format(
                Locale.ROOT, "%d pieces of text had bytes that are no UTF-8; those became U+FFFD", result.repaired()));
      }
      status.line(
          "done train_tokens " + result.trainTokens() + " val_tokens " + result.validationTokens());
    }
    return 0;
  }

  private void validate() {
    if (!Corpus.TOKENIZERS.contains(tokenizer)) {
      throw new WrongUse(
          "--tokenizer " + tokenizer + ": did you mean " + Nearest.to(tokenizer, Corpus.TOKENIZERS) + "?");
    }
    if (!(valFraction >= 0 && valFraction < 1)) {
      throw new WrongUse("--val-fraction " + valFraction + ": must be at least 0 and below 1");
    }
    WrongUse.unlessWithin("--shard-tokens", 1, Integer.MAX_VALUE, shardTokens);
    WrongUse.unlessAtLeast("--commit-bytes", 1, commitBytes);
    WrongUse.unlessAtLeast("--threads", 1, threads());
  }

  private int threads() {
    return threads == null ? Runtime.getRuntime().availableProcessors() : threads;
  }

  private PrepareOptions options() {
    PrepareOptions.EndOfText usual =
        format == TokenFormat.RAW ? PrepareOptions.EndOfText.APPEND : PrepareOptions.EndOfText.PREPEND;
    return new PrepareOptions(
        tokenizer,
        valFraction,
        split == Division.TAIL,
        seed,
        textField,
        eot == null ? usual : eot,
        shardTokens,
        format,
        threads(),
        commitBytes);
  }

  private static Progress shownOn(StatusLine status) {
    return (surveying, read, all, text, tokens) -> status.show(
        () -> String.format(
            Locale.ROOT,
            "%s %.1f%%  %.1f MB/s  %,.0f tokens/s  %s",
            surveying ? "reading" : "encoding",
            100.0 * read / Math.max(1, all),
            text / 1e6 / status.seconds(),
            tokens / status.seconds(),
            status.remaining(read, all)));
  }
}
