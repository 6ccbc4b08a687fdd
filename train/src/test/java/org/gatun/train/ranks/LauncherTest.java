package org.gatun.train.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the ranks are shell scripts")
class LauncherTest {
  @TempDir
  Path folder;

  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(int size, String script) throws Exception {
    return new Launcher(List.of("/bin/sh", "-c", script), new PrintStream(err, true, StandardCharsets.UTF_8)).run(size);
  }

  private String err() {
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void eachRankLearnsWhichItIs() throws Exception {
    String script = "echo $WORLD_SIZE $LOCAL_RANK $MASTER_ADDR >" + folder + "/$RANK";
    assertEquals(0, run(3, script), this::err);
    for (int rank = 0; rank < 3; rank++) {
      assertEquals("3 " + rank + " 127.0.0.1\n", Files.readString(folder.resolve(Integer.toString(rank))));
    }
  }

  @Test
  void oneThatFailsEndsAllAndIsNamed() throws Exception {
    long start = System.nanoTime();
    int code = run(3, "if [ $RANK = 2 ]; then echo no memory >&2; exit 7; fi; [ $RANK = 0 ] || exit 0; exec sleep 3");
    assertEquals(7, code);
    assertTrue(err().contains("rank 2: no memory\n"), this::err);
    assertTrue(
        err().matches("(?s).*gatun: rank 2 \\(process \\d+\\) ended with exit code 7; the others were ended too\n"),
        this::err);
    assertTrue(System.nanoTime() - start < 19e9, "those that end by themselves are not waited for longer");
  }
}
