package org.gatun.train;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.gatun.train.data.DataManifest;
import org.gatun.train.data.Preparation;
import org.gatun.train.data.Split;
import org.gatun.train.data.TokenLayout;

/**
 * Files of little-endian tokens: raw, as nanoGPT writes them, behind llm.c's header, or NumPy arrays; told apart by
 * their first bytes. Mapped, not read.
 */
final class TokenFile {
  private TokenFile() {}

  /** Whether a file's name, or the header it begins with, says that it holds tokens. */
  static boolean isNamed(Path file) {
    String name = file.toString();
    return name.endsWith(".bin") || name.endsWith(".npy") || hasHeader(file);
  }

  private static boolean hasHeader(Path file) {
    if (!Files.isRegularFile(file)) {
      return false;
    }
    try (InputStream in = Files.newInputStream(file)) {
      return TokenLayout.isHeader(in.readNBytes(8));
    } catch (IOException e) {
      return false; // whoever opens it will say why
    }
  }

  /** Whether data is tokens: a file of them, or a folder that has such files for training. */
  static boolean holds(Path data) throws IOException {
    return Files.isDirectory(data) ? !files(data, Split.TRAIN).isEmpty() : isNamed(data);
  }

  /**
   * The files of a folder that hold a split, in the order of their names: {@code train.bin}, or shards with {@code
   * train} in their names, as llm.c and build-nanogpt write them too. None if there are none.
   *
   * @throws IOException if the folder is still being prepared
   */
  static List<Path> files(Path folder, Split split) throws IOException {
    Preparation.requireComplete(folder);
    try (var files = Files.list(folder)) {
      return files.filter(file -> isOf(file, split)).sorted().toList();
    }
  }

  private static boolean isOf(Path file, Split split) {
    String name = file.getFileName().toString();
    boolean ends = name.endsWith(".bin") || name.endsWith(".npy");
    return ends && !name.startsWith(".") && List.of(name.split("[._-]")).contains(split.toString());
  }

  /**
   * The tokens of a split: of a folder, the files that are named after it; of a file, all it has.
   *
   * @return null if a folder has none
   */
  static Tokens open(Path data, Split split) throws IOException {
    if (!Files.isDirectory(data)) {
      return open(data);
    }
    List<Path> files = files(data, split);
    if (files.isEmpty()) {
      return null;
    }
    var runs = new ArrayList<Tokens.Run>();
    int width = DataManifest.of(data).width();
    for (Path file : files) {
      runs.add(run(file, width));
    }
    return Tokens.of(files.size() == 1 ? files.getFirst().toString() : data + " (" + split + ")", runs);
  }

  /**
   * The tokens of a file.
   *
   * @throws IOException if it holds something else
   * @throws IllegalArgumentException if it is empty
   */
  static Tokens open(Path file) throws IOException {
    return Tokens.of(file.toString(), List.of(run(file, DataManifest.of(folder(file)).width())));
  }

  /** The folder a file lies in. */
  static Path folder(Path file) {
    return file.toAbsolutePath().getParent();
  }

  private static Tokens.Run run(Path file, int rawWidth) throws IOException {
    try (var channel = FileChannel.open(file)) {
      if (channel.size() == 0) {
        throw new IllegalArgumentException(
            file + " is empty; a token file holds two bytes a token");
      }
      // Mapped for as long as the process lives: unmapping under a reader's feet would end the VM.
      MemorySegment bytes =
          channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.global());
      var layout = TokenLayout.of(file, bytes, rawWidth);
      return new Tokens.Run(
          file.toString(),
          bytes.asSlice(layout.offset(), layout.count() * layout.width()),
          layout.width());
    }
  }
}
