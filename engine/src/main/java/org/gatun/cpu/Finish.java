package org.gatun.cpu;

import org.gatun.tensor.Kernels.Gelu;

/** What {@link Gemm} does to an element z of A·B, or of C + A·B, before it is stored. */
sealed interface Finish {
  Finish NONE = new None();

  /** Stores z. */
  record None() implements Finish {}

  /** Stores z + bias; bias is one row. */
  record Bias(Matrix bias) implements Finish {}

  /** Keeps z + bias in preActivation (shaped like C), stores its GELU; bias may be null for none. */
  record BiasGelu(Matrix bias, Matrix preActivation, Gelu form) implements Finish {}

  /** Stores z · gelu'(preActivation), and the GELU in gelu, which may be null for no need of it. */
  record GeluGradient(Matrix preActivation, Gelu form, Matrix gelu) implements Finish {}
}
