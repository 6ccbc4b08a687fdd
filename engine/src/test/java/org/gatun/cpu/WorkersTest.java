package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkersTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void everyTaskRunsOnceInEachOfManyRounds(int threads) {
    try (var workers = new Workers(threads)) {
      for (int round = 0; round < 20_000; round++) {
        int tasks = round % 7;
        var runs = new AtomicIntegerArray(7);
        workers.run(tasks, (task, _) -> runs.incrementAndGet(task));
        for (int task = 0; task < 7; task++) {
          assertEquals(task < tasks ? 1 : 0, runs.get(task));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void everyWorkerBeginsWithAShareOfItsOwn(int threads) {
    try (var workers = new Workers(threads)) {
      for (int round = 0; round < 100; round++) {
        var begun = new AtomicInteger();
        var worker = new int[4 * threads];
        workers.run(
            worker.length,
            (task, who) -> {
              worker[task] = who;
              if (task % 4 == 0) {
                await(begun, threads);
              }
            });
        for (int share = 0; share < threads; share++) {
          assertEquals(share, worker[4 * share]);
        }
      }
    }
  }

  @Test
  void parkedWorkersWakeForTheNextRound() throws InterruptedException {
    try (var workers = new Workers(2)) {
      for (int round = 0; round < 20; round++) {
        Thread.sleep(5); // far longer than a worker spins
        var together = new AtomicInteger();
        workers.run(2, (_, _) -> await(together, 2));
        assertEquals(2, together.get());
      }
    }
  }

  @Test
  void noTwoTasksUseOneWorkersScratchAtATime() {
    try (var workers = new Workers(3)) {
      var inUse = new AtomicIntegerArray(3);
      workers.run(
          5_000,
          (_, worker) -> {
            assertEquals(1, inUse.incrementAndGet(worker));
            inUse.decrementAndGet(worker);
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void firstExceptionReachesTheCallerAndTheTeamGoesOn(int threads) {
    try (var workers = new Workers(threads)) {
      var failure = new IllegalArgumentException("task 3");
      var running = new AtomicInteger();
      var thrown =
          assertThrows(
              IllegalArgumentException.class,
              () -> workers.run(
                  100,
                  (task, _) -> {
                    running.incrementAndGet();
                    try {
                      if (task == 3) {
                        throw failure;
                      }
                    } finally {
                      running.decrementAndGet();
                    }
                  }));
      assertSame(failure, thrown);
      assertEquals(0, running.get());
      var ran = new AtomicInteger();
      workers.run(10, (_, _) -> ran.incrementAndGet());
      assertEquals(10, ran.get());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aTaskMayNotStartTasks(int threads) {
    try (var workers = new Workers(threads)) {
      var thrown =
          assertThrows(
              IllegalStateException.class,
              () -> workers.run(4, (_, _) -> workers.run(2, (_, _) -> {})));
      assertTrue(thrown.getMessage().contains("a task must not start tasks"), thrown.getMessage());
    }
  }

  @Test
  void twoTeamsWorkSideBySide() {
    try (var outer = new Workers(2);
        var inner = new Workers(2)) {
      var ran = new AtomicInteger();
      outer.run(1, (_, _) -> inner.run(8, (_, _) -> ran.incrementAndGet()));
      assertEquals(8, ran.get());
    }
  }

  @Test
  void closedTeamRefusesWork() {
    var workers = new Workers(2);
    workers.close();
    var thrown = assertThrows(IllegalStateException.class, () -> workers.run(2, (_, _) -> {}));
    assertTrue(thrown.getMessage().contains("closed"), thrown.getMessage());
  }

  private static void await(AtomicInteger arrived, int all) {
    arrived.incrementAndGet();
    while (arrived.get() < all) {
      Thread.onSpinWait();
    }
  }
}
