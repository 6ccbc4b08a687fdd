package org.gatun.train.data;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.function.Predicate;

/** Files, folders and patterns as the files they stand for. */
public final class Sources {
  private Sources() {}

  /**
   * The files in the order given; those of a folder or a pattern in the order of their names, and each once.
   *
   * @throws IOException if one is missing or cannot be read as documents
   * @throws IllegalArgumentException if an input stands for no file
   */
  public static List<Source> of(List<String> inputs) throws IOException {
    var paths = new LinkedHashSet<Path>();
    for (String input : inputs) {
      List<Path> files = files(input);
      if (files.isEmpty()) {
        throw new IllegalArgumentException(input + " has no file in it; give text, JSON lines or parquet");
      }
      files.forEach(file -> paths.add(file.normalize()));
    }
    var sources = new ArrayList<Source>();
    for (Path path : paths) {
      sources.add(Source.of(path));
    }
    return sources;
  }

  private static List<Path> files(String input) throws IOException {
    int star = firstSpecial(input);
    // On Windows a star is no part of any path, so ask for a pattern first.
    if (star >= 0 && !input.startsWith("\\\\") && !exists(input)) {
      return matching(input, star);
    }
    Path path = Path.of(input);
    if (!Files.exists(path)) {
      throw new NoSuchFileException(input);
    }
    return Files.isDirectory(path) ? below(path, _ -> true) : List.of(path);
  }

  private static boolean exists(String input) {
    try {
      return Files.exists(Path.of(input));
    } catch (java.nio.file.InvalidPathException e) {
      return false;
    }
  }

  private static int firstSpecial(String input) {
    for (int i = 0; i < input.length(); i++) {
      if ("*?[{".indexOf(input.charAt(i)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  private static List<Path> matching(String pattern, int special) throws IOException {
    int slash = pattern.lastIndexOf('/', special);
    Path folder = Path.of(slash < 0 ? "" : pattern.substring(0, slash + 1));
    if (!Files.isDirectory(folder)) {
      throw new NoSuchFileException(folder.toString());
    }
    var matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern.substring(slash + 1));
    return below(folder, file -> matcher.matches(folder.relativize(file)));
  }

  /** Files below a folder that are not hidden and not in a hidden folder. */
  private static List<Path> below(Path folder, Predicate<Path> wanted) throws IOException {
    try (var files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> !isHidden(folder.relativize(file)))
          .filter(wanted)
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
