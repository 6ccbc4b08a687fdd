package org.gatun.train;

import org.gatun.dist.SingleProcess;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Precision;

/** Training on tokens drawn from a seed: real steps, whose time and memory do not depend on what the tokens say. */
final class SyntheticRun implements AutoCloseable {
  private static final float LEARNING_RATE = 1e-3f;
  private static final int BATCHES = 2;

  private final Gpt2 model;
  private final TrainStep step;
  private final Batch[] batches = new Batch[BATCHES];
  private long taken;
  private int given;

  /** A model with weights drawn from the plan's seed. */
  SyntheticRun(Device device, Gpt2Config config, Precision precision, TrainStep.Plan plan) {
    this(device, config, precision, plan, true);
  }

  /** As above; {@code drawn} says whether weights matter: on a device that computes nothing they do not. */
  SyntheticRun(Device device, Gpt2Config config, Precision precision, TrainStep.Plan plan, boolean drawn) {
    var parameters = new Parameters(device, precision);
    model = new Gpt2(parameters, config);
    if (drawn) {
      parameters.initialize(plan.seed());
    } else {
      parameters.initializeToZero();
    }
    step = new TrainStep(model, OptimizerOptions.defaults(), plan, new SingleProcess());
    for (int i = 0; i < BATCHES; i++) {
      batches[i] = new Batch(tokens(plan, config, 2 * i), tokens(plan, config, 2 * i + 1));
    }
  }

  private static int[] tokens(TrainStep.Plan plan, Gpt2Config config, int stream) {
    long seed = Philox.derive(plan.seed(), stream);
    var tokens = new int[Math.toIntExact(plan.shape().size())];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = Integer.remainderUnsigned(Philox.bits(seed, i), config.vocabulary());
    }
    return tokens;
  }

  /** Has the device take another step; does not wait for it where the device need not. */
  TrainStep.Pending step() {
    step.gradients(() -> batches[given++ % BATCHES], taken++, false);
    TrainStep.Pending outcome = step.outcome();
    step.update(LEARNING_RATE);
    return outcome;
  }

  /** The weights as they are now. */
  float[] weights() {
    return model.parameters().masters().toArray();
  }

  @Override
  public void close() {
    step.close();
    model.close();
  }
}
