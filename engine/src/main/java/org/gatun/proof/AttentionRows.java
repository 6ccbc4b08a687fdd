package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Rows of attention. The scores' rounding goes through an exponential, hence more roundings than results. */
final class AttentionRows {
  private static final int ROUNDINGS = 3;

  private AttentionRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    causal(rows);
    for (boolean causal : new boolean[]{false, true}) {
      for (int[] times : new int[][]{{1, 1}, {7, 7}, {8, 17}, {1, 33}, {16, 16}, {16, 65}, {33, 33}}) {
        rows.add(attention("Tq " + times[0] + " Tk " + times[1] + (causal ? " causal" : ""), 2, 3, times[0], times[1],
            8, causal));
      }
      for (int headSize : new int[]{1, 5, 15, 16, 33, 64}) {
        rows.add(attention("HS " + headSize + (causal ? " causal" : ""), 1, 2, 9, 17, headSize, causal));
      }
    }
    rows.add(attention("Tq 17 Tk 8", 1, 2, 17, 8, 8, false));
    rows.add(attention("large Tq 40 Tk 200 causal", 1, 1, 40, 200, 16, true));
    rows.add(attention("large Tq 150 Tk 150 causal", 1, 1, 150, 150, 16, true));
    rows.add(attention("large Tq 130 Tk 70", 1, 1, 130, 70, 32, false));
    masks(rows);
    views(rows);
    return rows;
  }

  private static void causal(List<OpRow> rows) {
    // B, T, NH, HS.
    int[][] sizes = {
      {1, 1, 1, 8}, {2, 7, 3, 8}, {2, 8, 1, 16}, {1, 9, 2, 15}, {1, 17, 2, 33}, {2, 33, 2, 7}, {1, 33, 1, 64},
      {1, 64, 1, 8}, {1, 65, 1, 16}};
    for (int[] s : sizes) {
      rows.add(OpRow.of("causalAttention", "B " + s[0] + " T " + s[1] + " NH " + s[2] + " HS " + s[3],
          x -> Oracle.causalAttention(x[0], s[2]), x -> x[0].causalAttention(s[2]),
          normal(1, s[0], s[1], 3 * s[2] * s[3])).roundings(ROUNDINGS));
    }
    rows.add(OpRow.of("causalAttention", "transposed", x -> Oracle.causalAttention(Oracle.transpose(x[0], 0, 1), 2),
        x -> x[0].transpose(0, 1).causalAttention(2), normal(1, 9, 2, 48)).roundings(ROUNDINGS));
  }

  private static OpRow attention(String detail, int batch, int heads, int tq, int tk, int hs, boolean causal) {
    return OpRow.of("scaledDotProductAttention", detail, x -> Oracle.attention(x[0], x[1], x[2], null, causal),
        x -> x[0].scaledDotProductAttention(x[1], x[2], null, causal),
        normal(1, batch, heads, tq, hs), normal(2, batch, heads, tk, hs), normal(3, batch, heads, tk, hs))
        .roundings(ROUNDINGS);
  }

  private static void masks(List<OpRow> rows) {
    rows.add(masked("mask [Tq, Tk]", false, normal(4, 9, 17)));
    rows.add(masked("mask [B, NH, Tq, Tk]", false, normal(4, 2, 3, 9, 17)));
    rows.add(masked("mask [B, 1, 1, Tk]", false, normal(4, 2, 1, 1, 17)));
    rows.add(masked("mask [Tq, Tk] causal", true, normal(4, 9, 17)));
    // Every query keeps at least its first key.
    var closed = new double[2 * 17];
    for (int i = 0; i < closed.length; i++) {
      closed[i] = i % 17 % 3 == 0 ? 0 : Double.NEGATIVE_INFINITY;
    }
    rows.add(masked("mask of zeros and -∞", false, new Array(Shape.of(2, 1, 1, 17), closed)));
    rows.add(masked("mask of zeros and -∞ causal", true, new Array(Shape.of(2, 1, 1, 17), closed)));
  }

  private static OpRow masked(String detail, boolean causal, Array mask) {
    return OpRow.of("scaledDotProductAttention", detail, x -> Oracle.attention(x[0], x[1], x[2], x[3], causal),
        x -> x[0].scaledDotProductAttention(x[1], x[2], x[3], causal),
        normal(1, 2, 3, 9, 8), normal(2, 2, 3, 17, 8), normal(3, 2, 3, 17, 8)).constant(mask).roundings(ROUNDINGS);
  }

  private static void views(List<OpRow> rows) {
    // [B, T, NH, HS] seen as [B, NH, T, HS], as after a projection.
    rows.add(OpRow.of("scaledDotProductAttention", "heads transposed",
        x -> Oracle.attention(heads(x[0]), heads(x[1]), heads(x[2]), null, true),
        x -> x[0].transpose(1, 2).scaledDotProductAttention(x[1].transpose(1, 2), x[2].transpose(1, 2), null, true),
        normal(1, 2, 9, 3, 8), normal(2, 2, 9, 3, 8), normal(3, 2, 9, 3, 8)).roundings(ROUNDINGS));
    rows.add(OpRow.of("scaledDotProductAttention", "no unit stride",
        x -> Oracle.attention(Oracle.transpose(x[0], 2, 3), x[1], x[2], null, false),
        x -> x[0].transpose(2, 3).scaledDotProductAttention(x[1], x[2], null, false),
        normal(1, 1, 2, 8, 9), normal(2, 1, 2, 17, 8), normal(3, 1, 2, 17, 8)).roundings(ROUNDINGS));
    rows.add(OpRow.of("scaledDotProductAttention", "of one tensor",
        x -> Oracle.attention(x[0], x[0], x[0], null, false),
        x -> x[0].scaledDotProductAttention(x[0], x[0], null, false), normal(1, 1, 2, 17, 8)).roundings(ROUNDINGS));
    rows.add(OpRow.of("scaledDotProductAttention", "packed projection",
        x -> Oracle.attention(part(x[0], 0), part(x[0], 1), part(x[0], 2), null, true), x -> {
          List<Tensor> parts =
              x[0].split(2, 24, 24, 24).stream().map(p -> p.reshape(2, 9, 3, 8).transpose(1, 2)).toList();
          return parts.get(0).scaledDotProductAttention(parts.get(1), parts.get(2), null, true);
        }, normal(1, 2, 9, 72)).roundings(ROUNDINGS));
  }

  private static Array heads(Array x) {
    return Oracle.transpose(x, 1, 2);
  }

  private static Array part(Array x, int index) {
    return heads(Oracle.reshape(Oracle.slice(x, 2, 24 * index, 24 * index + 24), 2, 9, 3, 8));
  }
}
