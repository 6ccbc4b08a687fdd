package org.gatun.tensor;

/**
 * An expression over the elements of operands: what an element-wise kernel computes. Devices compile
 * their loops from it, so that a formula and its derivative stand in one place for all of them.
 */
public sealed interface Formula {
  /** The element of the operand with this number. */
  record Operand(int index) implements Formula {}

  /** The scalar argument with this number, the same for all elements of a call. */
  record Scalar(int index) implements Formula {}

  /** A number that is part of the formula. */
  record Constant(float value) implements Formula {}

  /** A function of one value. */
  record Unary(Function function, Formula x) implements Formula {}

  /** A function of two values. */
  record Binary(Function2 function, Formula a, Formula b) implements Formula {}

  /** {@code a} where {@code condition} is not zero, else {@code b}. Both sides are computed. */
  record Select(Formula condition, Formula a, Formula b) implements Formula {}

  /** Functions of one value. */
  enum Function {
    NEGATE,
    ABS,
    SQRT,
    EXP,
    LOG,
    TANH,
    /** The error function 2/√π ∫₀ˣ exp(-t²) dt. */
    ERF
  }

  /** Functions of two values; comparisons give 1 or 0, and 0 where either side is NaN. */
  enum Function2 {
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    POW,
    /** The larger; NaN if either is. */
    MAX,
    /** The smaller; NaN if either is. */
    MIN,
    LESS,
    LESS_OR_EQUAL,
    EQUAL
  }

  /** The operand with this number. */
  static Formula operand(int index) {
    return new Operand(index);
  }

  /** The scalar argument with this number. */
  static Formula scalar(int index) {
    return new Scalar(index);
  }

  /** A number. */
  static Formula constant(double value) {
    return new Constant((float) value);
  }

  /** {@code condition ? a : b}. */
  static Formula select(Formula condition, Formula a, Formula b) {
    return new Select(condition, a, b);
  }

  default Formula negate() {
    return new Unary(Function.NEGATE, this);
  }

  default Formula abs() {
    return new Unary(Function.ABS, this);
  }

  default Formula sqrt() {
    return new Unary(Function.SQRT, this);
  }

  default Formula exp() {
    return new Unary(Function.EXP, this);
  }

  default Formula log() {
    return new Unary(Function.LOG, this);
  }

  default Formula tanh() {
    return new Unary(Function.TANH, this);
  }

  default Formula erf() {
    return new Unary(Function.ERF, this);
  }

  default Formula plus(Formula other) {
    return new Binary(Function2.ADD, this, other);
  }

  default Formula plus(double constant) {
    return plus(constant(constant));
  }

  default Formula minus(Formula other) {
    return new Binary(Function2.SUBTRACT, this, other);
  }

  default Formula times(Formula other) {
    return new Binary(Function2.MULTIPLY, this, other);
  }

  default Formula times(double constant) {
    return times(constant(constant));
  }

  default Formula dividedBy(Formula other) {
    return new Binary(Function2.DIVIDE, this, other);
  }

  default Formula pow(Formula exponent) {
    return new Binary(Function2.POW, this, exponent);
  }

  default Formula maximum(Formula other) {
    return new Binary(Function2.MAX, this, other);
  }

  default Formula minimum(Formula other) {
    return new Binary(Function2.MIN, this, other);
  }

  default Formula lessThan(Formula other) {
    return new Binary(Function2.LESS, this, other);
  }

  default Formula atMost(Formula other) {
    return new Binary(Function2.LESS_OR_EQUAL, this, other);
  }

  default Formula equalTo(Formula other) {
    return new Binary(Function2.EQUAL, this, other);
  }
}
