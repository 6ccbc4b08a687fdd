package org.gatun.train;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.gatun.io.AtomicFile;
import org.gatun.io.MalformedFileException;

/** The file {@code SHA256SUMS} of a folder, as {@code sha256sum} writes it and checks it. */
final class Checksums {
  static final String NAME = "SHA256SUMS";

  private static final Pattern LINE = Pattern.compile("([0-9a-f]{64}) [ *]([\\w.-]+)");
  private static final int CHUNK = 1 << 20;

  private Checksums() {}

  /** Writes the sums of all files of a folder beside them. */
  static void write(Path folder) throws IOException {
    var sums = new StringBuilder();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        sums.append(sha256(file)).append("  ").append(file.getFileName()).append('\n');
      }
    }
    AtomicFile.write(folder.resolve(NAME), sums.toString());
  }

  /**
   * Reads every file that the sums name.
   *
   * @throws IOException if one of them is missing or not as it was written: names it
   */
  static void verify(Path folder) throws IOException {
    for (Map.Entry<String, String> entry : sums(folder).entrySet()) {
      compare(folder.resolve(entry.getKey()), entry.getValue());
    }
  }

  /**
   * Reads one file of a folder, before what it says is believed.
   *
   * @throws IOException if it is missing, not as it was written, or not named by the sums
   */
  static void verify(Path folder, String name) throws IOException {
    String sum = sums(folder).get(name);
    if (sum == null) {
      throw new MalformedFileException(folder.resolve(NAME), "no sum of " + name + " in it");
    }
    compare(folder.resolve(name), sum);
  }

  private static void compare(Path file, String sum) throws IOException {
    if (!Files.exists(file)) {
      throw new MalformedFileException(file, "missing, though " + NAME + " names it");
    }
    if (!sha256(file).equals(sum)) {
      throw new MalformedFileException(
          file, "damaged: its SHA-256 is not the one in " + NAME + " that it was written with");
    }
  }

  /** By name of a file, in the order of the lines. */
  private static Map<String, String> sums(Path folder) throws IOException {
    Path file = folder.resolve(NAME);
    if (!Files.exists(file)) {
      throw new MalformedFileException(
          folder, "no " + NAME + " in it, so it cannot be told whether its files are whole");
    }
    var sums = new LinkedHashMap<String, String>();
    for (String line : Files.readString(file, StandardCharsets.UTF_8).lines().toList()) {
      Matcher matcher = LINE.matcher(line);
      if (!matcher.matches()) {
        throw new MalformedFileException(
            file, "a line " + MalformedFileException.quote(line) + ", expected a sum and a name");
      }
      if (sums.put(matcher.group(2), matcher.group(1)) != null) {
        throw new MalformedFileException(file, "two sums of " + matcher.group(2) + " in it, expected one");
      }
    }
    return sums;
  }

  /** In hexadecimal. */
  static String sha256(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      var digest = MessageDigest.getInstance("SHA-256");
      var buffer = new byte[CHUNK];
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        digest.update(buffer, 0, read);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
