package org.gatun.train;

import org.gatun.tensor.Philox;

/**
 * In which order windows of T + 1 tokens (T inputs, targets shifted by one) are taken from a
 * sequence. Window w begins at token w T, so that neighbours share one token and every token is
 * predicted once an epoch. A position counts windows since the start of training: with the seed, it
 * is all there is to remember.
 */
final class WindowOrder {
  private final long windows;
  private final int context;
  private final boolean shuffled;
  private final long seed;
  private final int halfBits;

  private WindowOrder(long windows, int context, boolean shuffled, long seed) {
    this.windows = windows;
    this.context = context;
    this.shuffled = shuffled;
    this.seed = seed;
    int bits = Long.SIZE - Long.numberOfLeadingZeros(Math.max(1, windows - 1));
    this.halfBits = (bits + 1) / 2;
  }

  /**
   * A new permutation of all windows each epoch; there must be more tokens than {@code context}.
   */
  static WindowOrder shuffled(long tokens, int context, long seed) {
    return new WindowOrder((tokens - 1) / context, context, true, seed);
  }

  /** One after the other, epoch after epoch. */
  static WindowOrder sequential(long tokens, int context) {
    return new WindowOrder((tokens - 1) / context, context, false, 0);
  }

  /** How many windows an epoch has. */
  long windows() {
    return windows;
  }

  /** The first token of the window at a position. */
  long start(long position) {
    long index = position % windows;
    return context * (shuffled ? shuffled(index, Philox.derive(seed, position / windows)) : index);
  }

  /**
   * The image of an index under a permutation of [0, windows) that depends on a key: a Feistel
   * network over the next power of four, walked on until it lands inside (Black and Rogaway, 2002).
   * Needs no memory, whatever the number of windows.
   */
  private long shuffled(long index, long key) {
    long image = index;
    do {
      image = feistel(image, key);
    } while (image >= windows);
    return image;
  }

  private long feistel(long value, long key) {
    long mask = (1L << halfBits) - 1;
    long left = value >>> halfBits;
    long right = value & mask;
    for (int round = 0; round < 6; round++) {
      long mixed = left ^ Philox.bits(key, (long) round << 32 | right) & mask;
      left = right;
      right = mixed;
    }
    return left << halfBits | right;
  }
}
