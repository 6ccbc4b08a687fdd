package org.gatun.tensor;

import static org.gatun.tensor.Formula.constant;
import static org.gatun.tensor.Formula.select;

/**
 * Element-wise functions of two tensors: each line holds a formula of a and b, and the derivatives
 * times dy by a and by b as formulas of dy, a, b and y. Comparisons have none.
 */
public enum BinaryOp {
  PLUS(Value.A.plus(Value.B), Slope.DY, Slope.DY),
  MINUS(Value.A.minus(Value.B), Slope.DY, Slope.DY.negate()),
  TIMES(Value.A.times(Value.B), Slope.DY.times(Slope.B), Slope.DY.times(Slope.A)),
  DIVIDED_BY(
      Value.A.dividedBy(Value.B),
      Slope.DY.dividedBy(Slope.B),
      Slope.DY.negate().times(Slope.Y).dividedBy(Slope.B)),
  /** The derivative by b is zero where a is: 0ᵇ does not change with b. */
  POW(
      Value.A.pow(Value.B),
      Slope.DY.times(Slope.B).times(Slope.A.pow(Slope.B.minus(constant(1)))),
      select(Slope.A.equalTo(constant(0)), constant(0), Slope.DY.times(Slope.Y).times(Slope.A.log()))),
  /** Where both are equal, each gets half. */
  MAXIMUM(
      Value.A.maximum(Value.B),
      Slope.DY.times(UnaryOp.above(Slope.A, Slope.B)),
      Slope.DY.times(UnaryOp.above(Slope.B, Slope.A))),
  /** Where both are equal, each gets half. */
  MINIMUM(
      Value.A.minimum(Value.B),
      Slope.DY.times(UnaryOp.above(Slope.B, Slope.A)),
      Slope.DY.times(UnaryOp.above(Slope.A, Slope.B))),
  LESS(Value.A.lessThan(Value.B)),
  LESS_OR_EQUAL(Value.A.atMost(Value.B)),
  GREATER(Value.B.lessThan(Value.A)),
  GREATER_OR_EQUAL(Value.B.atMost(Value.A)),
  EQUAL(Value.A.equalTo(Value.B)),
  NOT_EQUAL(constant(1).minus(Value.A.equalTo(Value.B)));

  private final Formula value;
  private final Formula derivativeA;
  private final Formula derivativeB;

  BinaryOp(Formula value) {
    this(value, null, null);
  }

  BinaryOp(Formula value, Formula derivativeA, Formula derivativeB) {
    this.value = value;
    this.derivativeA = derivativeA;
    this.derivativeB = derivativeB;
  }

  /** y as a formula of operands 0, a; 1, b. */
  Formula value() {
    return value;
  }

  /** Whether there are derivatives. */
  public boolean isDifferentiable() {
    return derivativeA != null;
  }

  /** da as a formula of operands 0, dy; 1, a; 2, b; 3, y. */
  Formula derivativeA() {
    return derivativeA;
  }

  /** db, of the same operands. */
  Formula derivativeB() {
    return derivativeB;
  }

  /** The operands of a value; in a class of its own because an enum's constants come before its fields. */
  private static final class Value {
    static final Formula A = Formula.operand(0);
    static final Formula B = Formula.operand(1);
  }

  /** The operands of a derivative. */
  private static final class Slope {
    static final Formula DY = Formula.operand(0);
    static final Formula A = Formula.operand(1);
    static final Formula B = Formula.operand(2);
    static final Formula Y = Formula.operand(3);
  }
}
