package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
  private static final RunState BEGIN =
      RunState.begin(
          new Provenance(
              List.of("train", "--steps", "9"),
              Map.of("steps", "9"),
              "hash",
              "",
              Map.of("java", "22")));

  private static final SpikeGuard.State GUARD =
      new SpikeGuard.State(List.of(1.1f, 0.3f), List.of(5f), 2);

  @TempDir
  Path parent;

  private Path path;
  private RunFolder folder;

  @BeforeEach
  void create() throws IOException {
    path = parent.resolve("run");
    folder = RunFolder.create(path, BEGIN);
  }

  @AfterEach
  void close() throws IOException {
    folder.close();
  }

  private static RunState at(long step) {
    return new RunState(step, step - 1, 2 * step, GUARD, BEGIN.provenance());
  }

  private static RunFolder.Writer files(long step) {
    return target -> {
      Files.writeString(target.resolve("model.safetensors"), "weights " + step);
      Files.writeString(target.resolve(RunFolder.STATE), at(step).toJson());
    };
  }

  private List<String> checkpoints() throws IOException {
    try (Stream<Path> files = Files.list(path.resolve("checkpoints"))) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void beginsWithTheStateOfStepZero() throws IOException {
    assertNull(folder.newest());
    assertEquals(BEGIN, RunFolder.state(path));
  }

  @Test
  void showsTheNewestCheckpointAndKeepsAsManyAsAsked() throws IOException {
    for (long step : new long[]{5, 10, 15}) {
      folder.checkpoint(step, 2, 0, files(step));
    }
    assertEquals(List.of("step-00000010", "step-00000015"), checkpoints());
    assertEquals("weights 15", Files.readString(path.resolve("model.safetensors")));
    assertEquals(15, RunFolder.state(path).step());
    assertEquals(30, RunFolder.state(path).dataPosition());
  }

  @Test
  void keepsCheckpointsOfMultiplesForGood() throws IOException {
    for (long step : new long[]{5, 10, 15, 20, 25}) {
      folder.checkpoint(step, 1, 10, files(step));
    }
    assertEquals(List.of("step-00000010", "step-00000020", "step-00000025"), checkpoints());
  }

  @Test
  void returnsToAnEarlierCheckpointOnRequest() throws IOException {
    for (long step : new long[]{5, 10, 15}) {
      folder.checkpoint(step, 3, 0, files(step));
    }
    folder.returnTo(10);
    assertEquals(List.of("step-00000005", "step-00000010"), checkpoints());
    assertEquals("weights 10", Files.readString(path.resolve("model.safetensors")));
    var problem = assertThrows(IOException.class, () -> RunFolder.state(path, 7));
    assertTrue(problem.getMessage().endsWith("has no checkpoint of step 7; there are [5, 10]"), problem.getMessage());
  }

  @Test
  void stateComesBackAsItWas() throws IOException {
    folder.checkpoint(5, 1, 0, files(5));
    assertEquals(at(5), RunFolder.state(path));
  }

  @Test
  void newestIncidentsAreKept() throws IOException {
    for (long step = 1; step <= 5; step++) {
      folder.incident(step, files(step));
    }
    folder.incident(5, files(5));
    assertEquals(List.of(3L, 4L, 5L), RunFolder.incidents(path));
    assertNull(RunFolder.incident(path, 1));
  }

  @Test
  void runIsSetAsideUnderTheFirstFreeNumber() throws IOException {
    folder.close();
    Files.createDirectory(parent.resolve("run-1"));
    assertEquals(parent.resolve("run-2"), RunFolder.setAside(path));
    assertTrue(RunFolder.isRun(parent.resolve("run-2")));
    assertFalse(Files.exists(path));
  }

  @Test
  void damagedFileIsNamed() throws IOException {
    folder.checkpoint(5, 1, 0, files(5));
    Path checkpoint = folder.newest();
    Checksums.verify(checkpoint);
    Path weights = checkpoint.resolve("model.safetensors");
    Files.writeString(weights, "weights 6");
    var problem = assertThrows(IOException.class, () -> Checksums.verify(checkpoint));
    assertTrue(problem.getMessage().startsWith(weights + ": damaged"), problem.getMessage());
    Files.delete(weights);
    problem = assertThrows(IOException.class, () -> Checksums.verify(checkpoint));
    assertTrue(problem.getMessage().startsWith(weights + ": missing"), problem.getMessage());
    Path sums = checkpoint.resolve(Checksums.NAME);
    Files.writeString(sums, Files.readString(sums).repeat(2));
    problem = assertThrows(IOException.class, () -> Checksums.verify(checkpoint));
    assertTrue(problem.getMessage().startsWith(sums + ": two sums of model.safetensors"), problem.getMessage());
    Files.delete(sums);
    problem = assertThrows(IOException.class, () -> Checksums.verify(checkpoint));
    assertTrue(problem.getMessage().contains("no SHA256SUMS in it"), problem.getMessage());
  }

  @Test
  void checkpointThatFailsLeavesTheOneBefore() throws IOException {
    folder.checkpoint(5, 1, 0, files(5));
    assertThrows(
        IOException.class,
        () -> folder.checkpoint(
            10,
            1,
            0,
            target -> {
              files(10).write(target);
              throw new IOException("No space left on device");
            }));
    assertEquals(List.of("step-00000005"), checkpoints());
    assertEquals("weights 5", Files.readString(path.resolve("model.safetensors")));
  }

  @Test
  void unfinishedCheckpointIsIgnoredAndRemoved() throws IOException {
    folder.checkpoint(5, 1, 0, files(5));
    Path unfinished = Files.createDirectories(path.resolve("checkpoints/step-00000010.tmp"));
    files(10).write(unfinished);
    Files.writeString(path.resolve("model.safetensors.tmp"), "half");
    assertEquals(5, RunFolder.state(path).step());
    folder.repair();
    assertEquals(List.of("step-00000005"), checkpoints());
    assertFalse(Files.exists(path.resolve("model.safetensors.tmp")));
  }

  @Test
  void checkpointThatWasNotShownYetIsTheNewestAndIsShownByRepair() throws IOException {
    folder.checkpoint(5, 1, 0, files(5));
    Path unshown = Files.createDirectories(path.resolve("checkpoints/step-00000010"));
    files(10).write(unshown);
    Checksums.write(unshown);
    assertEquals(10, RunFolder.state(path).step());
    folder.repair();
    assertEquals("weights 10", Files.readString(path.resolve("model.safetensors")));
  }

  @Test
  void runsOnFromItsOwnFilesWhereCheckpointsWereRemoved() throws IOException {
    folder.checkpoint(
        5,
        1,
        0,
        target -> {
          files(5).write(target);
          Files.writeString(target.resolve("optimizer.safetensors"), "moments");
        });
    try (Stream<Path> files = Files.walk(path.resolve("checkpoints"))) {
      files
          .sorted(java.util.Comparator.reverseOrder())
          .forEach(file -> assertTrue(file.toFile().delete()));
    }
    assertEquals(path, folder.newest());
    assertEquals(5, RunFolder.state(path).step());
  }

  @Test
  void folderIsLockedWhileInUse() {
    // Another process sees "in use"; the same one gets Java's own exception.
    assertThrows(OverlappingFileLockException.class, () -> RunFolder.open(path));
  }

  @Test
  void foreignFolderIsNoRun() {
    var problem = assertThrows(IOException.class, () -> RunFolder.state(parent));
    assertTrue(
        problem.getMessage().endsWith("holds no run to resume (no state.json in it)"),
        problem.getMessage());
  }

  @Test
  void foreignStateIsNamed() throws IOException {
    Files.writeString(path.resolve(RunFolder.STATE), "{\"step\": 1}");
    var problem = assertThrows(IOException.class, () -> RunFolder.state(path));
    assertTrue(problem.getMessage().contains("it is not the state of a run"), problem.getMessage());
  }
}
