package org.gatun.model;

import java.util.Locale;

/** Which activations a training step computes a second time instead of keeping them. */
public enum Recompute {
  /**
   * None: the fastest, and 18 B T C values a layer are kept, or 14 on a CPU, which computes the GELU again in any case.
   */
  NONE,
  /** Those within each half of a block, attention and feed-forward: 4 B T C values a layer are kept. */
  ATTENTION_MLP,
  /** Those within each block: 2 B T C values a layer are kept. */
  BLOCK;

  /** The name in lower case, with dashes. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
