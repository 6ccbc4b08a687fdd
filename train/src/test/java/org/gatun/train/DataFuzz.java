package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;

/**
 * Files of any content where data is expected: an answer, or one sentence. {@code .ci/fuzz DataFuzz#parquet} looks for a
 * minute for content that does harm, beginning with what is kept in {@code DataFuzzInputs}. Not named as a test, because
 * the fuzzer's agent would slow down all others of the build; {@link DataMutationTest} tries some content there.
 */
class DataFuzz {
  private interface Check {
    Cli run(Path folder) throws IOException;
  }

  private static void check(byte[] content, String name, Check check) throws IOException {
    Path folder = Files.createTempDirectory("gatun-fuzz");
    try {
      Files.write(folder.resolve(name), content);
      Cli cli = check.run(folder);
      assertTrue(cli.code() == 0 || cli.code() == 1, cli.err());
      if (cli.code() == 1) {
        // The fuzzer itself speaks on the same stream.
        var said = cli.err().lines().filter(line -> !line.startsWith("INFO: ")).toList();
        assertEquals(1, said.size(), cli.err());
        assertTrue(said.getFirst().startsWith("gatun: "), cli.err());
      }
    } finally {
      try (var files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private static void prepare(byte[] content, String name) throws IOException {
    check(content, name, folder -> Cli.run("prepare", "--tokenizer", "byte", "--threads", 1, "--input",
        folder.resolve(name), "--output", folder.resolve("out")));
  }

  @FuzzTest(maxDuration = "1m")
  void jsonl(byte[] content) throws IOException {
    prepare(content, "a.jsonl");
  }

  @FuzzTest(maxDuration = "1m")
  void gzip(byte[] content) throws IOException {
    prepare(content, "a.jsonl.gz");
  }

  @FuzzTest(maxDuration = "1m")
  void zstd(byte[] content) throws IOException {
    prepare(content, "a.jsonl.zst");
  }

  @FuzzTest(maxDuration = "1m")
  void parquet(byte[] content) throws IOException {
    prepare(content, "a.parquet");
  }

  @FuzzTest(maxDuration = "1m")
  void anyName(byte[] content) throws IOException {
    prepare(content, "a");
  }

  @FuzzTest(maxDuration = "1m")
  void tokens(byte[] content) throws IOException {
    check(content, "train.bin", folder -> Cli.run("data", "inspect", folder.resolve("train.bin")));
  }

  @FuzzTest(maxDuration = "1m")
  void numpy(byte[] content) throws IOException {
    check(content, "train_0.npy", folder -> Cli.run("data", "inspect", folder));
  }

  @FuzzTest(maxDuration = "1m")
  void manifest(byte[] content) throws IOException {
    check(content, "manifest.json", folder -> Cli.run("data", "verify", folder));
  }
}
