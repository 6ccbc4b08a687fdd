package org.gatun.model;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * GPT-2's byte-level byte-pair encoding: 50,256 merged byte strings and the end of text. Any number of
 * threads may use it at once.
 */
public final class Gpt2Tokenizer implements Tokenizer {
  static final String NAME = "gpt2";
  static final int END_OF_TEXT = 50_256;

  private final Encoding encoding = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
  /** As many as there were threads encoding at once: each takes one and gives it back. */
  private final Queue<PieceCache> caches = new ConcurrentLinkedQueue<>();

  /** Reads the vocabulary, which takes some tenths of a second. */
  public Gpt2Tokenizer() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int vocabulary() {
    return Gpt2Config.GPT2_VOCABULARY;
  }

  @Override
  public int[] encode(String text) {
    byte[] utf8 = Utf8.bytes(text);
    return encode(utf8, 0, utf8.length);
  }

  // Most pieces of a text are words met before: looking them up is several times as fast as merging their
  // bytes again (benchmarks/prepare).
  @Override
  public int[] encode(byte[] utf8, int start, int end) {
    byte[] valid = Utf8.isValid(utf8, start, end) ? utf8 : Utf8.repaired(utf8, start, end);
    int from = valid == utf8 ? start : 0;
    int length = valid == utf8 ? end - start : valid.length;
    // The cache reads a piece as if it were of full length.
    byte[] text = Arrays.copyOfRange(valid, from, from + length + PieceCache.MOST_BYTES);
    PieceCache cached = caches.poll();
    PieceCache cache = cached == null ? new PieceCache() : cached;
    try {
      return encode(text, length, cache);
    } finally {
      caches.add(cache);
    }
  }

  private int[] encode(byte[] text, int length, PieceCache cache) {
    var tokens = new int[length / 3 + PieceCache.MOST_TOKENS];
    int count = 0;
    int at = 0;
    while (at < length) {
      int end = PieceScanner.pieceEnd(text, at, length);
      if (count + PieceCache.MOST_TOKENS > tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * tokens.length);
      }
      int size = end - at;
      int found = size <= PieceCache.MOST_BYTES ? cache.find(text, at, size, tokens, count) : 0;
      if (found == 0) {
        int[] merged = merge(text, at, size);
        if (count + merged.length > tokens.length) {
          tokens = Arrays.copyOf(tokens, 2 * (count + merged.length));
        }
        System.arraycopy(merged, 0, tokens, count, merged.length);
        found = merged.length;
        if (size <= PieceCache.MOST_BYTES) {
          cache.put(size, tokens, count, found);
        }
      }
      count += found;
      at = end;
    }
    return Arrays.copyOf(tokens, count);
  }

  /** A piece alone is cut by the library's own pattern into itself. */
  private int[] merge(byte[] text, int start, int size) {
    return encoding.encodeOrdinary(new String(text, start, size, StandardCharsets.UTF_8)).toArray();
  }

  @Override
  public int lastCut(byte[] utf8, int start, int end) {
    return PieceScanner.lastCut(utf8, start, end);
  }

  @Override
  public byte[] bytes(int token) {
    if (token < 0 || token >= vocabulary()) {
      throw new IllegalArgumentException(
          "GPT-2 tokenizer: token " + token + " is outside of the vocabulary of " + vocabulary());
    }
    var one = new IntArrayList(1);
    one.add(token);
    return encoding.decodeBytes(one);
  }

  @Override
  public OptionalInt endOfText() {
    return OptionalInt.of(END_OF_TEXT);
  }

  @Override
  public void save(Path folder) throws IOException {
    Gpt2Vocabulary.write(folder, this);
    // Left by a model that had another tokenizer, they would come first.
    Files.deleteIfExists(folder.resolve(TokenizerFolder.FILE));
    Files.deleteIfExists(folder.resolve(TokenizerJson.FILE));
  }
}
