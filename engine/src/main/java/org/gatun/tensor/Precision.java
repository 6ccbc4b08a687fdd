package org.gatun.tensor;

/**
 * In which type a model computes. Master weights, gradients, optimizer moments, row statistics and
 * losses are {@link DType#F32} in every precision.
 */
public enum Precision {
  /** Values and activations in F32. */
  F32(DType.F32),
  /** Values and activations in BF16, rounded to nearest even; arithmetic in F32. */
  BF16(DType.BF16);

  private final DType compute;

  Precision(DType compute) {
    this.compute = compute;
  }

  /** The type of parameter values and activations. */
  public DType compute() {
    return compute;
  }
}
