package org.gatun.cpu;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * The fixed team of threads of one {@link CpuDevice}: rounds of numbered tasks. Each worker begins with a share
 * of its own, then helps the others with theirs: so rows that a worker has just written, or a panel that it
 * has packed, are still in its caches in the next task or round.
 */
final class Workers implements AutoCloseable {
  /** One numbered piece of a round; {@code worker} in [0, threads) tells whose scratch it may use. */
  @FunctionalInterface
  interface Task {
    void run(int task, int worker);
  }

  /**
   * How often a thread looks before it parks: some 50 µs. Waking a parked thread costs about as much,
   * and the gaps between the kernels of a training step are shorter.
   */
  private static final int SPINS = 2_000;

  private static final Round NO_ROUND = new Round(0, (_, _) -> {}, 0, null);
  private static final Round LAST_ROUND = new Round(0, (_, _) -> {}, 0, null);

  private final Member[] members;
  private final AtomicBoolean busy = new AtomicBoolean();
  private volatile Round current = NO_ROUND;

  /** Starts {@code threads - 1} daemon threads; who calls {@link #run} is the remaining worker. */
  Workers(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("Workers: " + threads + " threads; give at least one");
    }
    members = new Member[threads - 1];
    for (int i = 0; i < members.length; i++) {
      members[i] = new Member(i + 1);
      members[i].start();
    }
  }

  int threads() {
    return members.length + 1;
  }

  /**
   * Runs tasks 0 to {@code tasks - 1} and returns when all have ended. The caller is worker 0. After a
   * task has thrown, no further one is begun, and the first exception is thrown here.
   */
  void run(int tasks, Task task) {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Workers.run: the team is at work; a task must not start tasks, and a device serves one thread at a time");
    }
    try {
      if (current == LAST_ROUND) {
        throw new IllegalStateException("Workers.run: the team was closed; do not use a closed device");
      }
      if (tasks <= 1 || members.length == 0) {
        for (int i = 0; i < tasks; i++) {
          task.run(i, 0);
        }
      } else {
        share(new Round(tasks, task, Math.min(tasks, threads()), Thread.currentThread()));
      }
    } finally {
      busy.set(false);
    }
  }

  private void share(Round round) {
    announce(round, round.tasks - 1);
    round.work(0);
    round.awaitEnd();
    round.rethrow();
  }

  private void announce(Round round, int wanted) {
    current = round;
    for (int i = 0; i < Math.min(wanted, members.length); i++) {
      if (members[i].parked) {
        LockSupport.unpark(members[i]);
      }
    }
  }

  /** Ends the threads; refused while a round is running. */
  @Override
  public void close() {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException("Workers.close: the team is at work; close the device after its last call");
    }
    announce(LAST_ROUND, members.length);
    busy.set(false);
  }

  /** Tasks of one call. A thread that comes late finds none left, so it can never disturb a later round. */
  private static final class Round {
    final int tasks;
    private final Task task;
    private final Thread caller;

    /** By share, the first task that nobody has begun. */
    private final AtomicIntegerArray next;

    private final AtomicInteger ended = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile boolean callerParked;

    Round(int tasks, Task task, int shares, Thread caller) {
      this.tasks = tasks;
      this.task = task;
      this.caller = caller;
      next = new AtomicIntegerArray(shares);
      for (int share = 0; share < shares; share++) {
        next.set(share, first(share));
      }
    }

    private int first(int share) {
      return (int) ((long) tasks * share / next.length());
    }

    void work(int worker) {
      for (int i = 0; i < next.length(); i++) {
        work(worker, (worker + i) % next.length());
      }
    }

    private void work(int worker, int share) {
      int end = first(share + 1);
      int i;
      while ((i = next.getAndIncrement(share)) < end) {
        try {
          if (failure.get() == null) {
            task.run(i, worker);
          }
        } catch (Throwable t) { // carried to the caller, whose task it was
          failure.compareAndSet(null, t);
        }
        if (ended.incrementAndGet() == tasks && callerParked) {
          LockSupport.unpark(caller);
        }
      }
    }

    void awaitEnd() {
      for (int spins = 0; ended.get() < tasks; spins++) {
        if (spins < SPINS) {
          Thread.onSpinWait();
        } else {
          callerParked = true;
          if (ended.get() < tasks) {
            LockSupport.park(this);
          }
        }
      }
    }

    void rethrow() {
      switch (failure.get()) {
        case null -> {}
        case RuntimeException e -> throw e;
        case Error e -> throw e;
        case Throwable t -> throw new IllegalStateException("a task threw a checked exception", t);
      }
    }
  }

  private final class Member extends Thread {
    private final int worker;
    volatile boolean parked;

    Member(int worker) {
      super("gatun-cpu-" + worker);
      this.worker = worker;
      setDaemon(true);
    }

    @Override
    public void run() {
      Round seen = NO_ROUND;
      while (seen != LAST_ROUND) {
        seen = awaitOther(seen);
        seen.work(worker);
      }
    }

    private Round awaitOther(Round seen) {
      for (int spins = 0;; spins++) {
        Round round = current;
        if (round != seen) {
          return round;
        }
        if (spins < SPINS) {
          Thread.onSpinWait();
        } else {
          park(seen);
        }
      }
    }

    /** {@code parked} is set before the last look, and read by the caller after it has set {@code current}. */
    private void park(Round seen) {
      parked = true;
      if (current == seen) {
        LockSupport.park(Workers.this);
      }
      parked = false;
    }
  }
}
