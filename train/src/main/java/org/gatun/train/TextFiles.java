package org.gatun.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Plain text from a file, or from all files below a folder in the order of their names. */
final class TextFiles {
  /** What fits an array of tokens with room to spare. */
  private static final long MOST_BYTES = 1L << 30;

  private TextFiles() {}

  /**
   * The bytes, one file after the other.
   *
   * @throws IllegalArgumentException if there is no text, or too much to hold in memory
   */
  static byte[] read(Path source) throws IOException {
    List<Path> files = Files.isDirectory(source) ? below(source) : List.of(source);
    long size = 0;
    for (Path file : files) {
      size += Files.size(file);
    }
    if (size == 0) {
      throw new IllegalArgumentException(
          source
              + (files.isEmpty() ? " has no file in it" : " is empty")
              + "; give text to train on");
    }
    if (size > MOST_BYTES) {
      throw new IllegalArgumentException(
          source
              + " has "
              + size
              + " bytes of text; more than "
              + MOST_BYTES
              + " must be turned into a .bin file of u16 tokens first");
    }
    var text = new ByteArrayOutputStream((int) size);
    for (Path file : files) {
      text.writeBytes(Files.readAllBytes(file));
    }
    return text.toByteArray();
  }

  private static List<Path> below(Path folder) throws IOException {
    try (var files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> !isHidden(folder.relativize(file)))
          .sorted()
          .toList();
    }
  }

  private static boolean isHidden(Path relative) {
    for (Path part : relative) {
      if (part.toString().startsWith(".")) {
        return true;
      }
    }
    return false;
  }
}
