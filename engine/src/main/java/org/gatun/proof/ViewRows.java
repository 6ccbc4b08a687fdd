package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.Tensor;

/** Rows of operations on shapes. */
final class ViewRows {
  private ViewRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    views(rows);
    slices(rows);
    joins(rows);
    return rows;
  }

  private static void views(List<OpRow> rows) {
    rows.add(OpRow.of("reshape", "[2, 3, 17] to [6, -1]", x -> Oracle.reshape(x[0], 6, 17), x -> x[0].reshape(6, -1),
        normal(1, 2, 3, 17)));
    rows.add(OpRow.of("reshape", "[1, 1] to []", x -> Oracle.reshape(x[0]), x -> x[0].reshape(), normal(1, 1, 1)));
    rows.add(OpRow.of("reshape", "transposed", x -> Oracle.reshape(Oracle.transpose(x[0], 0, 1), 119),
        x -> x[0].transpose(0, 1).reshape(-1), normal(1, 7, 17)));
    rows.add(
        OpRow.of("reshape", "twice used", x -> Oracle.plus(Oracle.reshape(x[0], 17, 3), Oracle.reshape(x[0], 17, 3)),
            x -> x[0].reshape(17, 3).plus(x[0].reshape(17, 3)), normal(1, 3, 17)));
    rows.add(OpRow.of("unsqueeze", "middle", x -> Oracle.reshape(x[0], 3, 1, 17), x -> x[0].unsqueeze(1),
        normal(1, 3, 17)));
    rows.add(OpRow.of("unsqueeze", "last", x -> Oracle.reshape(x[0], 3, 17, 1), x -> x[0].unsqueeze(-1),
        normal(1, 3, 17)));
    int[][] orders = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 2, 3, 0}, {3, 0, 2, 1}};
    for (int[] order : orders) {
      rows.add(OpRow.of("permute", java.util.Arrays.toString(order), x -> Oracle.permute(x[0], order),
          x -> x[0].permute(order), normal(1, 2, 3, 5, 7)));
    }
    rows.add(OpRow.of("transpose", "[17, 9]", x -> Oracle.transpose(x[0], 0, 1), x -> x[0].transpose(0, 1),
        normal(1, 17, 9)));
    rows.add(OpRow.of("transpose", "outer and last", x -> Oracle.transpose(x[0], 0, 2), x -> x[0].transpose(0, -1),
        normal(1, 3, 5, 16)));
    rows.add(
        OpRow.of("expand", "[17] to [3, 17]", x -> Oracle.expand(x[0], 3, 17), x -> x[0].expand(3, 17), normal(1, 17)));
    rows.add(OpRow.of("expand", "[3, 1] to [2, 3, 9]", x -> Oracle.expand(x[0], 2, 3, 9), x -> x[0].expand(2, 3, 9),
        normal(1, 3, 1)));
    rows.add(OpRow.of("expand", "[] to [65]", x -> Oracle.expand(x[0], 65), x -> x[0].expand(65), normal(1)));
    rows.add(OpRow.of("contiguous", "transposed", x -> Oracle.transpose(x[0], 0, 1),
        x -> x[0].transpose(0, 1).contiguous(), normal(1, 33, 9)));
    rows.add(OpRow.of("contiguous", "permuted", x -> Oracle.permute(x[0], 2, 0, 1),
        x -> x[0].permute(2, 0, 1).contiguous(), normal(1, 3, 5, 16)));
  }

  private static void slices(List<OpRow> rows) {
    rows.add(
        OpRow.of("slice", "first axis", x -> Oracle.slice(x[0], 0, 2, 5), x -> x[0].slice(0, 2, 5), normal(1, 7, 9)));
    rows.add(OpRow.of("slice", "last axis", x -> Oracle.slice(x[0], 1, 3, 20), x -> x[0].slice(-1, 3, 20),
        normal(1, 7, 33)));
    rows.add(OpRow.of("slice", "whole axis", x -> x[0], x -> x[0].slice(0, 0, 7), normal(1, 7, 9)));
    rows.add(OpRow.of("slice", "of a slice", x -> Oracle.slice(Oracle.slice(x[0], 0, 2, 6), 1, 1, 8),
        x -> x[0].slice(0, 2, 6).slice(1, 1, 8), normal(1, 7, 9)));
    rows.add(
        OpRow.of("slice", "overlapping", x -> Oracle.plus(Oracle.slice(x[0], 0, 0, 9), Oracle.slice(x[0], 0, 3, 12)),
            x -> x[0].slice(0, 0, 9).plus(x[0].slice(0, 3, 12)), normal(1, 12)));
    rows.add(OpRow.of("split", "all parts", x -> Oracle.plus(Oracle.slice(x[0], 1, 0, 8),
        Oracle.plus(Oracle.slice(x[0], 1, 8, 16), Oracle.slice(x[0], 1, 16, 24))), x -> {
          List<Tensor> parts = x[0].split(1, 8, 8, 8);
          return parts.get(0).plus(parts.get(1).plus(parts.get(2)));
        }, normal(1, 3, 24)).roundings(2));
    rows.add(OpRow.of("split", "one part unused", x -> Oracle.slice(x[0], 0, 1, 4), x -> x[0].split(0, 1, 3, 5).get(1),
        normal(1, 9, 7)));
  }

  private static void joins(List<OpRow> rows) {
    rows.add(OpRow.of("concat", "first axis", x -> Oracle.concat(0, List.of(x)), x -> Tensor.concat(0, List.of(x)),
        normal(1, 1, 17), normal(2, 7, 17), normal(3, 3, 17)));
    rows.add(OpRow.of("concat", "last axis", x -> Oracle.concat(1, List.of(x)), x -> Tensor.concat(-1, List.of(x)),
        normal(1, 7, 1), normal(2, 7, 16), normal(3, 7, 9)));
    rows.add(OpRow.of("concat", "itself", x -> Oracle.concat(0, List.of(x[0], x[0])),
        x -> Tensor.concat(0, List.of(x[0], x[0])), normal(1, 7, 9)));
    rows.add(OpRow.of("concat", "transposed", x -> Oracle.concat(0, List.of(Oracle.transpose(x[0], 0, 1), x[1])),
        x -> Tensor.concat(0, List.of(x[0].transpose(0, 1), x[1])), normal(1, 7, 9), normal(2, 8, 7)));
    for (int axis = 0; axis < 3; axis++) {
      int at = axis;
      int[] single = {at == 0 ? 1 : 7, at == 1 ? 1 : at == 0 ? 7 : 9, at == 2 ? 1 : 9};
      rows.add(OpRow.of("stack", "axis " + at,
          x -> Oracle.concat(at, List.of(Oracle.reshape(x[0], single), Oracle.reshape(x[1], single))),
          x -> Tensor.stack(at, List.of(x)), normal(1, 7, 9), normal(2, 7, 9)));
    }
  }
}
