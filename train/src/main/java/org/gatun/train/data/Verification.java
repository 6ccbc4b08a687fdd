package org.gatun.train.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.gatun.io.MalformedFileException;

/** Whether the files of a folder are those that its manifest describes. */
public final class Verification {
  private Verification() {}

  /**
   * Reads every byte; {@code progress} is told each file's name before it is read.
   *
   * @return how many files there are
   * @throws IOException if there is no manifest with files, or if one is missing or has changed: names the first
   */
  public static int of(Path folder, Consumer<String> progress) throws IOException {
    Path file = folder.resolve(DataManifest.NAME);
    if (!Files.exists(file)) {
      Preparation.requireComplete(folder);
      throw new IOException(
          folder + " has no " + DataManifest.NAME + ", so there is nothing to compare its files with");
    }
    var manifest = DataManifest.of(folder);
    if (manifest.files().isEmpty()) {
      throw new MalformedFileException(file, "names no files, so there is nothing to compare them with");
    }
    for (DataManifest.Entry entry : manifest.files()) {
      progress.accept(entry.name());
      verify(folder.resolve(entry.name()), entry);
    }
    return manifest.files().size();
  }

  private static void verify(Path path, DataManifest.Entry entry) throws IOException {
    if (!Files.exists(path)) {
      throw new MalformedFileException(path, "is missing, but the manifest names it; prepare the data again");
    }
    long bytes = Files.size(path);
    if (bytes != entry.bytes()) {
      throw new MalformedFileException(
          path, "has %d bytes, the manifest says %d; prepare the data again".formatted(bytes, entry.bytes()));
    }
    String sha256 = Sha256.of(path);
    if (!sha256.equals(entry.sha256())) {
      throw new MalformedFileException(
          path, "has SHA-256 %s, the manifest says %s; prepare the data again".formatted(sha256, entry.sha256()));
    }
  }
}
