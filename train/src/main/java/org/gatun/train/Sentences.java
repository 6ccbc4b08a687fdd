package org.gatun.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** What went wrong, as a sentence for the one at the shell. */
final class Sentences {
  private Sentences() {}

  /**
   * Whether this is a matter of input or surroundings, which a sentence explains, and not of our
   * code.
   */
  static boolean explains(Throwable problem) {
    return problem.getMessage() != null
        && switch (problem) {
          case IOException _,UncheckedIOException _,IllegalArgumentException _,IllegalStateException _,UnsupportedOperationException _ ->
              true;
          default -> false;
        };
  }

  /**
   * The sentence. Exceptions of the file system carry little more than a name: says what it means.
   */
  static String of(Throwable problem) {
    return switch (problem) {
      case UncheckedIOException e -> of(e.getCause());
      case NoSuchFileException e -> e.getFile() + " does not exist";
      case AccessDeniedException e -> e.getFile() + ": permission denied";
      case FileAlreadyExistsException e ->
          e.getFile() + " is in the way: a file of that name exists";
      case NotDirectoryException e -> e.getFile() + " is not a folder";
      case FileSystemException e ->
          e.getFile() + ": " + (e.getReason() == null ? "the file system refused" : e.getReason());
      default -> problem.getMessage();
    };
  }
}
