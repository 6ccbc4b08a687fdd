package org.gatun.train;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Gpt2Tokenizer;
import org.gatun.model.Tokenizer;
import org.gatun.train.data.DataManifest;
import org.gatun.train.data.Split;

/** What there is to say about token data: how much, what it reads like, and how long its documents are. */
final class DataReport {
  /** Tokens of a document that are shown. */
  private static final int SHOWN = 100;
  private static final int BAR = 50;
  private static final int PORTION = 1 << 16;

  private final DataManifest manifest;
  private final Tokenizer tokenizer;
  private final PrintStream out;
  private final int endOfText;
  /** Documents by the bits that their lengths take: bucket b holds lengths from 2^(b-1) up to 2^b. */
  private final long[] lengths = new long[Long.SIZE];
  private int toShow;

  private DataReport(Path folder, int documents, PrintStream out) throws IOException {
    this.manifest = DataManifest.of(folder);
    this.tokenizer = tokenizer(manifest, folder);
    this.out = out;
    this.toShow = documents;
    // Without a manifest, the separator of GPT-2's data; tokens of another kind hardly have it.
    this.endOfText = manifest.vocabulary() == 0 ? Gpt2Config.GPT2_VOCABULARY - 1 : manifest.endOfText();
  }

  private static Tokenizer tokenizer(DataManifest manifest, Path folder) throws IOException {
    return switch (manifest.tokenizer()) {
      case null -> manifest.vocabulary() == 0 ? new Gpt2Tokenizer() : null;
      case "gpt2" -> new Gpt2Tokenizer();
      case "byte" -> new ByteTokenizer();
      case "char" -> Tokenizer.load(folder);
      default -> null;
    };
  }

  /** Prints it; of a folder for both splits. */
  static void print(Path path, int documents, PrintStream out) throws IOException {
    boolean folder = Files.isDirectory(path);
    var report = new DataReport(folder ? path : TokenFile.folder(path), documents, out);
    if (!folder) {
      report.print("tokens", TokenFile.open(path));
      return;
    }
    boolean any = false;
    for (Split split : Split.values()) {
      Tokens tokens = TokenFile.open(path, split);
      if (tokens != null) {
        any = true;
        report.print(split.toString(), tokens);
      }
    }
    if (!any) {
      throw new IllegalArgumentException(
          path + " has no file of tokens (train*.bin, train*.npy); make some with gatun prepare");
    }
  }

  private void print(String name, Tokens tokens) {
    out.printf(Locale.ROOT, "%s: %,d tokens in %s%n", name, tokens.size(), tokens.name());
    Arrays.fill(lengths, 0);
    long documents = scan(tokens);
    Long counted = manifest.documents().get(name);
    if (documents == 0) {
      out.printf(
          Locale.ROOT,
          "%sno token between documents, so they cannot be told apart%n",
          counted == null ? "" : String.format(Locale.ROOT, "%,d documents; ", counted));
      show(tokens, 0, tokens.size());
      return;
    }
    out.printf(
        Locale.ROOT, "%,d documents of %,.1f tokens on average%n", documents, (double) tokens.size() / documents - 1);
    histogram();
  }

  /** Counts documents and their lengths without the separator, wherever that stands; 0 where there is none. */
  private long scan(Tokens tokens) {
    var portion = new int[PORTION];
    long documents = 0;
    long begin = 0;
    boolean separated = false;
    for (long at = 0; at < tokens.size(); at += PORTION) {
      int count = (int) Math.min(PORTION, tokens.size() - at);
      tokens.read(at, portion, 0, count, Integer.MAX_VALUE);
      for (int i = 0; i < count; i++) {
        if (portion[i] == endOfText) {
          separated = true;
          documents += document(tokens, begin, at + i);
          begin = at + i + 1;
        }
      }
    }
    return separated ? documents + document(tokens, begin, tokens.size()) : 0;
  }

  private int document(Tokens tokens, long from, long to) {
    if (from == to) {
      return 0;
    }
    lengths[Long.SIZE - Long.numberOfLeadingZeros(to - from)]++;
    show(tokens, from, to);
    return 1;
  }

  private void show(Tokens tokens, long from, long to) {
    if (toShow == 0 || tokenizer == null || from == to) {
      return;
    }
    toShow--;
    var first = new int[(int) Math.min(SHOWN, to - from)];
    tokens.read(from, first, 0, first.length, tokenizer.vocabulary());
    String text = tokenizer.decode(first).replace("\n", "\\n");
    out.println("  | " + SampleCommand.printable(text) + (to - from > SHOWN ? "..." : ""));
  }

  private void histogram() {
    long most = Arrays.stream(lengths).max().orElse(1);
    for (int bits = 1; bits < lengths.length; bits++) {
      if (lengths[bits] > 0) {
        out.printf(
            Locale.ROOT,
            "  %,10d to %,10d tokens  %,10d  %s%n",
            1L << (bits - 1),
            (1L << bits) - 1,
            lengths[bits],
            "#".repeat((int) Math.ceilDiv(BAR * lengths[bits], most)));
      }
    }
  }
}
