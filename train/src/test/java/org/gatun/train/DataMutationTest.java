package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Good files with a few bytes changed, or cut short: an answer or one sentence, whatever came of them. */
class DataMutationTest {
  private static final int MUTANTS = 30;

  @TempDir
  Path folder;

  private static byte[] good(String name) throws IOException {
    var documents = PrepareTest.documents(12, 1);
    byte[] lines = PrepareTest.jsonl(documents);
    return switch (name) {
      case "a.jsonl" -> lines;
      case "a.jsonl.gz" -> ParquetSample.gzip(lines);
      case "a.jsonl.zst" -> ParquetSample.zstd(lines);
      case "none.parquet" -> ParquetSample.file("text", ParquetSample.Codec.UNCOMPRESSED, documents);
      case "snappy.parquet" -> ParquetSample.file("text", ParquetSample.Codec.SNAPPY, documents);
      case "gzip.parquet" -> ParquetSample.file("text", ParquetSample.Codec.GZIP, documents);
      case "zstd.parquet" -> ParquetSample.file("text", ParquetSample.Codec.ZSTD, documents);
      case "llmc.bin" ->
          ByteBuffer.allocate(1040).order(ByteOrder.LITTLE_ENDIAN).putInt(20240520).putInt(1).putInt(8).array();
      default -> {
        byte[] header = "{'descr': '<u2', 'fortran_order': False, 'shape': (8,), }".getBytes(StandardCharsets.US_ASCII);
        yield ByteBuffer.allocate(10 + header.length + 16).order(ByteOrder.LITTLE_ENDIAN)
            .put(new byte[]{(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length).put(header)
            .array();
      }
    };
  }

  private static byte[] mutant(byte[] good, Random random) {
    byte[] bytes = random.nextInt(4) == 0 ? Arrays.copyOf(good, random.nextInt(good.length + 1)) : good.clone();
    // Headers and footers decide most, so half of the changes are there.
    for (int i = random.nextInt(4); i >= 0 && bytes.length > 0; i--) {
      int near = random.nextInt(Math.min(60, bytes.length));
      int at = switch (random.nextInt(4)) {
        case 0 -> near;
        case 1 -> bytes.length - 1 - near;
        default -> random.nextInt(bytes.length);
      };
      bytes[at] = (byte) random.nextInt(256);
    }
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "none.parquet", "snappy.parquet", "gzip.parquet",
    "zstd.parquet", "llmc.bin", "array.npy"})
  void aDamagedFileGivesAnAnswerOrASentence(String name) throws IOException {
    byte[] good = good(name);
    int refused = 0;
    for (long seed = 0; seed < MUTANTS; seed++) {
      Path file = Files.write(folder.resolve(name), mutant(good, new Random(seed)));
      Cli cli =
          name.endsWith("bin") || name.endsWith("npy")
              ? Cli.run("data", "inspect", file)
              : Cli.run("prepare", "--tokenizer", "byte", "--threads", 1, "--input", file, "--output",
                  folder.resolve("out" + seed));
      String where = "seed " + seed + ": " + cli.err();
      assertTrue(cli.code() == 0 || cli.code() == 1, where);
      if (cli.code() == 1) {
        refused++;
        assertEquals(1, cli.err().lines().count(), where);
        assertTrue(cli.err().startsWith("gatun: "), where);
      }
    }
    assertTrue(refused > 0, "not one mutant was noticed");
  }
}
