package org.gatun.train.data;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Works on chunks with several threads and hands the results over in the order of the chunks, in the thread that reads
 * them. What is under way is bounded in bytes, so that memory does not depend on the length of the input.
 */
final class Pipeline implements AutoCloseable {
  /** Text under way for each thread; a longer record is under way alone. */
  private static final long BYTES_A_THREAD = 4 << 20;

  /** What is done to a chunk; called from several threads. */
  @FunctionalInterface
  interface Work<T> {
    T of(Chunk chunk) throws IOException;
  }

  /** Where results go. */
  @FunctionalInterface
  interface Taker<T> {
    void take(Chunk chunk, T result) throws IOException;
  }

  private record Pending<T>(Chunk chunk, Future<T> result) {}

  private final ExecutorService threads;
  private final long most;

  Pipeline(int threads) {
    this.threads =
        Executors.newFixedThreadPool(
            threads, task -> Thread.ofPlatform().name("gatun-prepare").daemon().unstarted(task));
    this.most = threads * BYTES_A_THREAD;
  }

  /** Until the reader has no more. */
  <T> void run(ChunkReader reader, Work<T> work, Taker<T> taker) throws IOException {
    Deque<Pending<T>> pending = new ArrayDeque<>();
    long bytes = 0;
    for (Chunk chunk = reader.next(); chunk != null; chunk = reader.next()) {
      while (!pending.isEmpty() && bytes + chunk.bytes() > most) {
        bytes -= take(pending, taker);
      }
      Chunk own = chunk;
      pending.add(new Pending<>(chunk, threads.submit(() -> work.of(own))));
      bytes += chunk.bytes();
      while (!pending.isEmpty() && pending.getFirst().result().isDone()) {
        bytes -= take(pending, taker);
      }
    }
    while (!pending.isEmpty()) {
      take(pending, taker);
    }
  }

  private static <T> long take(Deque<Pending<T>> pending, Taker<T> taker) throws IOException {
    Pending<T> first = pending.removeFirst();
    taker.take(first.chunk(), result(first.result()));
    return first.chunk().bytes();
  }

  private static <T> T result(Future<T> future) throws IOException {
    try {
      return future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while preparing data", e);
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException problem -> throw problem;
        case RuntimeException problem -> throw problem;
        case Error problem -> throw problem;
        default -> throw new IllegalStateException(e.getCause());
      }
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
