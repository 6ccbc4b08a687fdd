package org.gatun.train;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.gatun.io.AtomicFile;

/**
 * The folder of a run and the order in which it changes, so that a process may end at any instant.
 *
 * <p>A checkpoint is a folder {@code checkpoints/step-00000500} of its own: a whole model folder
 * with optimizer and state. It is written under a name ending in {@code .tmp}, forced to the disk
 * and then renamed: a folder without that ending is complete. Only then do the run's own files
 * ({@code config.json}, {@code model.safetensors}, ...) become, one by one, further names (hard
 * links) of the newest checkpoint's; they are for others to read. A run goes on from {@code
 * checkpoints} alone.
 */
final class RunFolder implements AutoCloseable {
  static final String STATE = "state.json";
  private static final String CHECKPOINTS = "checkpoints";
  private static final String TEMPORARY = ".tmp";

  /** Writes a checkpoint's files to a folder. */
  @FunctionalInterface
  interface Writer {
    void write(Path folder) throws IOException;
  }

  private final Path path;
  private final FileChannel lock;

  private RunFolder(Path path) throws IOException {
    this.path = path;
    this.lock =
        FileChannel.open(
            path.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    if (lock.tryLock() == null) {
      lock.close();
      throw new IOException(path + " is in use: another process trains there");
    }
  }

  /** Lets other processes have the folder. */
  @Override
  public void close() throws IOException {
    lock.close();
  }

  /**
   * A new run's folder, with the state it begins in.
   *
   * @throws IOException if it is there and not empty, or cannot be written
   */
  static RunFolder create(Path path, RunState state) throws IOException {
    if (Files.isDirectory(path)) {
      refuseUnlessEmpty(path);
    }
    Files.createDirectories(path);
    var folder = new RunFolder(path);
    AtomicFile.write(path.resolve(STATE), state.toJson());
    return folder;
  }

  private static void refuseUnlessEmpty(Path path) throws IOException {
    if (isRun(path)) {
      throw new IOException(
          path
              + " holds a run already; go on with it by --resume "
              + path
              + ", or give another --out");
    }
    try (Stream<Path> files = Files.list(path)) {
      if (files.anyMatch(file -> !file.toString().endsWith(TEMPORARY) && !file.endsWith(".lock"))) {
        throw new IOException(path + " is not empty; give --out a new folder");
      }
    }
  }

  private static boolean isRun(Path path) throws IOException {
    return Files.exists(path.resolve(STATE)) || !complete(path).isEmpty();
  }

  /**
   * The folder of an earlier run.
   *
   * @throws IOException if no run is there
   */
  static RunFolder open(Path path) throws IOException {
    requireRun(path);
    return new RunFolder(path);
  }

  private static void requireRun(Path path) throws IOException {
    if (!Files.isDirectory(path) || !isRun(path)) {
      throw new IOException(
          path
              + " holds no run to resume"
              + (Files.isDirectory(path) ? " (no " + STATE + " in it)" : ""));
    }
  }

  /** Where it is. */
  Path path() {
    return path;
  }

  /** The newest complete checkpoint; null if the run was stopped before its first. */
  Path newest() throws IOException {
    return newest(path);
  }

  private static Path newest(Path path) throws IOException {
    List<Path> complete = complete(path);
    if (!complete.isEmpty()) {
      return complete.getLast();
    }
    return Files.exists(path.resolve("optimizer.safetensors")) ? path : null;
  }

  /** The state of the newest checkpoint of a run, or the one it began in. */
  static RunState state(Path path) throws IOException {
    requireRun(path);
    Path newest = newest(path);
    return RunState.read((newest == null ? path : newest).resolve(STATE));
  }

  /** Complete checkpoints, oldest first. */
  private static List<Path> complete(Path path) throws IOException {
    Path checkpoints = path.resolve(CHECKPOINTS);
    if (!Files.isDirectory(checkpoints)) {
      return List.of();
    }
    try (Stream<Path> folders = Files.list(checkpoints)) {
      return folders
          .filter(folder -> folder.getFileName().toString().matches("step-\\d{8,}"))
          .sorted(Comparator.comparingLong(RunFolder::step))
          .toList();
    }
  }

  private static long step(Path checkpoint) {
    return Long.parseLong(checkpoint.getFileName().toString().substring("step-".length()));
  }

  /**
   * Removes what was begun and not finished, and makes the run's own files those of the newest
   * checkpoint.
   */
  void repair() throws IOException {
    Path checkpoints = path.resolve(CHECKPOINTS);
    for (Path folder : List.of(path, checkpoints)) {
      if (!Files.isDirectory(folder)) {
        continue;
      }
      try (Stream<Path> files = Files.list(folder)) {
        for (Path file : files.filter(file -> file.toString().endsWith(TEMPORARY)).toList()) {
          delete(file);
        }
      }
    }
    List<Path> complete = complete(path);
    if (!complete.isEmpty()) {
      show(complete.getLast());
    }
  }

  /**
   * Writes the checkpoint of a step and removes all but the newest {@code keep}.
   *
   * @throws IOException if it cannot be written; earlier checkpoints are as they were
   */
  void checkpoint(long step, int keep, Writer writer) throws IOException {
    Path target = path.resolve(CHECKPOINTS).resolve(String.format(Locale.ROOT, "step-%08d", step));
    if (!Files.exists(target)) {
      write(target, writer);
    }
    show(target);
    List<Path> complete = complete(path);
    for (Path old : complete.subList(0, Math.max(0, complete.size() - keep))) {
      Path condemned = old.resolveSibling(old.getFileName() + ".old" + TEMPORARY);
      AtomicFile.rename(old, condemned);
      delete(condemned);
    }
  }

  private static void write(Path target, Writer writer) throws IOException {
    Path unfinished = target.resolveSibling(target.getFileName() + TEMPORARY);
    delete(unfinished);
    Files.createDirectories(unfinished);
    try {
      writer.write(unfinished);
      try (Stream<Path> files = Files.list(unfinished)) {
        for (Path file : files.toList()) {
          force(file);
        }
      }
    } catch (IOException e) {
      delete(unfinished);
      throw e;
    }
    force(unfinished);
    AtomicFile.rename(unfinished, target);
  }

  /** Gives a checkpoint's files a second name at the top of the run's folder. */
  private void show(Path checkpoint) throws IOException {
    try (Stream<Path> files = Files.list(checkpoint)) {
      for (Path file : files.sorted().toList()) {
        show(file, path.resolve(file.getFileName()));
      }
    }
  }

  private static void show(Path file, Path target) throws IOException {
    Path name = target.resolveSibling(target.getFileName() + TEMPORARY);
    Files.deleteIfExists(name);
    try {
      Files.createLink(name, file);
    } catch (UnsupportedOperationException | FileSystemException e) {
      Files.copy(file, name); // some file systems, FAT among them, know no second names
      force(name);
    }
    AtomicFile.rename(name, target);
    // POSIX: renaming to another name of the same file does nothing, and leaves both names.
    Files.deleteIfExists(name);
  }

  /**
   * Waits until what was written is on the disk; a folder's names too, where the system allows it.
   */
  private static void force(Path path) throws IOException {
    boolean folder = Files.isDirectory(path);
    if (folder && System.getProperty("os.name").startsWith("Windows")) {
      return;
    }
    try (var channel =
        FileChannel.open(path, folder ? StandardOpenOption.READ : StandardOpenOption.WRITE)) {
      channel.force(true);
    }
  }

  private static void delete(Path path) throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
