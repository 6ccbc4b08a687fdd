package org.gatun.tensor;

import java.util.function.Supplier;
import org.gatun.tensor.Kernels.Sink;

/**
 * A learned tensor with its gradient and its name, such as {@code h.0.mlp.c_fc.weight}: a slice of
 * the flat buffers of its {@link Parameters}, which own the memory.
 */
public final class Parameter {
  private final String name;
  private final Shape shape;
  private final Initializer initializer;
  private final long start;
  private Tensor value;
  private Tensor master;
  private Supplier<Tensor> gradients;
  private Tensor gradient;
  private boolean gradientWritten;

  Parameter(String name, Shape shape, Initializer initializer, long start) {
    this.name = name;
    this.shape = shape;
    this.initializer = initializer;
    this.start = start;
  }

  /** The memory of all parameters; that of the gradients is asked for when the first is needed. */
  void bind(Tensor values, Tensor masters, Supplier<Tensor> gradients) {
    this.gradients = gradients;
    // Of no scope: a result belongs to the step it is made in, not to the parameters.
    master = masters.slice(start, shape).seenFrom(null);
    value = values.slice(start, shape).seenFrom(null);
    value.makeValueOf(this);
  }

  /** The dotted name. */
  public String name() {
    return name;
  }

  /** The dimensions. */
  public Shape shape() {
    return shape;
  }

  /** The position of the first element in the flat buffers. */
  public long start() {
    return start;
  }

  /** What layers compute with, in the type of the {@link Precision}. */
  public Tensor value() {
    return bound(value);
  }

  /** The exact value, F32; the same memory as {@link #value} where that is F32 too. */
  public Tensor master() {
    return bound(master);
  }

  /** The sum of the gradients since {@link Parameters#forgetGradients}, F32. */
  public Tensor gradient() {
    settleGradient();
    return gradient;
  }

  private Tensor gradientMemory() {
    if (gradient == null) {
      bound(value);
      gradient = gradients.get().slice(start, shape).seenFrom(null);
    }
    return gradient;
  }

  private Tensor bound(Tensor tensor) {
    if (tensor == null) {
      throw new IllegalStateException(
          "parameter " + name + " has no memory yet; call Parameters.initialize(seed) first");
    }
    return tensor;
  }

  /** The first gradient of a step overwrites, later ones add. */
  Sink gradientSink() {
    boolean add = gradientWritten;
    gradientWritten = true;
    return new Sink(gradientMemory(), add);
  }

  void recallGradient() {
    gradientWritten = true;
  }

  void forgetGradient() {
    gradientWritten = false;
  }

  /** A parameter that took no part since the gradients were forgotten has gradient zero. */
  void settleGradient() {
    if (!gradientWritten) {
      Sink sink = gradientSink();
      sink.into().kernels().pointwise().fill(sink.into(), 0f);
    }
  }

  Initializer initializer() {
    return initializer;
  }

  @Override
  public String toString() {
    return name + " " + shape;
  }
}
