package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.gatun.io.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run is taken up again by the command that began it, whatever it is computed on. */
class ResumeTest {
  @TempDir
  Path folder;

  private Path text;

  @BeforeEach
  void writeText() throws IOException {
    text = Cli.text(folder, 4000);
  }

  private Cli train(Path out, Object... options) {
    var all = new ArrayList<Object>(List.of("--data", text, "--out", out));
    all.addAll(List.of(options));
    Cli cli = Cli.train(all.toArray());
    assertEquals(0, cli.code(), cli.err());
    return cli;
  }

  @Test
  void sameCommandGoesOnAndEndsAtTheSameRows() throws IOException {
    Path whole = folder.resolve("whole");
    train(whole, "--steps", 20);
    Path run = folder.resolve("run");
    train(run, "--steps", 20, "--max-minutes", 0);
    Cli again = train(run, "--steps", 20);
    assertTrue(again.out().contains("done steps 20"), again.out());
    assertEquals(Cli.rows(whole), Cli.rows(run));
    Cli finished = train(run, "--steps", 20);
    assertTrue(finished.out().contains("going on after step 20"), finished.out());
    assertEquals(Cli.rows(whole), Cli.rows(run));
  }

  @Test
  void freshBeginsAnewAndKeepsTheOldRun() throws IOException {
    Path run = folder.resolve("run");
    train(run, "--steps", 2);
    Cli fresh = train(run, "--steps", 3, "--lr", 0.5, "--fresh");
    assertTrue(fresh.out().contains("held a run, which is now " + run + "-1"), fresh.out());
    assertEquals(3, RunFolder.state(run).step());
    assertEquals(2, RunFolder.state(folder.resolve("run-1")).step());
  }

  @ParameterizedTest
  @ValueSource(strings = {"shuffled", "sequential"})
  void otherMicroBatchesContinueTheSameCurve(String sampling) throws IOException {
    Path whole = folder.resolve("whole");
    Object[] options = {"--batch-tokens", 64, "--sampling", sampling, "--steps", 12};
    train(whole, options);
    Path run = folder.resolve("run");
    train(run, "--batch-tokens", 64, "--sampling", sampling, "--steps", 12, "--max-minutes", 0.0001);
    Cli cli =
        Cli.run(
            "train", "--resume", run, "--micro-batch", 4, "--recompute", "block", "--threads", 2,
            "--max-minutes", 10);
    assertEquals(0, cli.code(), cli.err());
    List<String> expected = Cli.rows(whole);
    List<String> rows = Cli.rows(run);
    for (int step = 1; step <= 12; step++) {
      // Sums of four products instead of two: rounding, grown over at most a dozen steps.
      assertEquals(loss(expected, step), loss(rows, step), 1e-4f, "step " + step);
    }
  }

  private static float loss(List<String> rows, int step) {
    return Float.parseFloat(rows.get(step).split(",")[2]);
  }

  @Test
  void tokensOfAStepStayWhatTheyWere() {
    Path run = folder.resolve("run");
    train(run, "--steps", 2);
    Cli cli = Cli.run("train", "--resume", run, "--micro-batch", 3, "--steps", 4);
    assertEquals(2, cli.code(), cli.out());
    assertTrue(cli.err().contains("--batch-tokens 16 is not a multiple of --micro-batch 3"), cli.err());
  }

  @Test
  void recomputedRunHasTheSameRows() throws IOException {
    Path kept = folder.resolve("kept");
    train(kept, "--steps", 6, "--dropout", 0.1, "--layers", 3);
    for (String recompute : List.of("attention-mlp", "block")) {
      Path run = folder.resolve(recompute);
      train(run, "--steps", 6, "--dropout", 0.1, "--layers", 3, "--recompute", recompute);
      assertEquals(Cli.rows(kept), Cli.rows(run));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"model.safetensors", "optimizer.safetensors", "config.json", "state.json"})
  void damagedCheckpointIsNamedAndAnEarlierOneTakenOnRequest(String name) throws IOException {
    Path whole = folder.resolve("whole");
    train(whole, "--steps", 9);
    Path run = folder.resolve("run");
    train(run, "--steps", 6, "--schedule", "constant", "--checkpoint-interval", 3, "--keep-checkpoints", 2);
    Path file = run.resolve("checkpoints/step-00000006").resolve(name);
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length / 2] ^= 1;
    Files.write(file, bytes);
    Cli cli = Cli.run("train", "--resume", run, "--steps", 9);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains(file.toString()), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertTrue(
        cli.err().contains("go on from the checkpoint before it with --resume-step 3"), cli.err());
    Cli back = Cli.run("train", "--resume", run, "--resume-step", 3, "--steps", 9);
    assertEquals(0, back.code(), back.err());
    assertTrue(back.out().contains("going on after step 3"), back.out());
    assertEquals(10, Cli.rows(run).size());
  }

  @Test
  void damagedNameOfAnOptionIsFoundBeforeTheOptionIsMissed() throws IOException {
    Path run = folder.resolve("run");
    train(run, "--steps", 6, "--checkpoint-interval", 3, "--keep-checkpoints", 2);
    Path file = run.resolve("checkpoints/step-00000006/state.json");
    String state = Files.readString(file);
    assertTrue(state.contains("\"heads\""), state);
    Files.writeString(file, state.replace("\"heads\"", "\"heaes\""));
    Cli cli = Cli.run("train", "--resume", run, "--steps", 9);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains(file + ": damaged"), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertTrue(cli.err().contains("--resume-step 3"), cli.err());
  }

  @Test
  void stateWithoutASumIsNotBelieved() throws IOException {
    Path run = folder.resolve("run");
    train(run, "--steps", 3);
    Path sums = run.resolve("checkpoints/step-00000003").resolve(Checksums.NAME);
    List<String> lines = Files.readAllLines(sums);
    Files.write(sums, lines.stream().filter(line -> !line.endsWith("  state.json")).toList());
    assertEquals(lines.size() - 1, Files.readAllLines(sums).size());
    Cli cli = Cli.run("train", "--resume", run, "--steps", 6);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains(sums + ": no sum of state.json in it"), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
  }

  @Test
  void synchronousAndAsynchronousCheckpointsAreTheSameFiles() throws IOException {
    Path async = folder.resolve("async");
    Path sync = folder.resolve("sync");
    train(async, "--steps", 7, "--checkpoint-interval", 2);
    train(sync, "--steps", 7, "--checkpoint-interval", 2, "--checkpoint-write", "sync");
    for (String name : List.of("model.safetensors", "optimizer.safetensors", "config.json")) {
      assertEquals(-1, Files.mismatch(async.resolve(name), sync.resolve(name)), name);
    }
  }

  @Test
  void momentsInHalfTheMemoryResumeBitForBit() throws IOException {
    Path whole = folder.resolve("whole");
    train(whole, "--steps", 8, "--moments", "bf16");
    Path run = folder.resolve("run");
    train(run, "--steps", 8, "--moments", "bf16", "--max-minutes", 0.0001);
    train(run, "--steps", 8, "--moments", "bf16", "--max-minutes", 10);
    assertEquals(Cli.rows(whole), Cli.rows(run));
    assertEquals(-1, Files.mismatch(whole.resolve("optimizer.safetensors"), run.resolve("optimizer.safetensors")));
  }

  @Test
  void stateSaysWhereTheRunComesFrom() throws IOException {
    Files.writeString(folder.resolve("manifest.json"), "{}");
    Path run = folder.resolve("run");
    train(run, "--steps", 1);
    Map<String, Object> state = Json.read(run.resolve("state.json"));
    assertTrue(state.get("command").toString().contains("--data"), state::toString);
    assertEquals(Checksums.sha256(folder.resolve("manifest.json")), state.get("data_manifest_sha256"));
    Map<?, ?> versions = (Map<?, ?>) state.get("versions");
    for (String key : List.of("gatun", "java", "os", "processor", "device")) {
      assertFalse(versions.get(key).toString().isBlank(), key);
    }
  }

  @Test
  void runThatDoesNotFitIsRefusedBeforeAnythingIsMade() {
    Path run = folder.resolve("run");
    Cli cli =
        Cli.run(
            "train", "--preset", "gpt2-xl", "--tokenizer", "byte", "--data", text, "--out", run,
            "--context", 1024, "--micro-batch", 4096, "--batch-tokens", 4194304);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains("training would take") && cli.err().contains("available; "), cli.err());
    assertFalse(Files.exists(run));
  }
}
