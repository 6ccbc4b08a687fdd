package org.gatun.cuda.ffi;

import java.util.List;

/** A library that could not be found or opened: what was tried, in the loader's own words, and where to get it. */
public final class MissingLibraryException extends UnsupportedOperationException {
  private static final long serialVersionUID = 1L;

  private final String reason;
  private final transient List<String> tried;
  private final String remedy;

  MissingLibraryException(String reason, List<String> tried, String remedy) {
    super(reason + "; " + remedy);
    this.reason = reason;
    this.tried = List.copyOf(tried);
    this.remedy = remedy;
  }

  /** What is missing, without the remedy. */
  public String reason() {
    return reason;
  }

  /** What the loader said of each file that it was given, and the folders that have none. */
  public List<String> tried() {
    return tried;
  }

  /** How to get it. */
  public String remedy() {
    return remedy;
  }
}
