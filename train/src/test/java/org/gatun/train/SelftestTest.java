package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Check;
import org.gatun.proof.Checks;
import org.gatun.tensor.Device;
import org.junit.jupiter.api.Test;

class SelftestTest {
  @Test
  void processorPasses() {
    Cli cli = Cli.run("selftest", "--threads", "2", "--only", "softmax");
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.lastLine().matches("\\d{2,} passed, 0 failed"), cli.lastLine());
    assertTrue(cli.out().lines().anyMatch(line -> line.matches("softmax +\\d+ +0\\.\\d{3} +\\d+\\.\\d\\d")), cli.out());
  }

  @Test
  void replayedStepsAreAmongTheSubjects() {
    Cli cli = Cli.run("selftest", "--threads", "1", "--only", "captured step");
    assertEquals(0, cli.code(), cli.err());
    assertEquals("2 passed, 0 failed", cli.lastLine());
  }

  @Test
  void deviceThatComputesNothingFails() {
    var said = new ByteArrayOutputStream();
    var selftest = new Selftest(new PrintStream(said, true, StandardCharsets.UTF_8));
    try (Device idle = CpuDevice.rehearsal()) {
      selftest.run(idle, Checks.operations().stream().filter(check -> check.subject().equals("exp")).toList());
    }
    assertFalse(selftest.end());
    List<String> lines = said.toString(StandardCharsets.UTF_8).lines().toList();
    assertTrue(lines.getLast().matches("0 passed, \\d+ failed"), lines.getLast());
    assertTrue(lines.stream().anyMatch(line -> line.startsWith("failed: exp, ")), said::toString);
  }

  @Test
  void whatGoesWrongIsToldAndTheRestIsRun() {
    var said = new ByteArrayOutputStream();
    var selftest = new Selftest(new PrintStream(said, true, StandardCharsets.UTF_8));
    selftest.run(null, List.of(
        new Check("a", "first", _ -> {
          throw new IllegalStateException("the card is gone");
        }),
        new Check("a", "second", _ -> 0.25), new Check("b", "third", _ -> 0.5)));
    assertFalse(selftest.end());
    String text = said.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("failed: a, first: the card is gone"), text);
    assertTrue(text.endsWith("2 passed, 1 failed" + System.lineSeparator()), text);
  }

  @Test
  void unknownSubjectIsWrongUse() {
    Cli cli = Cli.run("selftest", "--only", "softmx");
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("did you mean softmax?"), cli.err());
  }
}
