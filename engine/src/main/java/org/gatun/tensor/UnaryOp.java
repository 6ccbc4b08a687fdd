package org.gatun.tensor;

import static org.gatun.tensor.Formula.constant;
import static org.gatun.tensor.Formula.scalar;
import static org.gatun.tensor.Formula.select;

/**
 * Element-wise functions of one tensor and up to two scalars: each line holds a formula of x, and its
 * derivative times dy as a formula of dy, x and y. All devices compile their loops from these.
 */
public enum UnaryOp {
  NEG(Value.X.negate(), Slope.DY.negate()),
  /** The derivative at zero is zero. */
  ABS(Value.X.abs(), Slope.DY.times(sign())),
  SQUARE(Value.X.times(Value.X), Slope.DY.times(Slope.X).times(2)),
  SQRT(Value.X.sqrt(), Slope.DY.times(0.5).dividedBy(Slope.Y)),
  RSQRT(one().dividedBy(Value.X.sqrt()), Slope.DY.times(-0.5).times(Slope.Y).dividedBy(Slope.X)),
  EXP(Value.X.exp(), Slope.DY.times(Slope.Y)),
  LOG(Value.X.log(), Slope.DY.dividedBy(Slope.X)),
  TANH(Value.X.tanh(), Slope.DY.times(one().minus(Slope.Y.times(Slope.Y)))),
  SIGMOID(sigmoid(Value.X), Slope.DY.times(Slope.Y).times(one().minus(Slope.Y))),
  /** The derivative at zero is zero. */
  RELU(Value.X.maximum(constant(0)), select(constant(0).lessThan(Slope.X), Slope.DY, constant(0))),
  GELU(
      Value.X.times(0.5).times(geluTanh(Value.X).plus(1)),
      Slope.DY.times(geluTanhSlope(Slope.X, geluTanh(Slope.X)))),
  GELU_ERF(
      Value.X.times(normalDistribution(Value.X)),
      Slope.DY.times(normalDistribution(Slope.X).plus(Slope.X.times(normalDensity(Slope.X))))),
  SILU(
      Value.X.times(sigmoid(Value.X)),
      Slope.DY.times(
          sigmoid(Slope.X).times(one().plus(Slope.X.times(one().minus(sigmoid(Slope.X))))))),
  /** min(max(x, s0), s1); passes the gradient where s0 ≤ x ≤ s1. */
  CLAMP(
      Value.X.maximum(scalar(0)).minimum(scalar(1)),
      Slope.DY.times(scalar(0).atMost(Slope.X)).times(Slope.X.atMost(scalar(1)))),
  PLUS(Value.X.plus(scalar(0)), Slope.DY),
  TIMES(Value.X.times(scalar(0)), Slope.DY.times(scalar(0))),
  DIVIDED_BY(Value.X.dividedBy(scalar(0)), Slope.DY.dividedBy(scalar(0))),
  POW(
      Value.X.pow(scalar(0)),
      Slope.DY.times(scalar(0)).times(Slope.X.pow(scalar(0).minus(one())))),
  /** The derivative where x equals the scalar is one half, as for two tensors. */
  MAXIMUM(Value.X.maximum(scalar(0)), Slope.DY.times(above(Slope.X, scalar(0)))),
  /** The derivative where x equals the scalar is one half, as for two tensors. */
  MINIMUM(Value.X.minimum(scalar(0)), Slope.DY.times(above(scalar(0), Slope.X)));

  private final Formula value;
  private final Formula derivative;

  UnaryOp(Formula value, Formula derivative) {
    this.value = value;
    this.derivative = derivative;
  }

  /** y as a formula of operand 0, x. */
  Formula value() {
    return value;
  }

  /** dx as a formula of operands 0, dy; 1, x; 2, y. */
  Formula derivative() {
    return derivative;
  }

  private static Formula one() {
    return constant(1);
  }

  private static Formula sign() {
    return constant(0).lessThan(Slope.X).minus(Slope.X.lessThan(constant(0)));
  }

  private static Formula sigmoid(Formula x) {
    return one().dividedBy(one().plus(x.negate().exp()));
  }

  private static Formula geluTanh(Formula x) {
    Formula cube = x.times(x).times(x);
    return x.plus(cube.times(0.044715)).times(Math.sqrt(2 / Math.PI)).tanh();
  }

  private static Formula geluTanhSlope(Formula x, Formula tanh) {
    Formula inner = x.times(x).times(3 * 0.044715).plus(1).times(Math.sqrt(2 / Math.PI));
    Formula slope = one().minus(tanh.times(tanh)).times(inner).times(x);
    return tanh.plus(1).plus(slope).times(0.5);
  }

  private static Formula normalDistribution(Formula x) {
    return x.times(Math.sqrt(0.5)).erf().plus(1).times(0.5);
  }

  private static Formula normalDensity(Formula x) {
    return x.times(x).times(-0.5).exp().times(1 / Math.sqrt(2 * Math.PI));
  }

  /** 1 where a > b, one half where they are equal, else 0. */
  static Formula above(Formula a, Formula b) {
    return b.lessThan(a).plus(a.equalTo(b).times(0.5));
  }

  /** The operand of a value; in a class of its own because an enum's constants come before its fields. */
  private static final class Value {
    static final Formula X = Formula.operand(0);
  }

  /** The operands of a derivative. */
  private static final class Slope {
    static final Formula DY = Formula.operand(0);
    static final Formula X = Formula.operand(1);
    static final Formula Y = Formula.operand(2);
  }
}
