package org.gatun.model;

/** Which activations a training step computes a second time instead of keeping them. */
public enum Recompute {
  /** None: the fastest, and 18 B T C values a layer are kept. */
  NONE,
  /** Those within each half of a block, attention and feed-forward: 4 B T C values a layer are kept. */
  ATTENTION_MLP,
  /** Those within each block: 2 B T C values a layer are kept. */
  BLOCK
}
