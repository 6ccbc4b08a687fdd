package org.gatun.tensor;

import java.util.List;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Linear;
import org.gatun.tensor.Kernels.Reduction.Combine;
import org.gatun.tensor.Kernels.Sink;

/**
 * The mean cross-entropy of the logits x Wᵀ, of which only some rows exist at a time: they are computed, used and computed once more in
 * the backward pass, where they become their own gradient. Keeps two floats a row.
 *
 * @param x [rows, C]
 * @param weight [V, C]
 * @param targets I32 [rows]
 * @param chunk rows of logits at a time
 */
record LinearCrossEntropy(
    Tensor x, Tensor weight, Tensor targets, int classes, int ignored, int chunk, Tensor mean, Tensor lse, Tensor count)
    implements
      Node {
  private static final Formula MEAN = Formula.operand(0).dividedBy(Formula.operand(1));

  static Tensor apply(Tensor x, Tensor weight, Tensor targets, int classes, int ignored, long byteSize) {
    Checks.floating("linearCrossEntropy", x);
    Checks.floating("linearCrossEntropy", weight);
    Checks.indices("linearCrossEntropy", targets);
    if (weight.shape().rank() != 2 || weight.shape().dim(1) != x.shape().dim(-1)) {
      throw new IllegalArgumentException("linearCrossEntropy: weight " + weight + " does not fit rows of " + x);
    }
    if (!x.shape().rowShape().equals(targets.shape())) {
      throw new IllegalArgumentException("linearCrossEntropy: targets " + targets + " are not one a row of " + x);
    }
    int columns = weight.shape().dim(0);
    if (classes < 1 || classes > columns) {
      throw new IllegalArgumentException(
          "linearCrossEntropy: " + classes + " classes do not fit the rows of " + weight);
    }
    long chunk = Math.max(1, byteSize / ((long) columns * x.dtype().byteSize()));
    if (chunk >= targets.shape().size()) {
      return x.linear(weight, null).crossEntropy(targets, classes, ignored);
    }
    return apply(x.contiguous(), weight, targets.contiguous(), classes, ignored, (int) chunk);
  }

  private static Tensor apply(Tensor x, Tensor weight, Tensor targets, int classes, int ignored, int chunk) {
    Scope scope = Scope.of(x, weight, targets);
    int rows = Math.toIntExact(targets.shape().size());
    Tensor losses = scope.allocate(Shape.of(rows), DType.F32);
    Tensor counts = scope.allocate(Shape.of(Math.ceilDiv(rows, chunk)), DType.F32);
    Tensor lse = scope.allocate(Shape.of(rows), DType.F32);
    Tensor count = scope.allocate(Shape.of(), DType.F32);
    Tensor mean = scope.allocate(Shape.of(), DType.F32);
    var node = new LinearCrossEntropy(x, weight, targets, classes, ignored, chunk, mean, lse, count);
    Kernels kernels = x.kernels();
    for (int from = 0; from < rows; from += chunk) {
      int n = Math.min(chunk, rows - from);
      Tensor logits = scope.allocate(Shape.of(n, weight.shape().dim(0)), x.dtype());
      node.multiply(logits, from);
      kernels.loss().crossEntropy(losses.slice(from, Shape.of(n)), lse.slice(from, Shape.of(n)),
          counts.slice(from / chunk, Shape.of()), logits, targets.slice(from, Shape.of(n)), classes, ignored);
      scope.release(logits);
    }
    kernels.reduction().reduce(Sink.of(count), Combine.SUM, counts, 0);
    kernels.reduction().reduce(Sink.of(mean), Combine.SUM, losses, 0);
    kernels.pointwise().map(Sink.of(mean), MEAN, List.of(mean, count));
    scope.release(losses);
    scope.release(counts);
    scope.record(node);
    return mean;
  }

  private void multiply(Tensor logits, int from) {
    x.kernels().linear().forward(logits, rows(x, from, logits), weight, new Epilogue.None());
  }

  /** As many rows of a [rows, C] from one on as there are logits. */
  private Tensor rows(Tensor all, int from, Tensor logits) {
    int width = weight.shape().dim(1);
    return all.slice((long) from * width, Shape.of(logits.shape().dim(0), width));
  }

  @Override
  public List<Tensor> inputs() {
    return List.of(x, weight);
  }

  @Override
  public List<Tensor> outputs() {
    return List.of(mean);
  }

  @Override
  public List<Tensor> saved() {
    return List.of(lse, count);
  }

  @Override
  public void backward(Gradients gradients) {
    Sink dx = gradients.sink(x);
    Sink dweight = gradients.sink(weight);
    Tensor dmean = gradients.of(mean);
    Kernels kernels = x.kernels();
    Linear linear = kernels.linear();
    int rows = Math.toIntExact(targets.shape().size());
    for (int from = 0; from < rows; from += chunk) {
      Shape part = Shape.of(Math.min(chunk, rows - from));
      Tensor logits = gradients.temporary(Shape.of(part.dim(0), weight.shape().dim(0)), x.dtype());
      multiply(logits, from);
      kernels.loss().crossEntropyBackward(Sink.of(logits), dmean, count, logits, lse.slice(from, part),
          targets.slice(from, part), classes, ignored);
      if (dx != null) {
        linear.backwardInput(
            new Sink(rows(dx.into(), from, logits), dx.add()), logits, weight, new Epilogue.None());
      }
      if (dweight != null) {
        linear.backwardWeight(
            new Sink(dweight.into(), dweight.add() || from > 0), null, logits, rows(x, from, logits));
      }
      gradients.release(logits);
    }
  }
}
