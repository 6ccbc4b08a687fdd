package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pieces and tokens against GPT-2's pattern as a regular expression and against the library's encoder. */
class PieceScannerTest {
  private static final Pattern GPT2 = Pattern.compile(
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
      Pattern.UNICODE_CHARACTER_CLASS);
  private static final Encoding LIBRARY =
      Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
  private static final Tokenizer TOKENIZER = new Gpt2Tokenizer();

  /** What texts are made of: whatever the pattern treats in a way of its own. */
  private static final List<String> PARTS = List.of("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", "''", "’s",
      " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003", "\u3000", "\u0085", "\u001c", "\u200b",
      "\ufeff",
      "a", "The", "hello", "tokenization", "é", "ß", "ﬁ", "中文", "日本語", "Ж", "ا", "क्षि", "0", "42", "²", "Ⅷ", "½", "٣",
      "!", "...",
      "--", "<|endoftext|>", "=", "{", "}\n", "😀", "👩‍👩‍👧", "🇩🇪", "e\u0301", "𝔘", "𝟗", "\u0000", "_",
      "supercalifragilisticexpialidocious",
      "\ufffd", "l", "ll", "v", "re", "s", "t", "m", "d");

  private static List<String> pieces(String text) {
    byte[] utf8 = Utf8.bytes(text);
    var pieces = new ArrayList<String>();
    for (int at = 0; at < utf8.length;) {
      int end = PieceScanner.pieceEnd(utf8, at, utf8.length);
      pieces.add(new String(utf8, at, end - at, StandardCharsets.UTF_8));
      at = end;
    }
    return pieces;
  }

  private static List<String> expected(String text) {
    return GPT2.matcher(text).results().map(match -> match.group()).toList();
  }

  private static String composed(Random random, int parts) {
    var text = new StringBuilder();
    for (int i = 0; i < parts; i++) {
      text.append(PARTS.get(random.nextInt(PARTS.size())));
    }
    return text.toString();
  }

  private static void assertSame(String text, String name) {
    assertEquals(expected(text), pieces(text), name);
    assertArrayEquals(LIBRARY.encodeOrdinary(text).toArray(), TOKENIZER.encode(text), name);
  }

  @Test
  void everyCharacterIsOfTheKindThatThePatternSees() {
    for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
      if (c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE) {
        String text = "a" + Character.toString(c) + "1" + Character.toString(c) + " " + Character.toString(c);
        assertEquals(expected(text), pieces(text), Integer.toHexString(c));
      }
    }
  }

  @Test
  void everyPairAndTripleOfPartsHasTheTokensOfTheLibrary() {
    for (String first : PARTS) {
      for (String second : PARTS) {
        assertSame(first + second, first + second);
        assertSame(" " + first + second + "x", first + second);
      }
    }
  }

  @Test
  void composedTextsHaveTheTokensOfTheLibrary() {
    for (long seed = 0; seed < 3000; seed++) {
      var random = new Random(seed);
      assertSame(composed(random, 1 + random.nextInt(40)), "seed " + seed);
    }
  }

  @Test
  void randomUnicodeHasTheTokensOfTheLibrary() {
    for (long seed = 0; seed < 2000; seed++) {
      var random = new Random(seed);
      var text = new StringBuilder();
      for (int i = random.nextInt(50); i >= 0; i--) {
        int c = random.nextInt(random.nextBoolean() ? 0x300 : Character.MAX_CODE_POINT + 1);
        text.appendCodePoint(c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE ? c : ' ');
      }
      assertSame(text.toString(), "seed " + seed);
    }
  }

  @Test
  void oneTokenizerServesManyThreads() throws Exception {
    String text = composed(new Random(1), 20_000);
    int[] tokens = LIBRARY.encodeOrdinary(text).toArray();
    Callable<int[]> encode = () -> TOKENIZER.encode(text);
    try (var threads = Executors.newFixedThreadPool(4)) {
      for (var result : threads.invokeAll(List.of(encode, encode, encode, encode))) {
        assertArrayEquals(tokens, result.get());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"a\ud800b", "\udc00", "x \ud83d", "\ud800\ud800", "\udc00\ud800 1"})
  void halfOfASurrogatePairIsTheReplacementCharacter(String text) {
    String replaced = text.replaceAll("[\ud800-\udfff]", "\ufffd");
    assertArrayEquals(TOKENIZER.encode(replaced), TOKENIZER.encode(text));
  }

  @Test
  void bytesThatAreNoUtf8AreReplaced() {
    byte[] bytes = {'a', (byte) 0xFF, ' ', (byte) 0xC3, 'b', (byte) 0xE2, (byte) 0x82};
    assertArrayEquals(TOKENIZER.encode("a\ufffd \ufffdb\ufffd"), TOKENIZER.encode(bytes, 0, bytes.length));
    assertArrayEquals(TOKENIZER.encode(" \ufffdb"), TOKENIZER.encode(bytes, 2, 5));
  }

  @Test
  void textMayBeCutWhereTheScannerSays() {
    int cuts = 0;
    for (long seed = 0; seed < 3000; seed++) {
      var random = new Random(seed);
      byte[] utf8 = Utf8.bytes(composed(random, 2 + random.nextInt(12)));
      int cut = PieceScanner.lastCut(utf8, 0, 1 + random.nextInt(utf8.length));
      if (cut > 0) {
        cuts++;
        var halves = new ArrayList<Integer>();
        for (int token : TOKENIZER.encode(utf8, 0, cut)) {
          halves.add(token);
        }
        for (int token : TOKENIZER.encode(utf8, cut, utf8.length)) {
          halves.add(token);
        }
        assertArrayEquals(TOKENIZER.encode(utf8, 0, utf8.length), halves.stream().mapToInt(i -> i).toArray(),
            "seed " + seed + " cut at " + cut);
      }
    }
    assertTrue(cuts > 1500, cuts + " of 3000 texts could be cut");
  }

  @Test
  void aTextWithoutABorderCannotBeCut() {
    byte[] letters = "a".repeat(1000).getBytes(StandardCharsets.UTF_8);
    assertEquals(-1, PieceScanner.lastCut(letters, 0, letters.length));
  }
}
