package org.gatun.train;

import java.util.Locale;
import org.gatun.tensor.Precision;

/** What numbers a run computes with, as the command line names it. */
enum Arithmetic {
  /** Values and products in F32. */
  F32(Precision.F32),
  /** Values in F32; the tensor cores of a GPU round the factors of products to 11 bits. */
  TF32(Precision.F32),
  /** Values and the factors of products in BF16. */
  BF16(Precision.BF16);

  private final Precision precision;

  Arithmetic(Precision precision) {
    this.precision = precision;
  }

  /** The type of values and activations. */
  Precision precision() {
    return precision;
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
