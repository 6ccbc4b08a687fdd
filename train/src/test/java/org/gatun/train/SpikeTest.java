package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps that stand out are noticed, saved, and dealt with as asked. */
class SpikeTest {
  private static final Object[] SENSITIVE = {"--spike-z", 1, "--spike-window", 4, "--dropout", 0.1};

  @TempDir
  Path folder;

  private Path text;
  private Path out;

  @BeforeEach
  void prepare() throws IOException {
    text = Cli.text(folder, 4000);
    out = folder.resolve("run");
  }

  private Cli train(Object[] some, Object... more) {
    var all = new ArrayList<Object>(List.of("--data", text, "--out", out));
    all.addAll(List.of(some));
    all.addAll(List.of(more));
    return Cli.train(all.toArray());
  }

  private static SpikeGuard guard(float z, int window) {
    var options = new SpikeOptions();
    options.spikeZ = z;
    options.spikeWindow = window;
    return new SpikeGuard(options, SpikeGuard.State.NOTHING);
  }

  @Test
  void lossThatStandsOutIsFoundOnceTheWindowIsFull() {
    SpikeGuard guard = guard(3, 4);
    for (float loss : new float[]{1, 9, 1, 3}) {
      var outcome = new TrainStep.Outcome(loss, 1);
      assertNull(guard.judge(outcome), "not yet");
      guard.taken(outcome);
    }
    // Mean 3.5, deviation 3.2787.
    assertNull(guard.judge(new TrainStep.Outcome(13.3f, 1)));
    assertEquals(
        "loss 13.4000 is 3.0 standard deviations above the 3.5000 of the last 4 steps",
        guard.judge(new TrainStep.Outcome(13.4f, 1)));
    assertNull(guard.judge(new TrainStep.Outcome(-100, 1)), "falling is what it is for");
    assertNotNull(guard.judge(new TrainStep.Outcome(3, 2)), "a norm that was always the same");
  }

  @Test
  void whatIsNotFiniteAlwaysStandsOutAndIsNotRemembered() {
    SpikeGuard guard = guard(0, 4);
    var nan = new TrainStep.Outcome(Float.NaN, 1);
    assertEquals("loss NaN and gradient norm 1.0 are not both finite", guard.judge(nan));
    guard.taken(nan);
    assertEquals(SpikeGuard.State.NOTHING, guard.state());
    assertNotNull(guard.judge(new TrainStep.Outcome(1, Float.POSITIVE_INFINITY)));
  }

  @Test
  void divergenceIsTracedAndItsStepReplayed() throws IOException {
    Cli cli = train(new Object[]{"--lr", 1e30, "--warmup-steps", 0}, "--steps", 20);
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains("are not both finite; "), cli.err());
    assertTrue(cli.err().contains("was the first to make a"), cli.err());
    List<Long> incidents = RunFolder.incidents(out);
    assertEquals(1, incidents.size());
    Cli replay = Cli.run("replay", "--run", out, "--step", incidents.getFirst());
    assertEquals(0, replay.code(), replay.err());
    assertTrue(replay.lastLine().endsWith("as recorded"), replay.out());
    assertTrue(replay.out().contains("was the first to make a"), replay.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16"})
  void spikeIsLoggedAndReplaysToTheSameBits(String precision) throws IOException {
    Cli cli = train(SENSITIVE, "--steps", 40, "--precision", precision, "--batch-tokens", 32);
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().contains("standard deviations above"), cli.out());
    long step = RunFolder.incidents(out).getLast();
    Cli replay = Cli.run("replay", "--run", out, "--step", step);
    assertEquals(0, replay.code(), replay.err());
    String[] row = Cli.rows(out).get((int) step).split(",");
    assertEquals(
        "replayed step %d loss %s grad_norm %s as recorded".formatted(step, row[2], row[4]),
        replay.lastLine());
    assertTrue(replay.out().contains("micro-batch 2 of 2: loss"), replay.out());
    assertTrue(replay.out().contains("every value and gradient is finite"), replay.out());
  }

  @Test
  void skippedUpdatesAreLeftOutAlsoAcrossAResume() throws IOException {
    Cli whole = train(SENSITIVE, "--steps", 40, "--on-spike", "skip");
    assertEquals(0, whole.code(), whole.err());
    assertTrue(whole.out().contains("its update is left out"), whole.out());
    RunState end = RunFolder.state(out);
    assertEquals(40, end.step());
    assertTrue(end.updates() < 40);
    List<String> rows = Cli.rows(out);
    out = folder.resolve("other");
    Object[] stopped = {"--steps", 40, "--on-spike", "skip", "--checkpoint-interval", 3, "--max-minutes", 0};
    assertEquals(0, train(SENSITIVE, stopped).code());
    for (double minutes : new double[]{0.0002, 0.0002, 10}) {
      assertEquals(0, Cli.run("train", "--resume", out, "--max-minutes", minutes).code());
    }
    assertEquals(rows, Cli.rows(out));
    assertEquals(end.updates(), RunFolder.state(out).updates());
  }

  @Test
  void rewindGoesOnWithOtherData() throws IOException {
    Cli cli =
        train(
            new Object[]{"--spike-z", 2.5, "--spike-window", 8, "--lr", 0.01}, "--steps", 40,
            "--on-spike", "rewind", "--checkpoint-interval", 2);
    if (cli.code() == 0) {
      assertTrue(cli.out().contains("on with other data"), cli.out());
      RunState end = RunFolder.state(out);
      assertTrue(end.dataPosition() > 2 * end.step(), "windows of steps that were taken back are not used again");
      assertEquals(41, Cli.rows(out).size());
    } else {
      assertTrue(cli.err().contains("going back 10 times did not help"), cli.err());
    }
  }

  @Test
  void rewindBeforeTheFirstCheckpointSaysWhatToDo() {
    Cli cli = train(SENSITIVE, "--steps", 40, "--on-spike", "rewind", "--checkpoint-interval", 0);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("there is no checkpoint yet to go back to"), cli.err());
  }

  @Test
  void skippingWithoutEndIsGivenUp() {
    Cli cli =
        train(new Object[]{"--lr", 1e30, "--warmup-steps", 0}, "--steps", 40, "--on-spike", "skip");
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains("leaving them out does not help"), cli.err());
  }

  @Test
  void stepThatDidNotStandOutIsNotThere() {
    assertEquals(0, train(new Object[0], "--steps", 2).code());
    Cli cli = Cli.run("replay", "--run", out, "--step", 1);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("has no saved step 1; no step of it stood out"), cli.err());
    assertFalse(cli.err().contains("\tat "), cli.err());
  }
}
