package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.gatun.io.Json;
import org.gatun.model.Gpt2Tokenizer;
import org.gatun.model.Tokenizer;
import org.gatun.train.data.Split;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PrepareTest {
  private static final int EOT = 50_256;

  @TempDir
  Path folder;

  /** Documents with what is awkward in JSON and in GPT-2's pattern. */
  static List<String> documents(int count, long seed) {
    var random = new Random(seed);
    var documents = new ArrayList<String>();
    for (int i = 0; i < count; i++) {
      var text = new StringBuilder("Document " + i + ":");
      for (int word = random.nextInt(60); word >= 0; word--) {
        text.append(
            List.of(" the", " isn't", "\n\n", " \"quoted\"", " 42", " 中文", " 😀", "\t\\", " <|endoftext|>", " é")
                .get(random.nextInt(10)));
      }
      documents.add(text.toString());
    }
    return documents;
  }

  static byte[] jsonl(List<String> documents) {
    var lines = new StringBuilder();
    int i = 0;
    for (String text : documents) {
      lines.append(Json.text(Map.of("id", i++, "text", text)).replace("\n", " ")).append('\n');
    }
    return lines.toString().getBytes(StandardCharsets.UTF_8);
  }

  private Path write(String name, byte[] bytes) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, bytes);
  }

  private Path output(String name) {
    return folder.resolve("out").resolve(name);
  }

  private Path prepare(String name, Object... options) {
    var all = new ArrayList<Object>(List.of("prepare", "--output", output(name)));
    all.addAll(List.of(options));
    Cli cli = Cli.run(all.toArray());
    assertEquals(0, cli.code(), cli.out() + cli.err());
    assertTrue(cli.lastLine().startsWith("done train_tokens "), cli.out());
    return output(name);
  }

  /** All tokens of a split. */
  private static int[] tokens(Path data, Split split) throws IOException {
    Tokens tokens = TokenFile.open(data, split);
    var all = new int[tokens == null ? 0 : (int) tokens.size()];
    if (tokens != null) {
      tokens.read(0, all, 0, all.length, Integer.MAX_VALUE);
    }
    return all;
  }

  private static int[] tokens(Path data) throws IOException {
    return tokens(data, Split.TRAIN);
  }

  /** Names and contents. */
  static Map<String, String> contents(Path data) throws IOException {
    var contents = new TreeMap<String, String>();
    try (Stream<Path> files = Files.list(data)) {
      for (Path file : files.toList()) {
        contents.put(
            file.getFileName().toString(), new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1));
      }
    }
    return contents;
  }

  @Test
  void everyKindOfFileGivesTheSameTokens() throws IOException {
    List<String> documents = documents(300, 1);
    byte[] lines = jsonl(documents);
    write("a.jsonl", lines);
    write("b.jsonl.gz", ParquetSample.gzip(lines));
    write("c.jsonl.zst", ParquetSample.zstd(lines));
    write("unnamed", lines);
    write("packed", ParquetSample.gzip(lines));
    for (var codec : List.of(ParquetSample.Codec.UNCOMPRESSED, ParquetSample.Codec.SNAPPY, ParquetSample.Codec.GZIP,
        ParquetSample.Codec.ZSTD)) {
      write(codec + ".parquet", ParquetSample.file("text", codec, documents));
    }
    for (int i = 0; i < documents.size(); i++) {
      write("texts/%04d.txt".formatted(i), documents.get(i).getBytes(StandardCharsets.UTF_8));
    }
    var gpt2 = new Gpt2Tokenizer();
    var expected = new ArrayList<Integer>();
    for (String text : documents) {
      Arrays.stream(gpt2.encode(text)).forEach(expected::add);
      expected.add(EOT);
    }
    int[] all = expected.stream().mapToInt(i -> i).toArray();
    for (String name : List.of("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "unnamed", "packed", "UNCOMPRESSED.parquet",
        "SNAPPY.parquet", "GZIP.parquet", "ZSTD.parquet", "texts", "texts/*.txt")) {
      String out = name.replace("/*", "-glob");
      Path data = prepare(out, "--input", folder + "/" + name, "--val-fraction", 0);
      assertArrayEquals(all, tokens(data), name);
      assertEquals(0, tokens(data, Split.VAL).length, name);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"raw", "llmc", "npy"})
  void theResultIsTheSameForAnyNumberOfThreadsAndAnyPlaceOfTheWork(String format) throws IOException {
    write("a.jsonl", jsonl(documents(2000, 2)));
    write("z.txt", String.join("\n", documents(9000, 3)).getBytes(StandardCharsets.UTF_8));
    Object[] options = {
      "--input", folder + "/a.jsonl", folder + "/z.txt", "--val-fraction", 0.2, "--format", format, "--shard-tokens",
      30_000
    };
    var one = new ArrayList<>(List.of(options));
    one.addAll(List.of("--threads", 1));
    var many = new ArrayList<>(List.of(options));
    many.addAll(List.of("--threads", 7, "--commit-bytes", 1));
    Map<String, String> expected = contents(prepare("one", one.toArray()));
    assertEquals(expected, contents(prepare("many", many.toArray())));
    assertTrue(expected.keySet().stream().noneMatch(name -> name.startsWith(".")), expected.keySet().toString());
    assertEquals(format.equals("raw"), expected.size() == 3, expected.keySet().toString());
  }

  @Test
  void formatsHoldTheSameTokens() throws IOException {
    Path text = write("a.jsonl", jsonl(documents(500, 4)));
    for (Split split : Split.values()) {
      int[] raw = null;
      for (String format : List.of("raw", "llmc", "npy")) {
        Path out = output(format);
        if (!Files.exists(out)) {
          prepare(format, "--input", text, "--format", format, "--eot", "append", "--val-fraction", 0.3,
              "--shard-tokens", 777);
        }
        int[] now = tokens(out, split);
        raw = raw == null ? now : raw;
        assertArrayEquals(raw, now, format);
        assertTrue(now.length > 777, format);
      }
    }
  }

  @Test
  void theEndOfTextStandsWhereItIsAskedFor() throws IOException {
    Path text = write("a.jsonl", jsonl(List.of("hello world", "", "hello")));
    assertArrayEquals(new int[]{31373, 995, EOT, 31373, EOT},
        tokens(prepare("a", "--input", text, "--val-fraction", 0)));
    assertArrayEquals(
        new int[]{EOT, 31373, 995, EOT, 31373},
        tokens(prepare("b", "--input", text, "--val-fraction", 0, "--format", "npy")));
    assertArrayEquals(
        new int[]{31373, 995, 31373}, tokens(prepare("c", "--input", text, "--val-fraction", 0, "--eot", "none")));
  }

  @Test
  void documentsAreDividedByTheirHashAlone() throws IOException {
    List<String> documents = documents(1000, 5);
    Path forward = write("a.jsonl", jsonl(documents));
    Path backward = write("b.jsonl", jsonl(documents.reversed()));
    int[] a = tokens(prepare("a", "--input", forward, "--val-fraction", 0.25), Split.VAL);
    int[] b = tokens(prepare("b", "--input", backward, "--val-fraction", 0.25), Split.VAL);
    int[] c = tokens(prepare("c", "--input", forward, "--val-fraction", 0.25, "--seed", 2), Split.VAL);
    long chosen = Arrays.stream(a).filter(token -> token == EOT).count();
    // 1000 draws of 0.25: a standard deviation of 13.7.
    assertEquals(250, chosen, 5 * 13.7);
    Arrays.sort(a);
    Arrays.sort(b);
    assertArrayEquals(a, b);
    Arrays.sort(c);
    assertFalse(Arrays.equals(a, c), "another seed chooses others");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "byte", "char"})
  void theTailOfATextIsCutByCharacters(String name) throws IOException {
    String text = String.join("\n", documents(20_000, 6)); // of several chunks
    Path file = write("a.txt", text.getBytes(StandardCharsets.UTF_8));
    Path data =
        prepare("a", "--input", file, "--tokenizer", name, "--split", "tail", "--val-fraction", 0.1, "--eot", "none");
    int count = text.codePointCount(0, text.length());
    int cut = text.offsetByCodePoints(0, (int) (count * 0.9));
    Tokenizer tokenizer =
        switch (name) {
          case "gpt2" -> new Gpt2Tokenizer();
          case "byte" -> new org.gatun.model.ByteTokenizer();
          default -> Tokenizer.load(data);
        };
    assertArrayEquals(tokenizer.encode(text.substring(0, cut)), tokens(data));
    assertArrayEquals(tokenizer.encode(text.substring(cut)), tokens(data, Split.VAL));
  }

  @Test
  void aLongDocumentIsOneDocument() throws IOException {
    String text = String.join(" ", documents(40_000, 7));
    assertTrue(text.length() > 3 << 20, "of several parts");
    Path file = write("a.txt", text.getBytes(StandardCharsets.UTF_8));
    Path line = write("b.jsonl", jsonl(List.of(text)));
    int[] whole = new Gpt2Tokenizer().encode(text);
    for (Path input : List.of(file, line)) {
      int[] tokens = tokens(prepare(input.getFileName().toString(), "--input", input, "--val-fraction", 0));
      assertArrayEquals(whole, Arrays.copyOf(tokens, tokens.length - 1));
      assertEquals(EOT, tokens[tokens.length - 1]);
      assertEquals(1, Arrays.stream(tokens).filter(token -> token == EOT).count());
    }
  }

  @Test
  void manyCharactersTakeFourBytesEach() throws IOException {
    var text = new StringBuilder();
    for (int c = 0x20000; text.codePointCount(0, text.length()) < 66_000; c++) {
      text.appendCodePoint(c);
    }
    Path file = write("a.txt", text.toString().getBytes(StandardCharsets.UTF_8));
    for (String format : List.of("raw", "llmc", "npy")) {
      Path data = prepare(format, "--input", file, "--tokenizer", "char", "--val-fraction", 0, "--format", format);
      int[] tokens = tokens(data);
      assertEquals(66_000, tokens.length, format);
      assertEquals(65_999, tokens[65_999], format);
    }
    assertEquals(4 * 66_000, Files.size(output("raw").resolve("train.bin")));
  }

  @Test
  void bytesThatAreNoUtf8AreCountedAndReplaced() throws IOException {
    Path file = write("a.txt", new byte[]{'h', 'i', (byte) 0xFF});
    Cli cli = Cli.run("prepare", "--input", file, "--output", output("a"), "--val-fraction", 0, "--eot", "none");
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().contains("1 pieces of text had bytes that are no UTF-8"), cli.out());
    assertArrayEquals(new Gpt2Tokenizer().encode("hi\ufffd"), tokens(output("a")));
    assertArrayEquals(
        new int[]{'h', 'i', 0xFF},
        tokens(prepare("b", "--input", file, "--tokenizer", "byte", "--val-fraction", 0)));
  }

  @Test
  void doneOnceIsDone() throws IOException {
    Path text = write("a.jsonl", jsonl(documents(20, 8)));
    Map<String, String> first = contents(prepare("a", "--input", text));
    assertEquals(first, contents(prepare("a", "--input", text)));
    Cli other = Cli.run("prepare", "--input", text, "--output", output("a"), "--seed", 7);
    assertEquals(1, other.code());
    assertTrue(other.err().contains("was begun with --seed 1337, not 7"), other.err());
    Files.writeString(text, "{\"text\":\"new\"}");
    Cli changed = Cli.run("prepare", "--input", text, "--output", output("a"));
    assertTrue(changed.err().contains("a.jsonl differs"), changed.err());
  }

  @Test
  void trainsOnWhatItMade() throws IOException {
    Path text = write("a.jsonl", jsonl(documents(200, 9)));
    for (String format : List.of("raw", "llmc", "npy")) {
      Path data = prepare(format, "--input", text, "--tokenizer", "char", "--format", format, "--val-fraction", 0.2,
          "--shard-tokens", 1000);
      Path run = folder.resolve("run-" + format);
      Cli cli = Cli.train("--data", data, "--steps", 3, "--out", run, "--tokenizer", "char");
      assertEquals(0, cli.code(), cli.err());
      assertFalse(cli.out().contains("no validation data"), cli.out());
      assertTrue(cli.out().contains("ms for data"), cli.out());
      assertEquals(Cli.rows(folder.resolve("run-raw")), Cli.rows(run), format);
    }
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      a.jsonl | {"text":"x"}\\n{"text":      | line 2 is no JSON object
      a.jsonl | ["text"]                      | line 1 does not begin with {
      a.jsonl | {"text":"x"} {}               | line 1 goes on after its JSON object
      a.jsonl | {"body":"x","id":1}           | line 1 has no field "text", but "body", "id"; choose with --text-field
      a.jsonl | {"text":7}                    | its field "text" is no text
      a.jsonl.gz | {"text":"x"}               | cannot be unpacked as gzip
      a.jsonl.zst | {"text":"x"}              | cannot be unpacked as zstd
      a.parquet | PAR1PAR1PAR1                | cannot be read as parquet
      a.txt | ``                              | hold no text
      """)
  void aFileThatIsNotWhatItsNameSaysIsRefusedInASentence(String name, String text, String words) throws IOException {
    Path file = write(name, text.replace("\\n", "\n").getBytes(StandardCharsets.UTF_8));
    Cli cli = Cli.run("prepare", "--input", file, "--output", output("a"));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains(words), cli.err());
    assertTrue(cli.err().contains(name) && cli.err().startsWith("gatun: "), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertFalse(Files.exists(output("a").resolve("train.bin")));
  }

  @ParameterizedTest
  @EnumSource(value = ParquetSample.Codec.class, names = {"SNAPPY", "ZSTD", "GZIP"})
  void packedFilesCutShortAreRefused(ParquetSample.Codec codec) throws IOException {
    byte[] parquet = ParquetSample.file("text", codec, documents(50, 1));
    parquet[80] ^= 0x55;
    Cli cli = Cli.run("prepare", "--input", write("a.parquet", parquet), "--output", output("a"), "--val-fraction", 0);
    assertNotEquals(2, cli.code());
    assertTrue(cli.code() == 0 || cli.err().contains("a.parquet: cannot be read as parquet"), cli.err());
    byte[] gzip = ParquetSample.gzip(jsonl(documents(50, 1)));
    Path cut = write("b.jsonl.gz", Arrays.copyOf(gzip, gzip.length / 2));
    cli = Cli.run("prepare", "--input", cut, "--output", output("b"));
    assertTrue(cli.err().contains("b.jsonl.gz: cannot be unpacked as gzip"), cli.err());
  }

  @Test
  void inputsThatStandForNothingAreRefused() throws IOException {
    Files.createDirectory(folder.resolve("empty"));
    assertTrue(Cli.run("prepare", "--input", folder.resolve("empty"), "--output", output("a")).err()
        .contains("empty has no file in it"));
    assertTrue(Cli.run("prepare", "--input", folder + "/*.txt", "--output", output("a")).err()
        .contains("*.txt has no file in it"));
    assertTrue(Cli.run("prepare", "--input", folder.resolve("none.txt"), "--output", output("a")).err()
        .contains("none.txt does not exist"));
    Path binary = write("noise", new byte[]{1, 0, 2});
    assertTrue(Cli.run("prepare", "--input", binary, "--output", output("a")).err()
        .contains("noise: is neither text nor JSON lines nor parquet"));
    Path text = write("a.txt", "text".getBytes(StandardCharsets.UTF_8));
    Cli cli = Cli.run("prepare", "--input", text, "--output", folder);
    assertTrue(cli.err().contains("is not empty"), cli.err());
  }
}
