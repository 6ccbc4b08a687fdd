package org.gatun.train;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Sampling;
import org.gatun.optim.Schedule;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Shape;

/** The loop: steps, and between them evaluations, samples and checkpoints. */
final class Trainer implements AutoCloseable {
  /** The step after which the peak is measured: the first ones are still being compiled. */
  private static final long MEASURED_AFTER = 20;

  /** The stream of {@link Philox#derive} that samples draw from: training never comes to it. */
  private static final long SAMPLES = -1;

  /**
   * What is trained, on what, and how.
   *
   * @param microSteps micro-batches of a step on each rank
   * @param capture whether steps are captured once and replayed
   * @param deferred whether an update is given to the device before the host has seen the loss: it then looks at each
   *     step while the next one is computed
   */
  record Job(
      Gpt2 model,
      Corpus corpus,
      BatchOptions batch,
      OptimizerOptions optimizer,
      RunOptions run,
      SpikeOptions spikes,
      int context,
      int microSteps,
      boolean shuffled,
      boolean capture,
      boolean deferred,
      MemoryEstimate memory) {
    /** Of what a step is made. */
    TrainStep.Plan plan() {
      return new TrainStep.Plan(
          Shape.of(batch.microBatch, context), microSteps, batch.recompute, run.seed, capture);
    }

    /** The micro-batches of a rank from a position of the run on. */
    Batches batches(long position, Ranks ranks) {
      long tokens = corpus.train().size();
      WindowOrder order =
          shuffled
              ? WindowOrder.shuffled(tokens, context, run.seed)
              : WindowOrder.sequential(tokens, context);
      var plan =
          new Batches.Plan(corpus.train(), corpus.vocabulary(), order, batch.microBatch, context);
      return new Batches(plan, position, ranks.rank(), ranks.size());
    }
  }

  /** A step that was given to the device and not looked at yet. */
  private record Begun(
      long step, float learningRate, long nanoTime, List<Batch> micro, TrainStep.Pending pending) {}

  /** Times a run goes back before it gives up: whatever is wrong, other data did not help. */
  private static final int MOST_REWINDS = 10;

  private final Job job;
  private final RunFolder folder;
  private final Provenance provenance;
  private final TrainStep trainStep;
  private final CheckpointWriter writer;
  private final Ranks ranks;
  private final SpikeGuard guard;
  private final StopSignal stop;
  private final Schedule learningRate;
  private final long begin;
  private Metrics metrics;
  private long step;
  private long position;
  private long savedStep = -1;
  private int rewinds;
  private Begun last;
  /** Steps after which all ranks have agreed to stop. */
  private long stopAt = Long.MAX_VALUE;
  private long settledAt;
  private double stepMillis;

  /**
   * Ready to go on from a state; weights are in the model, moments come from the folder's newest
   * checkpoint.
   */
  Trainer(Job job, RunFolder folder, RunState state, Ranks ranks, StopSignal stop) throws IOException {
    this.job = job;
    this.folder = folder;
    this.provenance = state.provenance();
    this.ranks = ranks;
    this.stop = stop;
    this.learningRate = job.optimizer().learningRate();
    this.trainStep = new TrainStep(job.model(), job.optimizer(), job.plan(), ranks.communicator());
    this.writer =
        new CheckpointWriter(
            folder, job.run(), job.model(), trainStep.adamw(), job.corpus().tokenizer());
    this.guard = new SpikeGuard(job.spikes(), state.guard());
    this.begin = state.step();
    this.step = state.step();
    this.position = state.dataPosition();
    if (step > 0) {
      Checkpoint.readMoments(
          folder.newest(), job.model().parameters(), trainStep.adamw(), state.updates());
      savedStep = step;
    }
  }

  /**
   * Trains until the last step, the time limit or a signal; prints the line that says how it ended.
   */
  void run(PrintStream out) throws IOException {
    try (var log = new StepLog(out, folder, job.run().logInterval, job.optimizer().steps)) {
      announce(log);
      steps(log);
      if (savedStep != step) {
        checkpoint();
      }
      writer.await();
      if (stopAt < Long.MAX_VALUE || stop.requested()) {
        log.line(
            "stopped after step " + step + "; go on with: gatun train --resume " + folder.path());
        return;
      }
      finish(log);
    }
  }

  private void announce(StepLog log) {
    var config = job.model().config();
    log.line(
        String.format(
            Locale.ROOT,
            "GPT-2 of %,d parameters (%d layers, %d heads, %d channels, context %d, vocabulary %d)"
                + " on %s, %s",
            config.parameterCount(),
            config.layers(),
            config.heads(),
            config.channels(),
            config.context(),
            config.vocabulary(),
            job.model().parameters().device().name(),
            job.model().parameters().precision().toString().toLowerCase(Locale.ROOT)));
    log.line("data: " + job.corpus().description());
    if (!job.corpus().hasValidation()) {
      log.line(
          "no validation data: val_loss is measured on the beginning of the training data;"
              + " --val-data gives other data");
    }
    log.line("memory: " + job.memory());
    log.line((step > 0 ? "going on after step " + step + " in " : "writing to ") + folder.path());
  }

  private void steps(StepLog log) throws IOException {
    RunOptions options = job.run();
    long deadline =
        options.maxMinutes == null
            ? Long.MAX_VALUE
            : System.nanoTime() + (long) (options.maxMinutes * 60e9);
    metrics = Metrics.open(folder, step);
    settledAt = System.nanoTime();
    try (var batches = job.batches(position, ranks)) {
      while (step < Math.min(job.optimizer().steps, stopAt)) {
        writer.check();
        boolean last = stop.requested() || System.nanoTime() >= deadline;
        if (last && ranks.size() == 1) {
          break;
        }
        if (step(batches, last, log)) {
          between(log);
        }
        ranks.progress();
      }
      settle(log);
      tellWaiting(batches, log);
    } finally {
      metrics.close();
    }
  }

  private void tellWaiting(Batches batches, StepLog log) {
    if (stepMillis > 0) {
      log.line(
          String.format(
              Locale.ROOT,
              "waited %.1f ms for data, %.3f%% of the steps' time",
              batches.waitedMillis(),
              100 * batches.waitedMillis() / stepMillis));
    }
  }

  /** Takes a step, the last one if all ranks hear of {@code stops} in time; false if the run went back instead. */
  private boolean step(Batches batches, boolean stops, StepLog log) throws IOException {
    long start = System.nanoTime();
    float rate = learningRate.at(step);
    var micro = new ArrayList<Batch>();
    trainStep.gradients(
        () -> {
          micro.add(batches.next());
          return micro.getLast();
        },
        step,
        stops);
    position += (long) ranks.size() * trainStep.plan().tokens() / job.context();
    var begun = new Begun(step, rate, start, micro, trainStep.outcome());
    if (!job.deferred()) {
      return look(begun, log);
    }
    trainStep.update(rate);
    step++;
    Begun before = last;
    last = begun;
    if (before != null) {
      report(before, before.pending().await(), log);
    }
    return true;
  }

  /** Looks at a step before its update. */
  private boolean look(Begun begun, StepLog log) throws IOException {
    TrainStep.Outcome outcome = begun.pending().await();
    String reason = guard.judge(outcome);
    if (reason != null && !goesOn(reason, begun, outcome, log)) {
      rewind(log);
      return false;
    }
    if (reason == null || job.spikes().onSpike == SpikeOptions.Action.LOG) {
      trainStep.update(begun.learningRate());
      guard.taken(outcome);
    }
    step++;
    tell(begun, outcome, log);
    return true;
  }

  /** Looks at a step whose update was given to the device with it; one that was not finite has changed nothing. */
  private void report(Begun begun, TrainStep.Outcome outcome, StepLog log) throws IOException {
    ranks.throwFailure();
    String reason = guard.judge(outcome);
    if (reason != null) {
      goesOn(reason, begun, outcome, log);
    }
    guard.taken(outcome);
    tell(begun, outcome, log);
  }

  /** Looks at the step that is under way, if any. */
  private void settle(StepLog log) throws IOException {
    if (last != null) {
      Begun begun = last;
      last = null;
      report(begun, begun.pending().await(), log);
    }
  }

  private void tell(Begun begun, TrainStep.Outcome outcome, StepLog log) throws IOException {
    long now = System.nanoTime();
    double millis = (now - Math.max(begun.nanoTime(), settledAt)) / 1e6;
    settledAt = now;
    stepMillis += millis;
    if (outcome.stop()) {
      // Ranks that look at a step while the next one runs take that one too, so this one must even if it has looked before.
      stopAt = Math.min(stopAt, begun.step() + (job.deferred() ? 2 : 1));
    }
    long number = begun.step() + 1;
    long tokens = trainStep.plan().tokens() * ranks.size();
    var result =
        new StepResult(
            number, number * tokens, outcome.loss(), begun.learningRate(), outcome.gradientNorm(), tokens, millis);
    metrics.add(result);
    log.step(result);
  }

  /** Saves a step that stands out and does what is to be done with it; false if that is to go back. */
  private boolean goesOn(String reason, Begun begun, TrainStep.Outcome outcome, StepLog log) throws IOException {
    long number = begun.step() + 1;
    String found = outcome.isFinite() ? null : trainStep.trace(begun.micro(), begun.step());
    String sentence =
        "step "
            + number
            + ": "
            + reason
            + (found == null ? "" : "; " + found)
            + (outcome.isFinite() && step > number ? "; its weights are saved as they are after step " + step : "");
    var incident = Incident.of(number, sentence, outcome, provenance.options());
    folder.incident(
        number,
        path -> {
          Checkpoint.writeModel(path, job.model(), job.corpus().tokenizer());
          incident.write(path, begun.micro(), trainStep.plan().shape());
        });
    String replay = "gatun replay --run " + folder.path() + " --step " + number;
    switch (job.spikes().onSpike) {
      case LOG -> {
        if (!outcome.isFinite()) {
          throw new IllegalStateException(
              ("%s. Training has diverged: start again with a smaller --lr or more --warmup-steps, or go on"
                  + " with --on-spike skip or rewind; look at the step with: %s")
                  .formatted(sentence, replay));
        }
        log.line(sentence + "; see: " + replay);
      }
      case SKIP -> {
        trainStep.discard();
        log.line(sentence + "; its update is left out; see: " + replay);
        if (!guard.skipped()) {
          throw new IllegalStateException(
              "%s, as %s steps before it: leaving them out does not help; start again with a smaller --lr"
                  .formatted(sentence, SpikeGuard.MOST_IN_A_ROW - 1));
        }
      }
      case REWIND -> {
        trainStep.discard();
        log.line(sentence + "; see: " + replay);
        return false;
      }
    }
    return true;
  }

  /** Back to the newest checkpoint, and on with the data that comes next. */
  private void rewind(StepLog log) throws IOException {
    writer.await();
    Path newest = folder.newest();
    if (newest == null || ++rewinds > MOST_REWINDS) {
      throw new IllegalStateException(
          newest == null
              ? "there is no checkpoint yet to go back to; take a smaller --checkpoint-interval, or --on-spike skip"
              : "going back " + MOST_REWINDS + " times did not help; start again with a smaller --lr");
    }
    Checksums.verify(newest);
    RunState saved = RunState.read(newest.resolve(RunFolder.STATE));
    new Gpt2Folder(newest).readInto(job.model());
    Checkpoint.readMoments(
        newest, job.model().parameters(), trainStep.adamw(), saved.updates());
    guard.restore(saved.guard());
    step = saved.step();
    savedStep = step;
    metrics.close();
    metrics = Metrics.open(folder, step);
    log.line("back to step " + step + ", on with other data");
  }

  /** What is due after a step. */
  private void between(StepLog log) throws IOException {
    RunOptions options = job.run();
    if (isDue(options.evalInterval) || isDue(options.sampleInterval) || isDue(options.checkpointInterval)) {
      settle(log);
    }
    boolean evaluates = isDue(options.evalInterval) && step < job.optimizer().steps;
    if (step == begin + MEASURED_AFTER || evaluates) {
      log.measured(
          PeakMeter.measure(job.model().parameters().device()),
          job.model().config().causalFlopsPerToken(job.context()));
    }
    if (evaluates) {
      log.line(String.format(Locale.ROOT, "step %d  val_loss %.4f", step, evaluate().loss()));
    }
    if (isDue(options.sampleInterval) && step < job.optimizer().steps) {
      sample(log);
    }
    if (isDue(options.checkpointInterval)) {
      checkpoint();
    }
  }

  private boolean isDue(long interval) {
    return interval > 0 && step % interval == 0;
  }

  private Evaluation evaluate() {
    return Evaluation.of(
        job.model(), job.corpus().validation(), job.run().evalTokens, job.context(), (_, _, _) -> ranks.alone());
  }

  private void sample(StepLog log) {
    if (job.corpus().tokenizer() == null || job.run().sampleTokens == 0) {
      return;
    }
    var sampling = Sampling.of(0.7f, 0, 0.95f, Philox.derive(job.run().seed, SAMPLES));
    String prompt = job.run().samplePrompt;
    log.line("sample after step " + step + ":");
    log.piece(prompt);
    job.model()
        .generate(
            job.corpus().tokenizer(),
            prompt,
            sampling,
            job.run().sampleTokens,
            piece -> {
              ranks.alone();
              log.piece(SampleCommand.printable(piece));
            });
    log.line("");
  }

  private void checkpoint() throws IOException {
    writer.write(
        new RunState(step, trainStep.adamw().steps(), position, guard.state(), provenance));
    savedStep = step;
  }

  private void finish(StepLog log) {
    Evaluation evaluation = evaluate();
    sample(log);
    log.line(
        String.format(
            Locale.ROOT,
            "done steps %d val_loss %.6f dir %s",
            step,
            evaluation.loss(),
            folder.path()));
  }

  @Override
  public void close() {
    writer.close();
    trainStep.close();
  }
}
