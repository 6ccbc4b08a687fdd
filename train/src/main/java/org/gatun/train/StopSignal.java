package org.gatun.train;

import java.util.concurrent.CountDownLatch;

/**
 * Whether the process was asked to end (SIGINT, SIGTERM). The virtual machine then waits for {@link
 * #close}, so that a step can be finished and saved, and ends with 128 plus the signal's number.
 */
final class StopSignal implements AutoCloseable {
  private final CountDownLatch finished = new CountDownLatch(1);
  private final Thread hook = new Thread(this::await, "gatun-stop");
  private volatile boolean requested;

  StopSignal() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private void await() {
    requested = true;
    try {
      finished.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** True from the moment of the signal on. */
  boolean requested() {
    return requested;
  }

  /**
   * What was to be saved could not be: where a signal has come already, ends the process at once
   * with exit code 1, so that it does not look as if it had been.
   */
  void failed(Exception problem) {
    if (requested) {
      System.err.println("gatun: " + Sentences.of(problem));
      Runtime.getRuntime().halt(1);
    }
  }

  /** There is nothing left to save. */
  @Override
  public void close() {
    finished.countDown();
    if (!requested) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        requested = true; // the signal came just now, and the hook will find the latch open
      }
    }
  }
}
