package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;

/**
 * The mean cross-entropy of logits [.., V] against targets I32 [..] over the targets that are not
 * {@code ignored}; columns from {@code classes} on are padding. Keeps one log-sum-exp a row.
 */
record CrossEntropy(
    Tensor logits, Tensor targets, int classes, int ignored, Tensor mean, Tensor lse, Tensor count)
    implements
      Node {
  private static final Formula MEAN = Formula.operand(0).dividedBy(Formula.operand(1));

  static Tensor apply(Tensor logits, Tensor targets, int classes, int ignored) {
    Checks.floating("crossEntropy", logits);
    Checks.atLeast("crossEntropy", 1, logits);
    Checks.indices("crossEntropy", targets);
    if (!logits.shape().rowShape().equals(targets.shape())) {
      throw new IllegalArgumentException(
          "crossEntropy: targets " + targets + " are not one a row of logits " + logits);
    }
    if (classes < 1 || classes > logits.shape().dim(-1)) {
      throw new IllegalArgumentException(
          "crossEntropy: " + classes + " classes do not fit logits " + logits);
    }
    Tensor rows = logits.contiguous();
    Tensor packed = targets.contiguous();
    Scope scope = Scope.of(rows, packed);
    Tensor losses = scope.allocate(targets.shape(), DType.F32);
    Tensor lse = scope.allocate(targets.shape(), DType.F32);
    Tensor count = scope.allocate(Shape.of(), DType.F32);
    Tensor mean = scope.allocate(Shape.of(), DType.F32);
    Kernels kernels = rows.kernels();
    kernels.loss().crossEntropy(losses, lse, count, rows, packed, classes, ignored);
    kernels.reduction().reduce(Sink.of(mean), Combine.SUM, losses, Reduce.axes(losses));
    kernels.pointwise().map(Sink.of(mean), MEAN, List.of(mean, count));
    scope.release(losses);
    scope.record(new CrossEntropy(rows, packed, classes, ignored, mean, lse, count));
    return mean;
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(logits);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(mean);
  }

  @Override
  public List<Tensor> saved() {
    return List.of(lse, count);
  }

  /** Turns the logits into their own gradient where nothing else reads them: they are the largest tensor of a step. */
  @Override
  public void backward(Gradients gradients) {
    boolean inPlace = !logits.isView() && logits.uses() == 1;
    Sink dlogits = inPlace ? Sink.of(logits) : gradients.sink(logits);
    logits.kernels().loss().crossEntropyBackward(
        dlogits, gradients.of(mean), count, logits, lse, targets, classes, ignored);
    if (inPlace) {
      gradients.donate(logits, logits);
    }
  }
}
