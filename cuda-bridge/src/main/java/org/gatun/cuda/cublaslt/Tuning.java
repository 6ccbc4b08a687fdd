package org.gatun.cuda.cublaslt;

import java.nio.file.Path;

/**
 * How a plan chooses among the kernels that the library proposes.
 *
 * @param timed runs the best proposals on scratch memory and takes the fastest; else the library's first is taken
 * @param cacheFolder where choices are kept by card, library version and problem; {@code null} for none
 */
public record Tuning(boolean timed, Path cacheFolder) {
  /** The library's first proposal, nothing on disk. */
  public static Tuning none() {
    return new Tuning(false, null);
  }
}
