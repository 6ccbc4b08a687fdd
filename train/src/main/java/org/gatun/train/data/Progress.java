package org.gatun.train.data;

/** Who is told how far a preparation is. */
public interface Progress {
  /**
   * Called between chunks, often.
   *
   * @param surveying whether texts are only looked at, before the first is encoded
   * @param readBytes of the files that have been read, of {@code fileBytes}
   * @param textBytes of text since the process began
   * @param tokens made since the process began
   */
  void at(boolean surveying, long readBytes, long fileBytes, long textBytes, long tokens);
}
