package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsTest {
  private static final String HEADER = "step,tokens,loss,lr,grad_norm,tokens_per_s,ms";

  @TempDir
  Path folder;

  private RunFolder run() throws IOException {
    return RunFolder.create(folder, RunState.begin(new Provenance(List.of(), Map.of(), "", "", Map.of())));
  }

  @Test
  void rowsHaveAllDigitsAndADecimalPoint() throws Exception {
    try (var run = run();
        var metrics = Metrics.open(run, 0)) {
      metrics.add(new StepResult(1, 768, 5.5431237f, 1e-4f, 0.25f, 768, 12.5));
      assertEquals(
          List.of(HEADER, "1,768,5.5431237,1.0E-4,0.25,61440,12.500"),
          Files.readAllLines(folder.resolve("metrics.csv")));
    }
  }

  @Test
  void rowsBehindTheCheckpointAndATornOneAreRemoved() throws Exception {
    try (var run = run()) {
      Files.writeString(
          folder.resolve("metrics.csv"),
          HEADER + "\n1,2,a,b,c,d,e\n2,4,a,b,c,d,e\n3,6,a,b,c,d,e\n4,8,a,");
      Metrics.open(run, 2).close();
      assertEquals(
          List.of(HEADER, "1,2,a,b,c,d,e", "2,4,a,b,c,d,e"),
          Files.readAllLines(folder.resolve("metrics.csv")));
    }
  }

  @Test
  void missingRowsAreAnError() throws Exception {
    try (var run = run()) {
      Files.writeString(folder.resolve("metrics.csv"), HEADER + "\n1,2,a,b,c,d,e\n");
      var problem = assertThrows(IOException.class, () -> Metrics.open(run, 2));
      assertTrue(problem.getMessage().contains("has no row for step 2"), problem.getMessage());
    }
  }
}
