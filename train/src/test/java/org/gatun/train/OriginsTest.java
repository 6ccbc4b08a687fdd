package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OriginsTest {
  @TempDir
  Path folder;

  private static String line(Cli cli, String key) {
    assertEquals(0, cli.code(), cli.err());
    return cli.out()
        .lines()
        .filter(line -> line.startsWith(key + " "))
        .findFirst()
        .orElse("")
        .replaceAll(" +", " ");
  }

  @Test
  void commandLineWinsOverEnvironmentOverFileOverPresetOverDefault() throws IOException {
    Path file = Files.writeString(folder.resolve("run.properties"), "steps=3\nlr=0.5\nheads=2\n");
    Cli cli =
        Cli.run(
            Map.of("GATUN_STEPS", "2", "GATUN_LR", "0.25"),
            "train",
            "--print-config",
            "--config",
            file,
            "--steps",
            1);
    assertEquals("steps 1 command line", line(cli, "steps"));
    assertEquals("lr 0.25 GATUN_LR", line(cli, "lr"));
    assertEquals("heads 2 " + file, line(cli, "heads"));
    assertEquals("layers 4 preset quickstart", line(cli, "layers"));
    assertEquals("beta2 0.95 default", line(cli, "beta2"));
  }

  @Test
  void presetMayComeFromAnywhere() throws IOException {
    Path file = Files.writeString(folder.resolve("run.properties"), "preset=gpt2-medium\n");
    assertEquals(
        "layers 24 preset gpt2-medium",
        line(Cli.run("train", "--print-config", "--config", file), "layers"));
    assertEquals(
        "layers 12 preset gpt2",
        line(
            Cli.run(Map.of("GATUN_PRESET", "gpt2"), "train", "--print-config", "--config", file),
            "layers"));
    assertEquals(
        "layers 48 preset gpt2-xl",
        line(
            Cli.run("train", "--print-config", "--config", file, "--preset", "gpt2-xl"), "layers"));
  }

  @Test
  void resumedRunBringsItsOptions() throws IOException {
    Path run = folder.resolve("run");
    Cli trained = Cli.train("--data", Cli.text(folder, 1000), "--out", run, "--steps", 1);
    assertEquals(0, trained.code(), trained.err());
    Cli cli = Cli.run("train", "--resume", run, "--print-config", "--steps", 9);
    assertEquals("channels 16 " + run, line(cli, "channels"));
    assertEquals("steps 9 command line", line(cli, "steps"));
  }

  @Test
  void unknownKeyOfAFileIsNamed() throws IOException {
    Path file = Files.writeString(folder.resolve("run.properties"), "layer=3\n");
    Cli cli = Cli.run("train", "--config", file);
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("unknown key layer; did you mean layers?"), cli.err());
  }

  @Test
  void missingFileIsNamed() {
    Cli cli = Cli.run("train", "--config", folder.resolve("none.properties"));
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("none.properties does not exist"), cli.err());
  }

  @Test
  void helpAndVersionAreAnswered() {
    for (String command : new String[]{"train", "sample", "eval", "doctor"}) {
      Cli cli = Cli.run(command, "--help");
      assertEquals(0, cli.code(), cli.err());
      assertTrue(cli.out().startsWith("Usage: gatun " + command), cli.out());
    }
    assertTrue(Cli.run("--version").out().startsWith("gatun "));
    assertTrue(Cli.run("generate-completion").out().contains("complete"));
    assertEquals(2, Cli.run().code());
  }
}
