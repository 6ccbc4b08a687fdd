package org.gatun.proof;

import static org.gatun.proof.OpTable.awayFromZero;
import static org.gatun.tensor.GradientCheck.Array.normal;
import static org.gatun.tensor.GradientCheck.Array.uniform;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.function.UnaryOperator;
import org.gatun.tensor.BinaryOp;
import org.gatun.tensor.DType;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Tensor;
import org.gatun.tensor.UnaryOp;

/** Rows of element-wise operations. */
final class PointwiseRows {
  /** Values that BF16 does not hold, so that no rounded element meets the kink at them. */
  private static final float LOW = -0.5201f;

  private static final float HIGH = 0.7103f;

  private PointwiseRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    for (UnaryOp op : UnaryOp.values()) {
      unary(rows, op);
    }
    for (BinaryOp op : BinaryOp.values()) {
      binary(rows, op);
    }
    scalars(rows);
    others(rows);
    large(rows);
    return rows;
  }

  private static void unary(List<OpRow> rows, UnaryOp op) {
    for (int size : new int[]{1, 7, 8, 9, 15, 16, 17, 31, 33, 65}) {
      rows.add(unary(op, "[" + size + "]", x -> x, x -> x, domain(op, size, size)));
    }
    rows.add(unary(op, "transposed", x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1), domain(op, 3, 9, 17)));
    rows.add(unary(op, "sliced", x -> Oracle.slice(x, 1, 2, 35), x -> x.slice(1, 2, 35), domain(op, 4, 3, 37)));
  }

  private static OpRow unary(
      UnaryOp op, String detail, UnaryOperator<Array> before, UnaryOperator<Tensor> view, Array x) {
    return OpRow.of(method(op), detail, in -> Oracle.map(before.apply(in[0]), Oracle.unary(op, LOW, HIGH)),
        in -> apply(op, view.apply(in[0])), x);
  }

  private static Array domain(UnaryOp op, long seed, int... dims) {
    return switch (op) {
      case SQRT, RSQRT, LOG, POW -> uniform(seed, 0.3, 2, dims);
      case ABS, RELU -> awayFromZero(seed, dims);
      case NEG, SQUARE, EXP, TANH, SIGMOID, GELU, GELU_ERF, SILU, CLAMP, PLUS, TIMES, DIVIDED_BY, MAXIMUM, MINIMUM ->
          normal(seed, dims);
    };
  }

  /** Without default: a new constant has to get its row here. */
  private static Tensor apply(UnaryOp op, Tensor x) {
    return switch (op) {
      case NEG -> x.neg();
      case ABS -> x.abs();
      case SQUARE -> x.square();
      case SQRT -> x.sqrt();
      case RSQRT -> x.rsqrt();
      case EXP -> x.exp();
      case LOG -> x.log();
      case TANH -> x.tanh();
      case SIGMOID -> x.sigmoid();
      case RELU -> x.relu();
      case GELU -> x.gelu();
      case GELU_ERF -> x.geluErf();
      case SILU -> x.silu();
      case CLAMP -> x.clamp(LOW, HIGH);
      case PLUS -> x.plus(LOW);
      case TIMES -> x.times(LOW);
      case DIVIDED_BY -> x.dividedBy(LOW);
      case POW -> x.pow(LOW);
      case MAXIMUM -> x.maximum(LOW);
      case MINIMUM -> x.minimum(LOW);
    };
  }

  private static String method(UnaryOp op) {
    return switch (op) {
      case GELU_ERF -> "geluErf";
      case DIVIDED_BY -> "dividedBy";
      case NEG, ABS, SQUARE, SQRT, RSQRT, EXP, LOG, TANH, SIGMOID, RELU, GELU, SILU, CLAMP, PLUS, TIMES, POW, MAXIMUM,
          MINIMUM -> op.name().toLowerCase(java.util.Locale.ROOT);
    };
  }

  private static void binary(List<OpRow> rows, BinaryOp op) {
    int[][][] shapes = {
      {{1}, {1}}, {{33}, {33}}, {{65}, {65}}, {{3, 17}, {17}}, {{17}, {3, 17}}, {{15}, {}}, {{8, 31}, {8, 1}},
      {{4, 1, 9}, {7, 1}}, {{2, 3, 4, 5}, {3, 1, 5}}, {{1, 16}, {9, 1}}};
    for (int[][] pair : shapes) {
      rows.add(OpRow.of(method(op), Arrays.toString(pair[0]) + " by " + Arrays.toString(pair[1]),
          x -> Oracle.zip(x[0], x[1], Oracle.binary(op)), x -> apply(op, x[0], x[1]),
          domain(op, true, pair[0]), domain(op, false, pair[1])));
    }
    rows.add(OpRow.of(method(op), "transposed",
        x -> Oracle.zip(Oracle.transpose(x[0], 0, 1), x[1], Oracle.binary(op)),
        x -> apply(op, x[0].transpose(0, 1), x[1]), domain(op, true, 9, 16), domain(op, false, 16, 9)));
    if (!op.isDifferentiable()) {
      rows.replaceAll(row -> row.op().equals(method(op)) ? row.noGradient() : row);
    }
  }

  private static Array domain(BinaryOp op, boolean first, int... dims) {
    return switch (op) {
      case PLUS, MINUS, TIMES, MAXIMUM, MINIMUM -> normal(first ? 5 : 6, dims);
      case DIVIDED_BY -> first ? normal(5, dims) : uniform(6, 0.5, 2, dims);
      case POW -> first ? uniform(5, 0.3, 2, dims) : normal(6, dims);
      case LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL, EQUAL, NOT_EQUAL ->
          Oracle.map(normal(first ? 5 : 6, dims), Math::rint);
    };
  }

  /** Without default: a new constant has to get its row here. */
  private static Tensor apply(BinaryOp op, Tensor a, Tensor b) {
    return switch (op) {
      case PLUS -> a.plus(b);
      case MINUS -> a.minus(b);
      case TIMES -> a.times(b);
      case DIVIDED_BY -> a.dividedBy(b);
      case POW -> a.pow(b);
      case MAXIMUM -> a.maximum(b);
      case MINIMUM -> a.minimum(b);
      case LESS -> a.lessThan(b);
      case LESS_OR_EQUAL -> a.atMost(b);
      case GREATER -> a.greaterThan(b);
      case GREATER_OR_EQUAL -> a.atLeast(b);
      case EQUAL -> a.equalTo(b);
      case NOT_EQUAL -> a.notEqualTo(b);
    };
  }

  private static String method(BinaryOp op) {
    return switch (op) {
      case PLUS -> "plus";
      case MINUS -> "minus";
      case TIMES -> "times";
      case DIVIDED_BY -> "dividedBy";
      case POW -> "pow";
      case MAXIMUM -> "maximum";
      case MINIMUM -> "minimum";
      case LESS -> "lessThan";
      case LESS_OR_EQUAL -> "atMost";
      case GREATER -> "greaterThan";
      case GREATER_OR_EQUAL -> "atLeast";
      case EQUAL -> "equalTo";
      case NOT_EQUAL -> "notEqualTo";
    };
  }

  private static void scalars(List<OpRow> rows) {
    rows.add(OpRow.of("minus", "a number", x -> Oracle.map(x[0], a -> a - LOW), x -> x[0].minus(LOW), normal(7, 17)));
    rows.add(both("plus", "itself", (a, b) -> Oracle.zip(a, b, Double::sum), Tensor::plus));
    rows.add(both("times", "itself", (a, b) -> Oracle.zip(a, b, (p, q) -> p * q), Tensor::times));
    rows.add(both("minus", "itself", (a, b) -> Oracle.zip(a, b, (p, q) -> p - q), Tensor::minus));
  }

  private static OpRow both(String op, String detail, BinaryOperator<Array> reference, BinaryOperator<Tensor> f) {
    return OpRow.of(op, detail, x -> reference.apply(x[0], x[0]), x -> f.apply(x[0], x[0]), normal(8, 3, 17));
  }

  /** More than one task a thread, and more than one chunk a task. */
  private static void large(List<OpRow> rows) {
    rows.add(unary(UnaryOp.GELU, "large", x -> x, x -> x, normal(1, 70_003)));
    rows.add(unary(UnaryOp.TANH, "large, transposed", x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1),
        normal(1, 167, 401)));
    rows.add(OpRow.of("times", "large, broadcast", x -> Oracle.zip(x[0], x[1], (a, b) -> a * b), x -> x[0].times(x[1]),
        normal(1, 167, 401), normal(2, 401)));
    rows.add(OpRow.of("plus", "large, broadcast", x -> Oracle.zip(x[0], x[1], Double::sum), x -> x[0].plus(x[1]),
        normal(1, 167, 1), normal(2, 401)));
    rows.add(OpRow.of("dropout", "large", x -> Oracle.dropout(x[0], 0.5f, 3), x -> x[0].dropout(0.5f, 3),
        normal(1, 50_001)));
  }

  private static void others(List<OpRow> rows) {
    Array mask = Oracle.map(normal(9, 3, 17), x -> x > 0 ? 1 : 0);
    rows.add(OpRow.of("where", "[3, 17]", x -> Oracle.where(x[2], x[0], x[1]), x -> x[2].where(x[0], x[1]),
        normal(10, 3, 17), normal(11, 3, 17)).constant(mask));
    rows.add(OpRow.of("where", "broadcast", x -> Oracle.where(x[2], x[0], x[1]), x -> x[2].where(x[0], x[1]),
        normal(10, 5, 1, 1), normal(11, 17)).constant(mask));
    rows.add(OpRow.of("where", "mask stretched", x -> Oracle.where(x[2], x[0], x[1]), x -> x[2].where(x[0], x[1]),
        normal(10, 5, 3, 17), normal(11, 5, 1, 17)).constant(mask));
    for (int size : new int[]{1, 7, 16, 65}) {
      rows.add(
          OpRow.of("dropout", "[3, " + size + "]", x -> Oracle.dropout(x[0], 0.3f, 77), x -> x[0].dropout(0.3f, 77),
              normal(size, 3, size)));
    }
    rows.add(OpRow.of("dropout", "transposed", x -> Oracle.dropout(Oracle.transpose(x[0], 0, 1), 0.3f, 77),
        x -> x[0].transpose(0, 1).dropout(0.3f, 77), normal(12, 9, 17)));
    rows.add(OpRow.of("dropout", "off", x -> x[0], x -> x[0].dropout(0f, 77).times(1f), normal(12, 17)));
    // One rounding to BF16, whatever the precision.
    rows.add(OpRow.of("cast", "to BF16 and back", x -> x[0], x -> x[0].cast(DType.BF16).cast(DType.F32),
        normal(13, 3, 33)).tolerance(4 * 0x1p-8));
    rows.add(OpRow.of("cast", "to F32", x -> Oracle.transpose(x[0], 0, 1), x -> x[0].transpose(0, 1).cast(DType.F32),
        normal(13, 3, 33)));
    rows.add(OpRow.of("cast", "to I32", x -> Oracle.map(x[0], v -> v < 0 ? Math.ceil(v) : Math.floor(v)),
        x -> x[0].cast(DType.I32), Oracle.map(normal(14, 65), v -> 9 * v)).noGradient());
    rows.add(OpRow.of("detach", "[17]", x -> x[0], x -> x[0].detach(), normal(15, 17)).noGradient());
  }
}
