package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Looking at token data and finding what is wrong with it. */
class DataCommandTest {
  @TempDir
  Path folder;

  private Path data;

  @BeforeEach
  void prepare() throws IOException {
    Path input = Files.write(
        folder.resolve("a.jsonl"),
        PrepareTest.jsonl(List.of("hello world", "a\nb", "one two three four five six seven eight nine")));
    data = folder.resolve("data");
    Cli cli = Cli.run("prepare", "--input", input, "--output", data, "--val-fraction", 0);
    assertEquals(0, cli.code(), cli.err());
  }

  @Test
  void inspectShowsCountsDocumentsAndLengths() {
    Cli cli = Cli.run("data", "inspect", data, "--documents", 2);
    assertEquals(0, cli.code(), cli.err());
    String expected =
        """
            train: 17 tokens in %s
              | hello world
              | a\\nb
            3 documents of 4.7 tokens on average
                       2 to          3 tokens           2  ##################################################
                       8 to         15 tokens           1  #########################
            """.formatted(data.resolve("train.bin"));
    assertEquals(expected, cli.out().replace(System.lineSeparator(), "\n"));
  }

  @Test
  void verifyFindsAllAsItWasAndNamesTheFileThatIsNot() throws IOException {
    assertEquals("done files 1 all as in the manifest", Cli.run("data", "verify", data).lastLine());
    Path file = data.resolve("train.bin");
    byte[] bytes = Files.readAllBytes(file);
    bytes[3] ^= 1;
    Files.write(file, bytes);
    assertBad("train.bin: has SHA-256");
    Files.write(file, new byte[]{1, 2});
    assertBad("train.bin: has 2 bytes, the manifest says 34; prepare the data again");
    Files.delete(file);
    assertBad("train.bin: is missing");
  }

  private void assertBad(String words) {
    Cli cli = Cli.run("data", "verify", data);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains(words), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {                                           | not JSON
      []                                          | expected a JSON object
      {}                                          | names no files
      {"dtype":"int8"}                            | a dtype of "int8", expected uint16 or uint32
      {"vocab_size":-1}                           | a vocab_size of -1
      {"vocab_size":9999999999999}                | a vocab_size of 9999999999999
      {"files":[{"name":"train.bin"}]}            | has an entry without name, tokens, bytes or sha256
      {"files":[{"name":"../a.jsonl","tokens":1,"bytes":1,"sha256":""}]} | has an entry without
      """)
  void aManifestThatIsNotOneIsRefused(String json, String words) throws IOException {
    Files.writeString(data.resolve("manifest.json"), json);
    assertBad(words);
  }

  @Test
  void aFolderWithoutTokensSaysSo() throws IOException {
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertTrue(Cli.run("data", "inspect", empty).err().contains("has no file of tokens"));
    assertTrue(Cli.run("data", "verify", empty).err().contains("has no manifest.json"));
    assertEquals(2, Cli.run("data").code());
  }

  // Token files of other programs.

  private static byte[] llmc(int magic, int version, int count, int bytes) {
    var file = ByteBuffer.allocate(1024 + bytes).order(ByteOrder.LITTLE_ENDIAN);
    file.putInt(magic).putInt(version).putInt(count);
    return file.array();
  }

  private static byte[] numpy(String header, int bytes) {
    var file = ByteBuffer.allocate(10 + header.length() + bytes).order(ByteOrder.LITTLE_ENDIAN);
    file.put(new byte[]{(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length());
    file.put(header.getBytes(StandardCharsets.US_ASCII));
    return file.array();
  }

  @Test
  void headersThatContradictTheirFilesAreRefused() throws IOException {
    assertRefused("a.bin", llmc(20240520, 2, 4, 8), "llm.c token file of version 2, expected 1");
    assertRefused("a.bin", llmc(20240520, 1, 5, 8), "its header says 5 tokens of 2 bytes, but 8 bytes follow it");
    assertRefused("a.bin", llmc(20240520, 1, -1, 8), "its header says 4294967295 tokens");
    assertRefused("a.npy", numpy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8), "of type \"<f4\"");
    assertRefused("a.npy", numpy("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2), }", 8),
        "of several dimensions");
    assertRefused("a.npy", numpy("{'descr': '<u2', 'fortran_order': False, 'shape': (5,), }", 8), "says 5 tokens");
    assertRefused("a.npy", new byte[]{(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}, "ends within its NumPy header");
    assertRefused("a.npy", new byte[]{(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, -1, -1, -1, -1}, "4294967295 bytes");
  }

  private void assertRefused(String name, byte[] bytes, String words) throws IOException {
    Path file = Files.write(folder.resolve(name), bytes);
    Cli cli = Cli.run("data", "inspect", file);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains(words), cli.err());
  }

  @Test
  void shardsOfOtherProgramsAreFoundByTheirNames() throws IOException {
    Path other = Files.createDirectory(folder.resolve("other"));
    for (String name : List.of("fineweb_val_000000.bin", "fineweb_train_000001.bin", "fineweb_train_000002.bin")) {
      byte[] bytes = llmc(20240520, 1, 3, 6);
      bytes[1024] = (byte) name.charAt(name.length() - 5);
      Files.write(other.resolve(name), bytes);
    }
    Tokens train = TokenFile.open(other, org.gatun.train.data.Split.TRAIN);
    assertEquals(6, train.size());
    assertEquals('1', train.at(0));
    assertEquals('2', train.at(3));
    assertEquals('0', TokenFile.open(other, org.gatun.train.data.Split.VAL).at(0));
    var across = new int[4];
    train.slice(1, 6).read(1, across, 0, 4, 100);
    assertEquals(List.of(0, (int) '2', 0, 0), java.util.Arrays.stream(across).boxed().toList());
  }
}
