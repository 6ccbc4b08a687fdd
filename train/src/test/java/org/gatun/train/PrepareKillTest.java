package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A preparation ends at any moment and goes on as if it had not. */
class PrepareKillTest {
  private static final int PATIENCE_SECONDS = 120;

  /** A tenth of the fifty of a long test: starting a process takes longer than all else. */
  private static final int KILLS = Integer.getInteger("gatun.kills", 5);

  @TempDir
  Path folder;

  private Object[] options;

  @BeforeEach
  void write() throws Exception {
    Path input = Files.createDirectory(folder.resolve("in"));
    Files.write(input.resolve("a.jsonl.gz"), ParquetSample.gzip(PrepareTest.jsonl(PrepareTest.documents(12_000, 1))));
    Files.write(
        input.resolve("b.parquet"),
        ParquetSample.file("text", ParquetSample.Codec.SNAPPY, PrepareTest.documents(8000, 2)));
    Files.write(
        input.resolve("c.txt"), String.join("\n", PrepareTest.documents(30_000, 3)).getBytes(StandardCharsets.UTF_8));
    options =
        new Object[]{
          "--input", input, "--format", "llmc", "--shard-tokens", 500_000, "--val-fraction", 0.3, "--commit-bytes", 1,
          "--threads", 2, "--tokenizer", "byte", "--output"
        };
  }

  private Object[] command(Path output) {
    var all = new ArrayList<Object>(List.of("prepare"));
    all.addAll(List.of(options));
    all.add(output);
    return all.toArray();
  }

  /** Made in one go; by a process of its own too, because the manifest says which version that is. */
  private Path whole() throws Exception {
    Path whole = folder.resolve("whole");
    Path log = folder.resolve("whole.log");
    Process process = Cli.start(List.of(), log, command(whole));
    assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), () -> Cli.text(log));
    return whole;
  }

  @Test
  void killedPreparationGoesOnToTheSameBytes() throws Exception {
    Path whole = whole();
    Map<String, String> expected = PrepareTest.contents(whole);
    long seed = System.nanoTime();
    var random = new Random(seed);
    Path log = folder.resolve("log");
    int kills = 0;
    for (int run = 0; kills < KILLS; run++) {
      Path killed = folder.resolve("killed" + run);
      boolean finished = false;
      while (!finished) {
        Process process = Cli.start(List.of(), log, command(killed));
        if (kills < KILLS) {
          waitForChange(process, killed);
          process.waitFor(random.nextInt(100), TimeUnit.MILLISECONDS);
          finished = !process.isAlive();
          process.destroyForcibly().waitFor();
          kills += finished ? 0 : 1;
          assertNoHalfShard(killed, expected, seed);
        } else {
          assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS));
          finished = true;
        }
        assertTrue(!finished || process.exitValue() == 0, () -> Cli.text(log));
      }
      assertEquals(expected, PrepareTest.contents(killed), () -> "seed " + seed);
    }
  }

  /** Until the state says something new: killed before, the process has nothing to lose. */
  private static void waitForChange(Process process, Path output) throws Exception {
    Path state = output.resolve(".prepare.json");
    var before = Files.exists(state) ? Files.getLastModifiedTime(state) : null;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (process.isAlive()
        && System.nanoTime() < deadline
        && (!Files.exists(state) || Files.getLastModifiedTime(state).equals(before))) {
      Thread.sleep(1);
    }
  }

  private static void assertNoHalfShard(Path output, Map<String, String> expected, long seed) throws Exception {
    for (var file : PrepareTest.contents(output).entrySet()) {
      if (!file.getKey().startsWith(".")) {
        assertEquals(expected.get(file.getKey()), file.getValue(), () -> file.getKey() + ", seed " + seed);
      }
    }
  }

  @Test
  void aFullDiskIsSaidAndGoneOnFrom() throws Exception {
    assumeTrue(Files.exists(Path.of("/bin/bash")), "needs a shell that can limit the size of files");
    Path whole = whole();
    Path output = folder.resolve("limited");
    Path log = folder.resolve("log");
    // 400 blocks of 1,024 bytes: less than a shard. A write beyond fails as on a full disk, with another reason.
    Process process =
        Cli.start(List.of("/bin/bash", "-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "limited"), log,
            command(output));
    assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS));
    assertEquals(1, process.exitValue(), () -> Cli.text(log));
    String said = Cli.text(log);
    assertTrue(said.contains("could not be written: File too large; make room and run the same command again"), said);
    assertFalse(said.contains("\tat "), said);
    Cli training = Cli.train("--data", output);
    assertTrue(training.err().contains("is not complete; run the same gatun prepare again"), training.err());
    Process again = Cli.start(List.of(), log, command(output));
    assertTrue(again.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS));
    assertEquals(0, again.exitValue(), () -> Cli.text(log));
    assertEquals(PrepareTest.contents(whole), PrepareTest.contents(output));
  }
}
