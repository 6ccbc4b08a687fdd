package org.gatun.train;

import java.io.IOException;
import java.io.PrintStream;
import java.util.Locale;
import org.gatun.model.Gpt2;
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

  /** What is trained, on what, and how. */
  record Job(
      Gpt2 model,
      Corpus corpus,
      BatchOptions batch,
      OptimizerOptions optimizer,
      RunOptions run,
      int context,
      boolean shuffled) {}

  private final Job job;
  private final RunFolder folder;
  private final RunState begin;
  private final TrainStep trainStep;
  private final WindowOrder order;
  private final StopSignal stop;
  private final Schedule learningRate;
  private long step;
  private long savedStep = -1;

  /**
   * Ready to go on from a state; weights are in the model, moments come from the folder's newest
   * checkpoint.
   */
  Trainer(Job job, RunFolder folder, RunState state, StopSignal stop) throws IOException {
    this.job = job;
    this.folder = folder;
    this.begin = state;
    this.stop = stop;
    long tokens = job.corpus().train().size();
    this.order =
        job.shuffled()
            ? WindowOrder.shuffled(tokens, job.context(), job.run().seed)
            : WindowOrder.sequential(tokens, job.context());
    this.learningRate = job.optimizer().learningRate();
    this.trainStep =
        new TrainStep(
            job.model(),
            job.optimizer(),
            Shape.of(job.batch().microBatch, job.context()),
            job.batch().microSteps(job.context()),
            job.run().seed);
    this.step = state.step();
    if (step > 0) {
      Checkpoint.readMoments(folder.newest(), job.model().parameters(), trainStep.adamw(), step);
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
      if (stop.requested()) {
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
    log.line((step > 0 ? "going on after step " + step + " in " : "writing to ") + folder.path());
  }

  private void steps(StepLog log) throws IOException {
    RunOptions options = job.run();
    long deadline =
        options.maxMinutes == null
            ? Long.MAX_VALUE
            : System.nanoTime() + (long) (options.maxMinutes * 60e9);
    long position = begin.dataPosition();
    double stepMillis = 0;
    var plan =
        new Batches.Plan(
            job.corpus().train(),
            job.corpus().vocabulary(),
            order,
            job.batch().microBatch,
            job.context());
    try (var metrics = Metrics.open(folder, step);
        var batches = new Batches(plan, position)) {
      while (step < job.optimizer().steps && !stop.requested() && System.nanoTime() < deadline) {
        StepResult result = step(batches);
        metrics.add(result);
        log.step(result);
        requireFinite(result);
        between(log);
        stepMillis += result.millis();
      }
      if (stepMillis > 0) {
        log.line(
            String.format(
                Locale.ROOT,
                "waited %.1f ms for data, %.3f%% of the steps' time",
                batches.waitedMillis(),
                100 * batches.waitedMillis() / stepMillis));
      }
    }
  }

  private StepResult step(Batches batches) {
    long start = System.nanoTime();
    float rate = learningRate.at(step);
    TrainStep.Outcome outcome = trainStep.run(batches, step, rate);
    step++;
    double millis = (System.nanoTime() - start) / 1e6;
    return new StepResult(
        step,
        step * trainStep.tokens(),
        outcome.loss(),
        rate,
        outcome.gradientNorm(),
        trainStep.tokens(),
        millis);
  }

  private void requireFinite(StepResult result) {
    if (!Float.isFinite(result.loss()) || !Float.isFinite(result.gradientNorm())) {
      throw new IllegalStateException(
          ("step %s: loss %s, gradient norm %s; training has diverged. Start again with a smaller"
              + " --lr or more --warmup-steps; the newest checkpoint is of step %s")
              .formatted(step, result.loss(), result.gradientNorm(), Math.max(0, savedStep)));
    }
  }

  /** What is due after a step. */
  private void between(StepLog log) throws IOException {
    RunOptions options = job.run();
    boolean evaluates = isDue(options.evalInterval) && step < job.optimizer().steps;
    if (step == begin.step() + MEASURED_AFTER || evaluates) {
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
        job.model(), job.corpus().validation(), job.run().evalTokens, job.context());
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
            piece -> log.piece(SampleCommand.printable(piece)));
    log.line("");
  }

  private void checkpoint() throws IOException {
    var state =
        begin.at(
            step,
            begin.dataPosition() + (step - begin.step()) * (trainStep.tokens() / job.context()));
    try {
      folder.checkpoint(
          step,
          job.run().keepCheckpoints,
          path -> Checkpoint.write(
              path, job.model(), job.corpus().tokenizer(), trainStep.adamw(), state));
    } catch (IOException e) {
      throw new IOException(
          "the checkpoint of step %s could not be written to %s: %s; earlier ones are as they were"
              .formatted(step, folder.path(), Sentences.of(e)),
          e);
    }
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
    trainStep.close();
  }
}
