package org.gatun.train;

import org.gatun.model.Gpt2;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** One optimizer step: gradients averaged over micro-batches, clipped, applied. */
final class TrainStep implements AutoCloseable {
  /**
   * Loss before the update (mean over all micro-batches) and norm of its gradient before clipping.
   */
  record Outcome(float loss, float gradientNorm) {}

  private final Gpt2 model;
  private final AdamW adamw;
  private final GradientClip clip;
  private final Shape shape;
  private final int microSteps;
  private final long seed;

  /** Micro-batches of {@code shape} [B, T], {@code microSteps} of them a step. */
  TrainStep(Gpt2 model, OptimizerOptions options, Shape shape, int microSteps, long seed) {
    Parameters parameters = model.parameters();
    this.model = model;
    this.adamw = new AdamW(parameters, options.adamw());
    this.clip = new GradientClip(parameters, options.gradClip);
    this.shape = shape;
    this.microSteps = microSteps;
    this.seed = seed;
  }

  /** Takes the step with this number, counted from zero. */
  Outcome run(Batches batches, long step, float learningRate) {
    double sum = 0;
    for (int micro = 0; micro < microSteps; micro++) {
      sum += gradients(batches.next(), Philox.derive(seed, step * microSteps + micro));
    }
    Tensor scale = clip.measure();
    float norm = clip.norm().item();
    adamw.step(learningRate, scale);
    return new Outcome((float) (sum / microSteps), norm);
  }

  /** Adds a micro-batch's share of the gradients; returns its loss. */
  private float gradients(Batch batch, long dropoutSeed) {
    Device device = model.parameters().device();
    try (var tape = Tape.on(device, dropoutSeed)) {
      Tensor loss =
          model.loss(tape.tensor(batch.inputs(), shape), tape.tensor(batch.targets(), shape));
      float value = loss.item();
      tape.backward(microSteps == 1 ? loss : loss.times(1f / microSteps));
      return value;
    }
  }

  /** The optimizer, for checkpoints. */
  AdamW adamw() {
    return adamw;
  }

  /** Tokens of a step. */
  long tokens() {
    return shape.size() * microSteps;
  }

  @Override
  public void close() {
    clip.close();
    adamw.close();
  }
}
