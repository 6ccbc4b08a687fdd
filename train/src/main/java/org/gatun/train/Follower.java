package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import org.gatun.optim.Schedule;

/** A rank other than the first: takes the same steps on other windows, and leaves files, evaluation and talk to the first. */
final class Follower implements AutoCloseable {
  private final Trainer.Job job;
  private final Ranks ranks;
  private final TrainStep trainStep;
  private final SpikeGuard guard;
  private final StopSignal stop;
  private final Schedule learningRate;
  private long step;
  private final long position;

  /** Ready to go on from a checkpoint, null for the beginning; weights are in the model. */
  Follower(Trainer.Job job, Path checkpoint, RunState state, Ranks ranks, StopSignal stop) throws IOException {
    this.job = job;
    this.ranks = ranks;
    this.stop = stop;
    this.trainStep = new TrainStep(job.model(), job.optimizer(), job.plan(), ranks.communicator());
    this.guard = new SpikeGuard(job.spikes(), state.guard());
    this.learningRate = job.optimizer().learningRate();
    this.step = state.step();
    this.position = state.dataPosition();
    if (step > 0) {
      Checkpoint.readMoments(checkpoint, job.model().parameters(), trainStep.adamw(), state.updates());
    }
  }

  /** Takes steps until the last, or until all ranks have agreed to stop. */
  void run() throws IOException {
    TrainStep.Pending before = null;
    boolean stopping = false;
    try (Batches batches = job.batches(position, ranks)) {
      while (step < job.optimizer().steps && !stopping) {
        trainStep.gradients(batches::next, step, stop.requested());
        TrainStep.Pending pending = trainStep.outcome();
        if (job.deferred()) {
          trainStep.update(learningRate.at(step));
          stopping = before != null && judge(before.await());
          before = pending;
        } else {
          stopping = look(pending.await());
        }
        step++;
        ranks.progress();
      }
    }
    if (before != null) {
      judge(before.await());
    }
  }

  /** The first rank does the same with the same numbers. */
  private boolean look(TrainStep.Outcome outcome) {
    boolean spike = guard.judge(outcome) != null;
    if (spike && job.spikes().onSpike == SpikeOptions.Action.SKIP) {
      trainStep.discard();
      if (!guard.skipped()) {
        throw new IllegalStateException("rank " + ranks.rank() + " ends as rank 0 does, which says why");
      }
    } else {
      trainStep.update(learningRate.at(step));
      return judge(outcome);
    }
    return outcome.stop();
  }

  private boolean judge(TrainStep.Outcome outcome) {
    if (!outcome.isFinite()) {
      throw new IllegalStateException("rank " + ranks.rank() + " ends as rank 0 does, which says why");
    }
    guard.taken(outcome);
    return outcome.stop();
  }

  @Override
  public void close() {
    trainStep.close();
  }
}
