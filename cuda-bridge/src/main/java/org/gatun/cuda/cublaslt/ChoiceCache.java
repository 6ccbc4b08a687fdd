package org.gatun.cuda.cublaslt;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * Algorithms chosen by timing: one small file a card, library version and problem, of two lines, the key and the algorithm in
 * hexadecimal digits. A file that says something else is as good as none.
 */
final class ChoiceCache {
  private final Path folder;
  private final String machine;

  ChoiceCache(Path folder, String card, String version) {
    this.folder = folder;
    this.machine = card + ", cuBLASLt " + version;
  }

  /** The algorithm that was chosen for {@code problem}. */
  Optional<String> algorithm(MatmulProblem problem) {
    try {
      List<String> lines = Files.readString(file(problem), StandardCharsets.UTF_8).lines().toList();
      return lines.size() == 2 && lines.getFirst().equals(key(problem)) ? Optional.of(lines.getLast())
          : Optional.empty();
    } catch (NoSuchFileException _) {
      return Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file(problem) + ", a cached choice; delete it", e);
    }
  }

  /** Written beside its place and moved there, so that another process sees all of it or nothing. */
  void keep(MatmulProblem problem, String algorithm) {
    Path file = file(problem);
    try {
      Files.createDirectories(folder);
      Path written = Files.createTempFile(folder, "choice", ".part");
      Files.writeString(written, key(problem) + "\n" + algorithm + "\n", StandardCharsets.UTF_8);
      Files.move(written, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file + "; name another folder for caches", e);
    }
  }

  private Path file(MatmulProblem problem) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(key(problem).getBytes(StandardCharsets.UTF_8));
      return folder.resolve("matmul-" + HexFormat.of().formatHex(hash, 0, 12) + ".txt");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JDK has no SHA-256, which each must have", e);
    }
  }

  private String key(MatmulProblem problem) {
    return machine + ", " + problem;
  }
}
