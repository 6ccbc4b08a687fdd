package org.gatun.train;

import java.util.List;
import java.util.function.Supplier;
import org.gatun.model.Gpt2;
import org.gatun.model.Recompute;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.DType;
import org.gatun.tensor.Device;
import org.gatun.tensor.FiniteCheck;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/**
 * One optimizer step: gradients averaged over micro-batches, looked at, clipped, applied. The host
 * reads nothing of the device between the first micro-batch and the last.
 */
final class TrainStep implements AutoCloseable {
  /**
   * Loss before the update (mean over all micro-batches) and norm of its gradient before clipping.
   */
  record Outcome(float loss, float gradientNorm) {
    boolean isFinite() {
      return Float.isFinite(loss) && Float.isFinite(gradientNorm);
    }
  }

  /** What a step is made of: micro-batches of {@code shape} [B, T], as many as {@code microSteps}. */
  record Plan(Shape shape, int microSteps, Recompute recompute, long seed) {
    /** Tokens of a step. */
    long tokens() {
      return shape.size() * microSteps;
    }
  }

  private final Gpt2 model;
  private final Plan plan;
  private final AdamW adamw;
  private final GradientClip clip;
  private final Scope scope;
  private final Tensor losses;
  private Tensor scale;

  TrainStep(Gpt2 model, OptimizerOptions options, Plan plan) {
    Parameters parameters = model.parameters();
    this.model = model;
    this.plan = plan;
    this.adamw = new AdamW(parameters, options.adamw());
    this.clip = new GradientClip(parameters, options.gradClip);
    this.scope = Scope.on(parameters.device());
    this.losses = scope.allocate(Shape.of(plan.microSteps()), DType.F32);
  }

  /**
   * Computes loss and gradients of the step with this number, counted from zero; {@link #update} or
   * {@link #discard} is to follow.
   */
  Outcome gradients(Supplier<Batch> batches, long step) {
    for (int micro = 0; micro < plan.microSteps(); micro++) {
      try (var tape = Tape.on(device(), dropoutSeed(step, micro))) {
        Tensor loss = loss(tape, batches.get());
        losses.kernels().pointwise().copy(Sink.of(losses.slice(0, micro, micro + 1).reshape()), loss);
        backward(tape, loss);
      }
    }
    scale = clip.measure();
    double sum = 0;
    for (float loss : losses()) {
      sum += loss;
    }
    return new Outcome((float) (sum / plan.microSteps()), clip.norm().item());
  }

  /** The loss of each micro-batch. */
  float[] losses() {
    return losses.toArray();
  }

  /** Applies the gradients. */
  void update(float learningRate) {
    adamw.step(learningRate, scale);
  }

  /** Forgets the gradients. */
  void discard() {
    model.parameters().forgetGradients();
  }

  /**
   * Computes the gradients once more and looks at everything on the way; then forgets them.
   *
   * @return which operation of which layer first made a value that is not finite; null if none did
   */
  String trace(List<Batch> batches, long step) {
    discard();
    var check = new FiniteCheck();
    check.examine(model.parameters());
    for (int micro = 0; micro < batches.size() && check.finding() == null; micro++) {
      try (var tape = Tape.on(device(), dropoutSeed(step, micro))) {
        tape.observe(check);
        backward(tape, loss(tape, batches.get(micro)));
      }
    }
    discard();
    return check.finding();
  }

  private Tensor loss(Tape tape, Batch batch) {
    return model.loss(
        tape.tensor(batch.inputs(), plan.shape()),
        tape.tensor(batch.targets(), plan.shape()),
        plan.recompute());
  }

  private void backward(Tape tape, Tensor loss) {
    tape.backward(plan.microSteps() == 1 ? loss : loss.times(1f / plan.microSteps()));
  }

  private long dropoutSeed(long step, int micro) {
    return Philox.derive(plan.seed(), step * plan.microSteps() + micro);
  }

  private Device device() {
    return model.parameters().device();
  }

  /** The optimizer, for checkpoints. */
  AdamW adamw() {
    return adamw;
  }

  /** Of what it is made. */
  Plan plan() {
    return plan;
  }

  @Override
  public void close() {
    scope.close();
    clip.close();
    adamw.close();
  }
}
