package org.gatun.train;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/**
 * The micro-batches of a run in their order; a thread of its own prepares the next ones ahead of
 * need.
 */
final class Batches implements AutoCloseable {
  private static final int AHEAD = 4;

  /** What a batch is cut from: rows of {@code context} tokens, {@code rows} at a time. */
  record Plan(Tokens tokens, int vocabulary, WindowOrder order, int rows, int context) {
    /** The micro-batch whose first row is the window at a position. */
    Batch at(long position) {
      var inputs = new int[rows * context];
      var targets = new int[rows * context];
      var window = new int[context + 1];
      for (int row = 0; row < rows; row++) {
        tokens.read(order.start(position + row), window, 0, context + 1, vocabulary);
        System.arraycopy(window, 0, inputs, row * context, context);
        System.arraycopy(window, 1, targets, row * context, context);
      }
      return new Batch(inputs, targets);
    }
  }

  private record Prepared(Batch batch, RuntimeException failure) {}

  private final BlockingQueue<Prepared> queue = new ArrayBlockingQueue<>(AHEAD);
  private final Thread loader;
  private long waitedNanos;

  /** Starts with the window at {@code position}. */
  Batches(Plan plan, long position) {
    this(plan, position, 0, 1);
  }

  /** Micro-batches are dealt to the ranks in turns: this rank's share of those from {@code position} on. */
  Batches(Plan plan, long position, int rank, int ranks) {
    long first = position + (long) rank * plan.rows();
    long stride = (long) ranks * plan.rows();
    loader = Thread.ofPlatform().name("gatun-loader").daemon().start(() -> load(plan, first, stride));
  }

  private void load(Plan plan, long start, long stride) {
    try {
      for (long position = start;; position += stride) {
        queue.put(prepare(plan, position));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // closed
    }
  }

  private static Prepared prepare(Plan plan, long position) {
    try {
      return new Prepared(plan.at(position), null);
    } catch (RuntimeException e) {
      return new Prepared(null, e);
    }
  }

  /** The next micro-batch; throws what kept the loader from making it. */
  Batch next() {
    long begun = System.nanoTime();
    try {
      Prepared prepared = queue.take();
      waitedNanos += System.nanoTime() - begun;
      if (prepared.failure() != null) {
        throw prepared.failure();
      }
      return prepared.batch();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for the next batch", e);
    }
  }

  /** Milliseconds that {@link #next} has kept its callers waiting, all together. */
  double waitedMillis() {
    return waitedNanos / 1e6;
  }

  /** Ends the loader and waits for it. */
  @Override
  public void close() {
    loader.interrupt();
    try {
      loader.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
