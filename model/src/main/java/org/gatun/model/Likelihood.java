package org.gatun.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * How likely a model finds the end of a text, given its beginning.
 *
 * @param losses of each token predicted: minus the logarithm of its probability
 * @param greedy whether each of these tokens was the likeliest of all
 */
public record Likelihood(double[] losses, boolean greedy) {
  /**
   * A text in tokens, of which those from {@code start} on are predicted from all before.
   *
   * @param start at least 1: the first token of a text is predicted from nothing
   */
  public record Continuation(int[] tokens, int start) {
    /** @throws IllegalArgumentException if nothing is to be predicted, or the first token */
    public Continuation {
      if (start < 1 || start >= tokens.length) {
        throw new IllegalArgumentException("continuation: a text of " + tokens.length + " tokens, of which those from "
            + start + " on are to be predicted; at least one must be, and one must come before");
      }
    }

    /** A beginning and its end, put together. */
    public static Continuation of(int[] beginning, int[] end) {
      int[] tokens = Arrays.copyOf(beginning, beginning.length + end.length);
      System.arraycopy(end, 0, tokens, beginning.length, end.length);
      return new Continuation(tokens, beginning.length);
    }

    /** Without as many of the first tokens as the model has no positions for; the last one is not read. */
    private Continuation cropped(int context) {
      int surplus = Math.max(0, tokens.length - 1 - context);
      if (surplus >= start) {
        throw new IllegalArgumentException("continuation: " + (tokens.length - start) + " tokens to predict and one"
            + " before do not fit a context of " + context);
      }
      return new Continuation(Arrays.copyOfRange(tokens, surplus, tokens.length), start - surplus);
    }
  }

  /**
   * One for each text, computed side by side; what fills up shorter ones changes nothing, because no
   * token sees what comes after it. Of texts longer than the model's context the last part is seen.
   *
   * @throws IllegalArgumentException if tokens to be predicted do not fit the context
   */
  public static List<Likelihood> of(Gpt2 model, List<Continuation> texts) {
    Gpt2Config config = model.config();
    List<Continuation> rows = texts.stream().map(text -> text.cropped(config.context())).toList();
    int time = rows.stream().mapToInt(row -> row.tokens().length - 1).max().orElseThrow();
    int first = rows.stream().mapToInt(row -> row.start() - 1).min().orElseThrow();
    int scored = time - first;
    var inputs = new int[rows.size() * time];
    var targets = new int[rows.size() * scored];
    Arrays.fill(targets, Gpt2.IGNORED_TARGET);
    for (int i = 0; i < rows.size(); i++) {
      Continuation row = rows.get(i);
      int end = row.tokens().length;
      System.arraycopy(row.tokens(), 0, inputs, i * time, end - 1);
      System.arraycopy(row.tokens(), row.start(), targets, i * scored + row.start() - 1 - first, end - row.start());
    }
    try (Scope scope = model.inference()) {
      Tensor logits = model.logits(scope.tensor(inputs, Shape.of(rows.size(), time)), first);
      float[] losses = losses(logits, scope.tensor(targets, Shape.of(rows.size(), scored)), config).toArray();
      int[] best = logits.slice(2, 0, config.vocabulary()).argMax().toIntArray();
      return IntStream.range(0, rows.size()).mapToObj(i -> {
        int from = i * scored + rows.get(i).start() - 1 - first;
        return of(losses, best, targets, from, from + rows.get(i).tokens().length - rows.get(i).start());
      }).toList();
    }
  }

  private static Likelihood of(float[] losses, int[] best, int[] targets, int from, int to) {
    var own = new double[to - from];
    boolean greedy = true;
    for (int i = from; i < to; i++) {
      own[i - from] = losses[i];
      greedy &= best[i] == targets[i];
    }
    return new Likelihood(own, greedy);
  }

  /**
   * The losses F32 [B · T], row by row, of predicting the tokens after each of these, I32 [B, T]; each
   * is the same whatever is computed beside it; if there are up to three positions in all, but for the
   * last bits.
   */
  public static float[] ofAll(Gpt2 model, int[] tokens, int[] targets, int batch) {
    Shape shape = Shape.of(batch, tokens.length / batch);
    try (Scope scope = model.inference()) {
      Tensor logits = model.logits(scope.tensor(tokens, shape), 0);
      return losses(logits, scope.tensor(targets, shape), model.config()).toArray();
    }
  }

  private static Tensor losses(Tensor logits, Tensor targets, Gpt2Config config) {
    Scope scope = logits.scope();
    Tensor losses = scope.allocate(targets.shape(), DType.F32);
    Tensor lse = scope.allocate(targets.shape(), DType.F32);
    Tensor count = scope.allocate(Shape.of(), DType.F32);
    logits.kernels().loss().crossEntropy(losses, lse, count, logits, targets, config.vocabulary(),
        Gpt2.IGNORED_TARGET);
    return losses;
  }

  /** The sum of the losses: minus the logarithm of the probability of the whole end. */
  public double sum() {
    double sum = 0;
    for (double loss : losses) {
      sum += loss;
    }
    return sum;
  }

  /** The mean loss of a token. */
  public double mean() {
    return sum() / losses.length;
  }
}
