package org.gatun.tensor;

/** The value a parameter's element starts from: a function of a seed and the element's position. */
@FunctionalInterface
public interface Initializer {
  /** The initial value of the element at {@code index} (row-major) of a parameter. */
  float at(long seed, long index);

  /** Every element this value. */
  static Initializer constant(float value) {
    return (_, _) -> value;
  }

  /** Normally distributed with mean zero. */
  static Initializer normal(float standardDeviation) {
    return (seed, index) -> Philox.normal(seed, index) * standardDeviation;
  }

  /** Uniform in [-bound, bound). */
  static Initializer uniform(float bound) {
    return (seed, index) -> (2 * Philox.uniform(seed, index) - 1) * bound;
  }
}
