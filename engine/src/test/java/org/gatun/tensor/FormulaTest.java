package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Oracle;
import org.gatun.tensor.Kernels.Sink;
import org.junit.jupiter.api.Test;

/** Formulas say what they should, and the device computes what they say where numbers end. */
class FormulaTest {
  private static final float NAN = Float.NaN;
  private static final float INF = Float.POSITIVE_INFINITY;

  /** What a formula means, in double precision. */
  private static double value(Formula formula, double[] scalars, double... operands) {
    return switch (formula) {
      case Formula.Operand(int index) -> operands[index];
      case Formula.Scalar(int index) -> scalars[index];
      case Formula.Constant(float value) -> value;
      case Formula.Unary(var function, var x) -> apply(function, value(x, scalars, operands));
      case Formula.Binary(var function, var a, var b) ->
          apply(function, value(a, scalars, operands), value(b, scalars, operands));
      case Formula.Select(var condition, var a, var b) ->
          value(condition, scalars, operands) != 0 ? value(a, scalars, operands) : value(b, scalars, operands);
    };
  }

  private static double apply(Formula.Function function, double x) {
    return switch (function) {
      case NEGATE -> -x;
      case ABS -> Math.abs(x);
      case SQRT -> Math.sqrt(x);
      case EXP -> Math.exp(x);
      case LOG -> Math.log(x);
      case TANH -> Math.tanh(x);
      case ERF -> Oracle.erf(x);
    };
  }

  private static double apply(Formula.Function2 function, double a, double b) {
    return switch (function) {
      case ADD -> a + b;
      case SUBTRACT -> a - b;
      case MULTIPLY -> a * b;
      case DIVIDE -> a / b;
      case POW -> Math.pow(a, b);
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case LESS -> a < b ? 1 : 0;
      case LESS_OR_EQUAL -> a <= b ? 1 : 0;
      case EQUAL -> a == b ? 1 : 0;
    };
  }

  @Test
  void unaryFormulasMatchOracleAndTheirDerivativesItsDifferences() {
    double[] scalars = {0.6, 1.7};
    for (UnaryOp op : UnaryOp.values()) {
      for (double x : new double[]{0.1, 0.5, 0.9, 1.3, 2.2}) {
        double y = Oracle.unary(op, scalars).applyAsDouble(x);
        // Constants in formulas are floats.
        assertEquals(y, value(op.value(), scalars, x), 1e-6, op + " at " + x);
        double slope =
            (Oracle.unary(op, scalars).applyAsDouble(x + 1e-6) - Oracle.unary(op, scalars).applyAsDouble(x - 1e-6))
                / 2e-6;
        assertEquals(3 * slope, value(op.derivative(), scalars, 3, x, y), 1e-5 * Math.max(1, Math.abs(slope)),
            op + " at " + x);
      }
    }
  }

  @Test
  void binaryFormulasMatchOracleAndTheirDerivativesItsDifferences() {
    double h = 1e-6;
    for (BinaryOp op : BinaryOp.values()) {
      var f = Oracle.binary(op);
      for (double[] at : new double[][]{{0.3, 1.2}, {1.7, 0.4}, {2.5, 2.1}}) {
        double a = at[0];
        double b = at[1];
        double y = f.applyAsDouble(a, b);
        assertEquals(y, value(op.value(), new double[0], a, b), 1e-6, op.name());
        if (op.isDifferentiable()) {
          double byA = (f.applyAsDouble(a + h, b) - f.applyAsDouble(a - h, b)) / (2 * h);
          double byB = (f.applyAsDouble(a, b + h) - f.applyAsDouble(a, b - h)) / (2 * h);
          assertEquals(3 * byA, value(op.derivativeA(), new double[0], 3, a, b, y), 1e-5 * Math.max(1, Math.abs(byA)),
              op.name());
          assertEquals(3 * byB, value(op.derivativeB(), new double[0], 3, a, b, y), 1e-5 * Math.max(1, Math.abs(byB)),
              op.name());
        }
      }
    }
  }

  @Test
  void comparisonsOfEqualNumbersAndOfNaN() {
    float[] a = {1, 1, 2, NAN, 1, NAN, INF, -0f};
    float[] b = {2, 1, 1, 1, NAN, NAN, INF, 0f};
    Formula x = Formula.operand(0);
    Formula y = Formula.operand(1);
    assertArrayEquals(new float[]{1, 0, 0, 0, 0, 0, 0, 0}, map(x.lessThan(y), a, b));
    assertArrayEquals(new float[]{1, 1, 0, 0, 0, 0, 1, 1}, map(x.atMost(y), a, b));
    assertArrayEquals(new float[]{0, 1, 0, 0, 0, 0, 1, 1}, map(x.equalTo(y), a, b));
  }

  @Test
  void extremesPassNaNOn() {
    float[] a = {1, NAN, 1, NAN, INF, -INF, -3};
    float[] b = {2, 1, NAN, NAN, 1, 1, -4};
    Formula x = Formula.operand(0);
    Formula y = Formula.operand(1);
    assertArrayEquals(new float[]{2, NAN, NAN, NAN, INF, 1, -3}, map(x.maximum(y), a, b));
    assertArrayEquals(new float[]{1, NAN, NAN, NAN, 1, -INF, -4}, map(x.minimum(y), a, b));
  }

  @Test
  void selectTakesNeitherSidesNaN() {
    float[] condition = {0, 1, -0f, NAN, 0.5f, 0, 0};
    float[] other = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    Formula chosen = Formula.select(Formula.operand(0), Formula.constant(7), Formula.operand(1).abs());
    float[] y = map(chosen, condition, other);
    // NaN is not zero.
    assertArrayEquals(new float[]{NAN, 7, NAN, 7, 7, NAN, NAN}, y);
  }

  @Test
  void functionsReachTheirLimits() {
    float[] x = {0, -0f, INF, -INF, NAN, 200, -200, Float.MIN_VALUE};
    Formula o = Formula.operand(0);
    assertArrayEquals(new float[]{1, 1, INF, 0, NAN, INF, 0, 1}, map(o.exp(), x, x));
    assertArrayEquals(new float[]{0, -0f, 1, -1, NAN, 1, -1, Float.MIN_VALUE}, map(o.tanh(), x, x), 1e-44f);
    assertArrayEquals(new float[]{0, -0f, 1, -1, NAN, 1, -1, 0}, map(o.erf(), x, x), 1e-44f);
    float[] log = map(o.log(), x, x);
    assertArrayEquals(new float[]{-INF, -INF, INF, NAN, NAN}, java.util.Arrays.copyOf(log, 5));
    assertEquals(Math.log(200), log[5], 1e-6);
    assertEquals(Math.log(Float.MIN_VALUE), log[7], 1e-4);
  }

  @Test
  void saturatedActivationsStayFinite() {
    float[] x = {-1e4f, -100, -20, 20, 100, 1e4f, INF, -INF};
    for (UnaryOp op : List.of(UnaryOp.SIGMOID, UnaryOp.SILU, UnaryOp.GELU, UnaryOp.GELU_ERF, UnaryOp.TANH)) {
      float[] y = map(op.value(), x, x);
      for (int i = 0; i < 6; i++) {
        double expected = Oracle.unary(op).applyAsDouble(x[i]);
        assertEquals(expected, y[i], 1e-6 * Math.max(1, Math.abs(expected)), op + " of " + x[i]);
        double slope = map(op.derivative(), new float[]{1}, new float[]{x[i]}, new float[]{y[i]})[0];
        assertTrue(Double.isFinite(slope), op + "' of " + x[i] + " is " + slope);
      }
    }
  }

  private static float[] map(Formula formula, float[]... operands) {
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Shape shape = Shape.of(operands[0].length);
      Tensor y = scope.allocate(shape, DType.F32);
      List<Tensor> tensors = java.util.Arrays.stream(operands).map(values -> scope.tensor(values, shape)).toList();
      device.kernels().pointwise().map(Sink.of(y), formula, tensors);
      return y.toArray();
    }
  }
}
