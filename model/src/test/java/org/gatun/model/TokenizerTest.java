package org.gatun.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.Stream;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class TokenizerTest {
  private static final Tokenizer GPT2 = new Gpt2Tokenizer();

  @TempDir
  Path folder;

  /** Tokens that OpenAI's encoder makes of these texts. */
  static Stream<Arguments> known() {
    return Stream.of(
        Arguments.of("", new int[]{}),
        Arguments.of("Hello, I'm a language model,", new int[]{15496, 11, 314, 1101, 257, 3303, 2746, 11}),
        Arguments.of("hello world", new int[]{31373, 995}),
        Arguments.of("  two  spaces\n\n", new int[]{220, 734, 220, 9029, 628}),
        Arguments.of("<|endoftext|>", new int[]{27, 91, 437, 1659, 5239, 91, 29}),
        Arguments.of("\n", new int[]{198}));
  }

  @ParameterizedTest
  @MethodSource("known")
  void knownTextsHaveTheTokensOfGpt2(String text, int[] tokens) {
    assertArrayEquals(tokens, GPT2.encode(text));
    assertEquals(text, GPT2.decode(tokens));
  }

  @Test
  void specialTokensInPlainTextAreOrdinaryText() {
    int[] tokens = GPT2.encode("a<|endoftext|>b <|endofprompt|>");
    assertTrue(Arrays.stream(tokens).noneMatch(token -> token >= Gpt2Tokenizer.END_OF_TEXT), Arrays.toString(tokens));
    assertEquals("a<|endoftext|>b <|endofprompt|>", GPT2.decode(tokens));
  }

  @Test
  void theEndOfTextIsTheLastToken() {
    assertEquals(OptionalInt.of(50_256), GPT2.endOfText());
    assertEquals(50_257, GPT2.vocabulary());
    assertEquals("<|endoftext|>", GPT2.decode(50_256));
    assertEquals(OptionalInt.empty(), new ByteTokenizer().endOfText());
  }

  static Stream<Tokenizer> universal() {
    return Stream.of(GPT2, new ByteTokenizer());
  }

  @ParameterizedTest
  @MethodSource("universal")
  void randomUnicodeComesBack(Tokenizer tokenizer) {
    for (long seed = 0; seed < 300; seed++) {
      String text = randomText(new Random(seed));
      int[] tokens = tokenizer.encode(text);
      assertEquals(text, tokenizer.decode(tokens), "seed " + seed);
      assertTrue(Arrays.stream(tokens).allMatch(token -> token >= 0 && token < tokenizer.vocabulary()));
    }
  }

  @Test
  void charactersOfTheDataComeBack() {
    String text = randomText(new Random(1));
    var tokenizer = CharacterTokenizer.of(text);
    assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
    assertEquals(text.codePoints().distinct().count(), tokenizer.vocabulary());
  }

  /** Code points of one to four bytes, spaces and letters among them. */
  private static String randomText(Random random) {
    var text = new StringBuilder();
    for (int i = random.nextInt(60); i >= 0; i--) {
      int codePoint = switch (random.nextInt(5)) {
        case 0 -> ' ';
        case 1 -> 'a' + random.nextInt(26);
        case 2 -> random.nextInt(0x800);
        case 3 -> random.nextInt(Character.MIN_SURROGATE);
        default -> 0x10000 + random.nextInt(0x100000);
      };
      text.appendCodePoint(codePoint);
    }
    return text.toString();
  }

  @Test
  void charactersAreNumberedByCodePoint() {
    assertEquals(List.of("\n", "a", "b", "é", "😀"), CharacterTokenizer.of("b😀éa\na").characters());
  }

  @Test
  void aCharacterThatDidNotOccurIsRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> CharacterTokenizer.of("abc").encode("abd"));
    assertEquals("character tokenizer: character 2 of the text, U+0064, did not occur in the data it was made from",
        e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> CharacterTokenizer.of(""));
    assertThrows(IllegalArgumentException.class, () -> CharacterTokenizer.of("a\ud800"));
  }

  @Test
  void streamedTextAppearsWithTheLastByteOfACharacter() {
    var decoder = new TokenDecoder(new ByteTokenizer());
    int[] bytes = new ByteTokenizer().encode("é😀");
    var pieces = new StringBuilder();
    for (int b : bytes) {
      pieces.append(decoder.next(b)).append('|');
    }
    assertEquals("|é||||😀|", pieces.toString());
    assertEquals("", decoder.rest());
  }

  @Test
  void brokenUtf8BecomesTheReplacementCharacter() {
    var bytes = new ByteTokenizer();
    assertEquals("a\ufffdb\ufffd", bytes.decode('a', 0xFF, 'b', 0xC3));
  }

  @ParameterizedTest
  @MethodSource("universal")
  void tokensOutsideOfTheVocabularyAreRefused(Tokenizer tokenizer) {
    assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(-1));
    assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(tokenizer.vocabulary()));
  }

  @Test
  void savedTokenizersComeBack() throws IOException {
    for (Tokenizer tokenizer : List.of(new ByteTokenizer(), CharacterTokenizer.of("\"\\\n😀 z"), GPT2)) {
      Path own = Files.createDirectory(folder.resolve(tokenizer.name()));
      tokenizer.save(own);
      Tokenizer loaded = Tokenizer.load(own);
      assertEquals(tokenizer.name(), loaded.name());
      assertEquals(tokenizer.vocabulary(), loaded.vocabulary());
      assertArrayEquals(tokenizer.encode("z \n😀"), loaded.encode("z \n😀"));
    }
  }

  @Test
  void theTokenizerSavedLastIsTheOneThatComesBack() throws IOException {
    for (Tokenizer tokenizer : List.of(new ByteTokenizer(), GPT2, new ByteTokenizer(), CharacterTokenizer.of("a"))) {
      tokenizer.save(folder);
      assertEquals(tokenizer.name(), Tokenizer.load(folder).name());
    }
  }

  @Test
  void gpt2sFilesHoldItsTokensAndMerges() throws IOException {
    GPT2.save(folder);
    Map<String, Object> vocabulary = Json.read(folder.resolve("vocab.json"));
    assertEquals(50_257, vocabulary.size());
    assertEquals(995L, vocabulary.get("Ġworld"));
    assertEquals(198L, vocabulary.get("Ċ"));
    assertEquals(50_256L, vocabulary.get("<|endoftext|>"));
    List<String> merges = Files.readAllLines(folder.resolve("merges.txt"));
    assertEquals(List.of("#version: 0.2", "Ġ t", "Ġ a", "h e", "i n"), merges.subList(0, 5));
    assertEquals("Ġg azed", merges.get(50_000));
    assertEquals(50_001, merges.size());
  }

  @Test
  void withoutFilesTheVocabularyOfGpt2MeansItsTokenizer() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\":\"gpt2\"}");
    assertInstanceOf(Gpt2Tokenizer.class, Tokenizer.load(folder));
    Files.writeString(folder.resolve("config.json"), "{\"model_type\":\"gpt2\",\"vocab_size\":1000}");
    var e = assertThrows(MalformedFileException.class, () -> Tokenizer.load(folder));
    assertTrue(e.getMessage().contains("a vocabulary of 1000 and no tokenizer beside it"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      vocab.json | `{'a':0}` | the vocabulary is not GPT-2's
      tokenizer.json | `{'version':{'x':[1]},'model':{'type':'BPE','vocab':{'!':0,'x':1}}}` | found 1 of them
      tokenizer.json | `{'model':7}` | found 0 of them
      tokenizer.json | `{` | not JSON
      gatun-tokenizer.json | `{}` | tokenizer is "null", expected byte or char
      gatun-tokenizer.json | `{'tokenizer':'bpe'}` | tokenizer is "bpe"
      gatun-tokenizer.json | `{'tokenizer':'char'}` | the vocabulary is not a list
      gatun-tokenizer.json | `{'tokenizer':'char','vocabulary':['b','a']}` | in the order of their code points
      gatun-tokenizer.json | `{'tokenizer':'char','vocabulary':['a','a']}` | different characters
      gatun-tokenizer.json | `{'tokenizer':'char','vocabulary':['ab']}` | the vocabulary is not a list
      gatun-tokenizer.json | `{'tokenizer':'char','vocabulary':[]}` | no vocabulary
      """)
  void aTokenizerFileThatIsNotOursIsRefused(String file, String text, String words) throws IOException {
    Files.writeString(folder.resolve(file), text.replace('\'', '"'));
    var e = assertThrows(MalformedFileException.class, () -> Tokenizer.load(folder));
    assertTrue(e.getMessage().contains(words), e.getMessage());
  }
}
