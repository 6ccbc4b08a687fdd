package org.gatun.io;

import java.io.IOException;
import java.nio.file.Path;

/** A file is there and can be read, but is not what its name or its beginning says. */
public final class MalformedFileException extends IOException {
  private static final long serialVersionUID = 1;
  private static final int LONGEST_QUOTE = 120;

  /** The message is {@code file: problem}; the problem says what came and what was expected. */
  public MalformedFileException(Path file, String problem) {
    super(file + ": " + problem);
  }

  /** As above, with what noticed it. */
  public MalformedFileException(Path file, String problem, Throwable cause) {
    super(file + ": " + problem, cause);
  }

  /** A word from a file, fit to stand in a sentence: on one line and not too long. */
  public static String quote(String word) {
    String start = word.length() <= LONGEST_QUOTE ? word : word.substring(0, LONGEST_QUOTE) + "...";
    var quoted = new StringBuilder("\"");
    start.chars().forEach(c -> {
      if (Character.isISOControl(c) || Character.isSurrogate((char) c) || c == '\u2028' || c == '\u2029') {
        quoted.append(String.format("\\u%04x", c));
      } else {
        quoted.append((char) c);
      }
    });
    return quoted.append('"').toString();
  }
}
