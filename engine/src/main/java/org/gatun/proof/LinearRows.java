package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Tensor;

/** Rows of matrix products. */
final class LinearRows {
  private LinearRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    matmul(rows);
    matmulOfViews(rows);
    large(rows);
    linear(rows);
    mlp(rows);
    return rows;
  }

  private static void matmul(List<OpRow> rows) {
    int[][][] shapes = {
      {{1, 1}, {1, 1}}, {{1, 7}, {7, 1}}, {{7, 1}, {1, 9}}, {{1, 17}, {17, 33}}, {{17, 33}, {33, 1}},
      {{5, 7}, {7, 9}}, {{8, 8}, {8, 8}}, {{16, 15}, {15, 17}}, {{31, 17}, {17, 16}}, {{13, 64}, {64, 65}},
      {{65, 9}, {9, 64}}, {{3, 5, 7}, {3, 7, 9}}, {{3, 5, 7}, {7, 9}}, {{5, 7}, {3, 7, 9}}, {{2, 1, 5, 7}, {3, 7, 9}},
      {{2, 3, 5, 7}, {1, 3, 7, 9}}, {{2, 3, 5, 7}, {2, 1, 7, 9}}, {{1, 5, 7}, {4, 7, 9}}, {{2, 3, 1, 8}, {2, 3, 8, 1}},
      {{2, 1, 17}, {2, 17, 1}}};
    for (int[][] pair : shapes) {
      rows.add(product(Arrays.toString(pair[0]) + " by " + Arrays.toString(pair[1]),
          x -> x, x -> x, x -> x, x -> x, normal(1, pair[0]), normal(2, pair[1])));
    }
  }

  private static void matmulOfViews(List<OpRow> rows) {
    rows.add(product("first transposed", x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1), x -> x, x -> x,
        normal(3, 17, 9), normal(4, 17, 33)));
    rows.add(product("second transposed", x -> x, x -> x, x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1),
        normal(3, 9, 17), normal(4, 33, 17)));
    rows.add(product("both transposed", x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1),
        x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1), normal(3, 17, 9), normal(4, 33, 17)));
    rows.add(product("batch and both transposed", x -> Oracle.transpose(x, 1, 2), x -> x.transpose(1, 2),
        x -> Oracle.transpose(x, 1, 2), x -> x.transpose(1, 2), normal(3, 3, 7, 9), normal(4, 3, 8, 7)));
    rows.add(product("batch permuted", x -> Oracle.permute(x, 1, 0, 2), x -> x.permute(1, 0, 2),
        x -> Oracle.permute(x, 2, 0, 1), x -> x.permute(2, 0, 1), normal(3, 5, 3, 7), normal(4, 7, 9, 3)));
    rows.add(product("heads permuted", x -> Oracle.transpose(x, 1, 2), x -> x.transpose(1, 2),
        x -> Oracle.permute(x, 0, 2, 3, 1), x -> x.permute(0, 2, 3, 1), normal(3, 2, 5, 3, 8), normal(4, 2, 7, 3, 8)));
    rows.add(product("sliced", x -> Oracle.slice(x, 1, 2, 11), x -> x.slice(1, 2, 11),
        x -> Oracle.slice(x, 0, 1, 10), x -> x.slice(0, 1, 10), normal(3, 7, 17), normal(4, 11, 8)));
    rows.add(product("no unit stride", x -> Oracle.permute(x, 2, 0, 1), x -> x.permute(2, 0, 1),
        x -> Oracle.permute(Oracle.slice(x, 2, 0, 1), 2, 0, 1), x -> x.slice(2, 0, 1).permute(2, 0, 1),
        normal(3, 5, 7, 3), normal(4, 7, 9, 3)));
    rows.add(product("stretched", x -> Oracle.expand(x, 5, 7), x -> x.expand(5, 7),
        x -> Oracle.expand(x, 2, 7, 9), x -> x.expand(2, 7, 9), normal(3, 5, 1), normal(4, 9)));
    rows.add(product("stretched batch", x -> Oracle.expand(x, 3, 5, 7), x -> x.expand(3, 5, 7), x -> x, x -> x,
        normal(3, 5, 7), normal(4, 3, 7, 9)));
    rows.add(OpRow.of("matmul", "by its transpose", x -> Oracle.matmul(x[0], Oracle.transpose(x[0], 0, 1)),
        x -> x[0].matmul(x[0].transpose(0, 1)), normal(3, 9, 17)));
  }

  /** Beyond the blocks of a matrix product: 120 rows, 128 columns, 768 of depth, a million of work a task. */
  private static void large(List<OpRow> rows) {
    int[][] sizes = {{131, 790, 37}, {37, 50, 1100}, {300, 33, 260}, {1100, 17, 9}, {2, 1600, 300}};
    for (int[] size : sizes) {
      rows.add(OpRow.of("linear", "large " + Arrays.toString(size), p -> Oracle.linear(p[0], p[1], p[2]),
          p -> p[0].linear(p[1], p[2]), normal(1, size[0], size[1]), normal(2, size[2], size[1]), normal(3, size[2])));
    }
    rows.add(product("large batch", x -> x, x -> x, x -> x, x -> x, normal(1, 70, 12, 16), normal(2, 70, 16, 17)));
    rows.add(product("large, both transposed", x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1),
        x -> Oracle.transpose(x, 0, 1), x -> x.transpose(0, 1), normal(1, 800, 50), normal(2, 40, 800)));
  }

  private static OpRow product(String detail, UnaryOperator<Array> left, UnaryOperator<Tensor> leftView,
      UnaryOperator<Array> right, UnaryOperator<Tensor> rightView, Array a, Array b) {
    return OpRow.of("matmul", detail, x -> Oracle.matmul(left.apply(x[0]), right.apply(x[1])),
        x -> leftView.apply(x[0]).matmul(rightView.apply(x[1])), a, b);
  }

  /** Rows, in, out. */
  private static final int[][] SIZES = {
    {1, 1, 1}, {7, 8, 9}, {9, 7, 8}, {15, 16, 17}, {16, 17, 15}, {17, 31, 33}, {33, 65, 16}, {64, 33, 7}, {5, 9, 65}};

  private static void linear(List<OpRow> rows) {
    for (int[] size : SIZES) {
      String detail = Arrays.toString(size);
      Array x = normal(5, size[0], size[1]);
      Array weight = normal(6, size[2], size[1]);
      Array bias = normal(7, size[2]);
      rows.add(OpRow.of("linear", detail + " with bias", p -> Oracle.linear(p[0], p[1], p[2]),
          p -> p[0].linear(p[1], p[2]), x, weight, bias));
      rows.add(OpRow.of("linear", detail + " without bias", p -> Oracle.linear(p[0], p[1], null),
          p -> p[0].linear(p[1], null), x, weight));
      for (Gelu form : Gelu.values()) {
        rows.add(OpRow.of("linearGelu", detail + " " + form + " with bias",
            p -> Oracle.map(Oracle.linear(p[0], p[1], p[2]), v -> Oracle.gelu(v, form)),
            p -> p[0].linearGelu(p[1], p[2], form), x, weight, bias).roundings(2));
        rows.add(OpRow.of("linearGelu", detail + " " + form + " without bias",
            p -> Oracle.map(Oracle.linear(p[0], p[1], null), v -> Oracle.gelu(v, form)),
            p -> p[0].linearGelu(p[1], null, form), x, weight).roundings(2));
      }
    }
    rows.add(OpRow.of("linear", "rank 1", p -> Oracle.linear(p[0], p[1], p[2]), p -> p[0].linear(p[1], p[2]),
        normal(5, 17), normal(6, 9, 17), normal(7, 9)));
    rows.add(OpRow.of("linear", "rank 3", p -> Oracle.linear(p[0], p[1], p[2]), p -> p[0].linear(p[1], p[2]),
        normal(5, 2, 3, 17), normal(6, 9, 17), normal(7, 9)));
    rows.add(OpRow.of("linear", "transposed", p -> Oracle.linear(Oracle.transpose(p[0], 0, 1), p[1], p[2]),
        p -> p[0].transpose(0, 1).linear(p[1], p[2]), normal(5, 17, 8), normal(6, 9, 17), normal(7, 9)));
    rows.add(OpRow.of("linear", "by itself", p -> Oracle.linear(p[0], p[0], null), p -> p[0].linear(p[0], null),
        normal(5, 9, 17)));
  }

  private static void mlp(List<OpRow> rows) {
    for (int[] size : SIZES) {
      for (Gelu form : Gelu.values()) {
        rows.add(OpRow.of("mlp", Arrays.toString(size) + " " + form + " with biases",
            p -> Oracle.mlp(p[0], p[1], p[2], p[3], p[4], form), p -> p[0].mlp(p[1], p[2], p[3], p[4], form),
            normal(5, size[0], size[1]), normal(6, size[2], size[1]), normal(7, size[2]), normal(8, size[1], size[2]),
            normal(9, size[1])).roundings(3));
      }
    }
    rows.add(OpRow.of("mlp", "[3, 8, 17] TANH without biases",
        p -> Oracle.mlp(p[0], p[1], null, p[2], null, Gelu.TANH), p -> p[0].mlp(p[1], null, p[2], null, Gelu.TANH),
        normal(5, 3, 8), normal(6, 17, 8), normal(8, 9, 17)).roundings(3));
    rows.add(
        OpRow.of("mlp", "transposed", p -> Oracle.mlp(Oracle.transpose(p[0], 0, 1), p[1], p[2], p[3], null, Gelu.TANH),
            p -> p[0].transpose(0, 1).mlp(p[1], p[2], p[3], null, Gelu.TANH),
            normal(5, 8, 7), normal(6, 17, 8), normal(7, 17), normal(8, 9, 17)).roundings(3));
  }
}
