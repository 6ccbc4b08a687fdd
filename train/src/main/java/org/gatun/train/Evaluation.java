package org.gatun.train;

import org.gatun.model.Gpt2;
import org.gatun.tensor.Device;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;

/**
 * The mean loss of predicting a fixed prefix of tokens, each once, in windows side by side. Windows
 * are computed some at a time, as many as make about a thousand tokens, whatever the training
 * batch: the same model gives the same number.
 *
 * @param tokens how many were predicted
 */
record Evaluation(double loss, long tokens) {
  private static final int TOKENS_AT_ONCE = 1024;

  /**
   * Predicts at most {@code most} tokens, from windows of {@code context}; the last may be shorter.
   */
  static Evaluation of(Gpt2 model, Tokens tokens, long most, int context) {
    long predicted = Math.min(most, tokens.size() - 1);
    int rows = Math.max(1, TOKENS_AT_ONCE / context);
    double sum = 0;
    long done = 0;
    while (done < predicted) {
      long left = predicted - done;
      int time = (int) Math.min(context, left);
      int batch = Math.clamp(left / context, 1, rows);
      sum += loss(model, tokens, done, Shape.of(batch, time)) * batch * time;
      done += (long) batch * time;
    }
    return new Evaluation(sum / predicted, predicted);
  }

  /** The mean loss over rows side by side from a position on. */
  private static double loss(Gpt2 model, Tokens tokens, long position, Shape shape) {
    int count = (int) shape.size();
    var inputs = new int[count];
    var targets = new int[count];
    tokens.read(position, inputs, 0, count, model.config().vocabulary());
    tokens.read(position + 1, targets, 0, count, model.config().vocabulary());
    Device device = model.parameters().device();
    try (var scope = Scope.on(device)) {
      return model.loss(scope.tensor(inputs, shape), scope.tensor(targets, shape)).item();
    }
  }

  /** e to the loss. */
  double perplexity() {
    return Math.exp(loss);
  }
}
