package org.gatun.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir
  Path folder;

  @Test
  void aFileReplacesAnOlderOne() throws IOException {
    Path file = folder.resolve("a.txt");
    AtomicFile.write(file, "old and long");
    AtomicFile.write(file, "grün");
    assertEquals("grün", Files.readString(file));
    assertOnly("a.txt");
  }

  @Test
  void afterAnExceptionTheOlderFileIsStillThere() throws IOException {
    Path file = folder.resolve("a.txt");
    AtomicFile.write(file, "old");
    var thrown = new IOException("no space");
    assertEquals(thrown, assertThrows(IOException.class, () -> AtomicFile.write(file, out -> {
      out.write(ByteBuffer.allocate(10));
      throw thrown;
    })));
    assertEquals("old", Files.readString(file));
    assertOnly("a.txt");
  }

  @Test
  void aFolderThatIsNotThereIsTheSystemsError() {
    assertThrows(IOException.class, () -> AtomicFile.write(folder.resolve("none").resolve("a.txt"), ""));
  }

  @Test
  void aWholeFolderGetsItsName() throws IOException {
    Files.createDirectory(folder.resolve("unfinished"));
    AtomicFile.rename(folder.resolve("unfinished"), folder.resolve("finished"));
    assertOnly("finished");
  }

  private void assertOnly(String name) throws IOException {
    try (var files = Files.list(folder)) {
      assertEquals(List.of(folder.resolve(name)), files.toList());
    }
  }
}
