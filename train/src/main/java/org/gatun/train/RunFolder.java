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
 * checkpoints} alone, and reads every file of one before it does, to find that it is as it was written.
 *
 * <p>{@code incidents/step-00000500} holds in the same way what it takes to look at a step that stood
 * out: the model as it was before, and the batch.
 */
final class RunFolder implements AutoCloseable {
  static final String STATE = "state.json";
  private static final String CHECKPOINTS = "checkpoints";
  private static final String INCIDENTS = "incidents";
  private static final int KEPT_INCIDENTS = 3;
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
              + " holds a run already; leave --fresh out to go on with it, or give another --out");
    }
    try (Stream<Path> files = Files.list(path)) {
      if (files.anyMatch(file -> !file.toString().endsWith(TEMPORARY) && !file.endsWith(".lock"))) {
        throw new IOException(path + " is not empty; give --out a new folder");
      }
    }
  }

  /** Whether a run is there, finished or not. */
  static boolean isRun(Path path) throws IOException {
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

  /** The newest complete checkpoint of a run that this process need not own; null before the first. */
  static Path newest(Path path) throws IOException {
    List<Path> complete = complete(path);
    if (!complete.isEmpty()) {
      return complete.getLast();
    }
    return Files.exists(path.resolve("optimizer.safetensors")) ? path : null;
  }

  /** Makes the checkpoint of a step, which must be there, the newest: removes later ones. */
  void returnTo(long step) throws IOException {
    for (Path checkpoint : complete(path)) {
      if (step(checkpoint) > step) {
        condemn(checkpoint);
      }
    }
    show(complete(path).getLast());
  }

  /** The saved incident of a step; null if there is none. */
  static Path incident(Path run, long step) {
    Path incident = run.resolve(INCIDENTS).resolve(name(step));
    return Files.isDirectory(incident) ? incident : null;
  }

  /** The steps of which an incident is saved. */
  static List<Long> incidents(Path run) throws IOException {
    return complete(run, INCIDENTS).stream().map(RunFolder::step).toList();
  }

  private static String name(long step) {
    return String.format(Locale.ROOT, "step-%08d", step);
  }

  /** Moves a run's folder out of the way, to the first free name {@code path-N}, which is returned. */
  static Path setAside(Path path) throws IOException {
    int number = 1;
    while (Files.exists(path.resolveSibling(path.getFileName() + "-" + number))) {
      number++;
    }
    Path aside = path.resolveSibling(path.getFileName() + "-" + number);
    new RunFolder(path).close(); // refuses while another process trains there
    AtomicFile.rename(path, aside);
    return aside;
  }

  /** The state of the newest checkpoint of a run, or the one it began in. */
  static RunState state(Path path) throws IOException {
    requireRun(path);
    Path newest = newest(path);
    return newest == null ? RunState.read(path.resolve(STATE)) : whole(newest);
  }

  /** The state of the checkpoint of a step. */
  static RunState state(Path path, long step) throws IOException {
    requireRun(path);
    Path checkpoint = path.resolve(CHECKPOINTS).resolve(name(step));
    if (!Files.isDirectory(checkpoint)) {
      throw new IOException(
          "%s has no checkpoint of step %s; there are %s".formatted(path, step, steps(path)));
    }
    return whole(checkpoint);
  }

  /** The state of a checkpoint, whose options decide all that follows: a damaged one must not be believed. */
  private static RunState whole(Path checkpoint) throws IOException {
    Checksums.verify(checkpoint, STATE);
    return RunState.read(checkpoint.resolve(STATE));
  }

  private static List<Long> steps(Path path) throws IOException {
    return complete(path).stream().map(RunFolder::step).toList();
  }

  /** The end of a sentence on a damaged newest checkpoint: an earlier one is taken on request only. */
  static String insteadOfTheNewest(Path path) throws IOException {
    List<Long> steps = steps(path);
    return steps.size() < 2
        ? "there is no earlier checkpoint, so put the file back or begin anew with --fresh"
        : "go on from the checkpoint before it with --resume-step " + steps.get(steps.size() - 2);
  }

  /** Complete checkpoints, oldest first. */
  private static List<Path> complete(Path path) throws IOException {
    return complete(path, CHECKPOINTS);
  }

  private static List<Path> complete(Path path, String kind) throws IOException {
    Path checkpoints = path.resolve(kind);
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
    for (Path folder : List.of(path, checkpoints, path.resolve(INCIDENTS))) {
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
   * Writes the checkpoint of a step and removes earlier ones, but for the newest {@code keep} and those
   * whose step is a multiple of {@code every}, unless that is zero.
   *
   * @throws IOException if it cannot be written; earlier checkpoints are as they were
   */
  void checkpoint(long step, int keep, long every, Writer writer) throws IOException {
    Path target = path.resolve(CHECKPOINTS).resolve(name(step));
    if (!Files.exists(target)) {
      write(target, writer);
    }
    show(target);
    List<Path> complete = complete(path);
    for (Path old : complete.subList(0, Math.max(0, complete.size() - keep))) {
      if (every == 0 || step(old) % every != 0) {
        condemn(old);
      }
    }
  }

  /** Saves what it takes to look at a step that stood out; the newest few are kept. */
  Path incident(long step, Writer writer) throws IOException {
    Path target = path.resolve(INCIDENTS).resolve(name(step));
    if (Files.exists(target)) {
      condemn(target);
    }
    write(target, writer);
    List<Path> all = complete(path, INCIDENTS);
    for (Path old : all.subList(0, Math.max(0, all.size() - KEPT_INCIDENTS))) {
      condemn(old);
    }
    return target;
  }

  private static void condemn(Path folder) throws IOException {
    Path condemned = folder.resolveSibling(folder.getFileName() + ".old" + TEMPORARY);
    AtomicFile.rename(folder, condemned);
    delete(condemned);
  }

  private static void write(Path target, Writer writer) throws IOException {
    Path unfinished = target.resolveSibling(target.getFileName() + TEMPORARY);
    delete(unfinished);
    Files.createDirectories(unfinished);
    try {
      writer.write(unfinished);
      Checksums.write(unfinished);
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
