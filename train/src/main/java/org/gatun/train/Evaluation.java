package org.gatun.train;

import org.gatun.model.Gpt2;
import org.gatun.model.Likelihood;

/**
 * The mean loss of predicting a fixed prefix of tokens, each once, in windows side by side. The losses
 * of single tokens are added up in their order, in double precision: the same model gives the same
 * number, however many windows are computed at a time and by however many threads.
 *
 * @param tokens how many were predicted
 */
record Evaluation(double loss, long tokens) {
  private static final int TOKENS_AT_ONCE = 1024;

  /** What is told after some windows: how many tokens are done, of how many, and their mean loss. */
  interface Predicted {
    void show(long done, long all, double loss);
  }

  /**
   * Predicts at most {@code most} tokens, from windows of {@code context}; the last may be shorter.
   */
  static Evaluation of(Gpt2 model, Tokens tokens, long most, int context) {
    return of(model, tokens, most, context, TOKENS_AT_ONCE, (_, _, _) -> {});
  }

  /** As above, showing how far it is. */
  static Evaluation of(Gpt2 model, Tokens tokens, long most, int context, Predicted progress) {
    return of(model, tokens, most, context, TOKENS_AT_ONCE, progress);
  }

  /** As above, with as many windows at a time as make so many tokens. */
  static Evaluation of(
      Gpt2 model, Tokens tokens, long most, int context, int atOnce, Predicted progress) {
    long predicted = Math.min(most, tokens.size() - 1);
    int rows = Math.max(1, atOnce / context);
    double sum = 0;
    long done = 0;
    while (done < predicted) {
      long left = predicted - done;
      int time = (int) Math.min(context, left);
      int batch = Math.clamp(left / context, 1, rows);
      for (float loss : losses(model, tokens, done, batch, time)) {
        sum += loss;
      }
      done += (long) batch * time;
      progress.show(done, predicted, sum / done);
    }
    return new Evaluation(sum / predicted, predicted);
  }

  /** The losses over rows side by side from a position on. */
  private static float[] losses(Gpt2 model, Tokens tokens, long position, int batch, int time) {
    var inputs = new int[batch * time];
    var targets = new int[batch * time];
    tokens.read(position, inputs, 0, inputs.length, model.config().vocabulary());
    tokens.read(position + 1, targets, 0, targets.length, model.config().vocabulary());
    return Likelihood.ofAll(model, inputs, targets, batch);
  }

  /** e to the loss. */
  double perplexity() {
    return Math.exp(loss);
  }
}
