package org.gatun.train;

import java.io.IOException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.gatun.model.Gpt2;
import org.gatun.model.Tokenizer;
import org.gatun.optim.AdamW;

/**
 * Writes checkpoints. With a copy of weights and moments of its own it does so while training goes on,
 * one at a time; without, before it returns. Either way a failure ends the run: in the step after it.
 */
final class CheckpointWriter implements AutoCloseable {
  private final RunFolder folder;
  private final RunOptions options;
  private final Gpt2 model;
  private final AdamW adamw;
  private final Tokenizer tokenizer;
  private final Snapshot snapshot;
  private FutureTask<Void> inFlight;
  private long inFlightStep;

  CheckpointWriter(RunFolder folder, RunOptions options, Gpt2 model, AdamW adamw, Tokenizer tokenizer) {
    this.folder = folder;
    this.options = options;
    this.model = model;
    this.adamw = adamw;
    this.tokenizer = tokenizer;
    this.snapshot = options.checkpointWrite == RunOptions.Write.ASYNC ? new Snapshot(model, adamw) : null;
  }

  /** Writes the checkpoint of the run's state, or begins to; waits for the one before. */
  void write(RunState state) throws IOException {
    await();
    if (snapshot == null) {
      write(model, Checkpoint.Moments.of(adamw), state);
      return;
    }
    snapshot.take();
    inFlightStep = state.step();
    inFlight =
        new FutureTask<>(
            () -> {
              write(snapshot.model(), snapshot.moments(), state);
              return null;
            });
    Thread.ofPlatform().name("gatun-checkpoint").start(inFlight);
  }

  private void write(Gpt2 weights, Checkpoint.Moments moments, RunState state) throws IOException {
    try {
      folder.checkpoint(
          state.step(),
          options.keepCheckpoints,
          options.keepEvery,
          path -> Checkpoint.write(path, weights, tokenizer, moments, state));
    } catch (IOException e) {
      throw new IOException(
          "the checkpoint of step %s could not be written to %s: %s; earlier ones are as they were"
              .formatted(state.step(), folder.path(), Sentences.of(e)),
          e);
    }
  }

  /** Throws what has gone wrong, if the checkpoint in flight has ended. */
  void check() throws IOException {
    if (inFlight != null && inFlight.isDone()) {
      await();
    }
  }

  /** Waits until the checkpoint in flight is on the disk. */
  void await() throws IOException {
    if (inFlight == null) {
      return;
    }
    FutureTask<Void> task = inFlight;
    inFlight = null;
    try {
      task.get();
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException problem -> throw problem;
        case RuntimeException problem -> throw problem;
        case Throwable problem -> throw new IllegalStateException("checkpoint of step " + inFlightStep, problem);
      }
    } catch (InterruptedException | CancellationException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while the checkpoint of step " + inFlightStep + " was written", e);
    }
  }

  /** Waits for the writer's thread, whatever became of its checkpoint, and gives the copy's memory back. */
  @Override
  public void close() {
    try {
      await();
    } catch (IOException e) {
      System.err.println("gatun: " + e.getMessage());
    } finally {
      if (snapshot != null) {
        snapshot.close();
      }
    }
  }
}
