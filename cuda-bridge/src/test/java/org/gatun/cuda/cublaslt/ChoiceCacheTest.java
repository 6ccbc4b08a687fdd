package org.gatun.cuda.cublaslt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.gatun.cuda.ElementType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChoiceCacheTest {
  @TempDir
  Path folder;

  private static MatmulProblem problem(long rows) {
    return new MatmulProblem(Matrix.packed(ElementType.F32, rows, 8), false, Matrix.packed(ElementType.F32, 8, 8),
        false,
        Matrix.packed(ElementType.F32, rows, 8), MatmulEpilogue.NONE, false, 1);
  }

  @Test
  void remembersByCardVersionAndProblem() {
    var cache = new ChoiceCache(folder.resolve("new"), "H200", "13.1.1");
    assertEquals(Optional.empty(), cache.algorithm(problem(8)));
    cache.keep(problem(8), "00ff");
    cache.keep(problem(16), "1122");
    cache.keep(problem(8), "aabb");
    assertEquals(Optional.of("aabb"), cache.algorithm(problem(8)));
    assertEquals(Optional.of("1122"), cache.algorithm(problem(16)));
    assertEquals(Optional.empty(), new ChoiceCache(folder.resolve("new"), "A100", "13.1.1").algorithm(problem(8)));
    assertEquals(Optional.empty(), new ChoiceCache(folder.resolve("new"), "H200", "13.2.0").algorithm(problem(8)));
  }

  @Test
  void forgetsAFileThatSaysSomethingElse() throws IOException {
    var cache = new ChoiceCache(folder, "H200", "13.1.1");
    cache.keep(problem(8), "00ff");
    try (Stream<Path> files = Files.list(folder)) {
      Files.writeString(files.findFirst().orElseThrow(), "another problem\n00ff\n");
    }
    assertEquals(Optional.empty(), cache.algorithm(problem(8)));
  }

  @Test
  void leavesNoUnfinishedFiles() throws IOException {
    new ChoiceCache(folder, "H200", "13.1.1").keep(problem(8), "00ff");
    try (Stream<Path> files = Files.list(folder)) {
      assertTrue(files.allMatch(file -> file.toString().endsWith(".txt")));
    }
  }
}
