package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Tensor;

/** Rows of operations on the innermost dimension: softmax and normalisations. */
final class NormRows {
  private static final float EPS = 1e-5f;

  private NormRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    for (int width : new int[]{1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65}) {
      softmax(rows, 5, width);
      norms(rows, 5, width);
      addLayerNorm(rows, width);
    }
    // More than one chunk of a row, group of rows and task.
    norms(rows, 70, 300);
    norms(rows, 3, 5000);
    softmax(rows, 40, 700);
    softmax(rows, 2, 20_000);
    views(rows);
    return rows;
  }

  private static void softmax(List<OpRow> rows, int count, int width) {
    String detail = (count * width > 1000 ? "large [" : "[") + count + ", " + width + "]";
    rows.add(OpRow.of("softmax", detail, x -> Oracle.softmax(x[0]), x -> x[0].softmax(), normal(1, count, width)));
    rows.add(
        OpRow.of("logSoftmax", detail, x -> Oracle.logSoftmax(x[0]), x -> x[0].logSoftmax(), normal(1, count, width)));
  }

  private static void norms(List<OpRow> rows, int count, int width) {
    String detail = (count * width > 1000 ? "large [" : "[") + count + ", " + width + "]";
    // A row near zero is all eps: its gradient is a difference of large numbers.
    Array x = OpTable.awayFromZero(2, count, width);
    Array weight = normal(3, width);
    Array bias = normal(4, width);
    rows.add(OpRow.of("layerNorm", detail, p -> Oracle.layerNorm(p[0], p[1], p[2], EPS),
        p -> p[0].layerNorm(p[1], p[2], EPS), x, weight, bias));
    rows.add(OpRow.of("layerNorm", detail + " without bias", p -> Oracle.layerNorm(p[0], p[1], null, EPS),
        p -> p[0].layerNorm(p[1], null, EPS), x, weight));
    rows.add(
        OpRow.of("rmsNorm", detail, p -> Oracle.rmsNorm(p[0], p[1], EPS), p -> p[0].rmsNorm(p[1], EPS), x, weight));
  }

  private static void addLayerNorm(List<OpRow> rows, int width) {
    String detail = "[5, " + width + "]";
    Array[] inputs = {normal(2, 5, width), normal(5, 5, width), normal(3, width), normal(4, width)};
    rows.add(
        OpRow.of("addLayerNorm", detail + " normed", p -> Oracle.layerNorm(Oracle.plus(p[0], p[1]), p[2], p[3], EPS),
            p -> p[0].addLayerNorm(p[1], p[2], p[3], EPS).normed(), inputs).roundings(2));
    rows.add(OpRow.of("addLayerNorm", detail + " both", NormRows::sumAndNormed, p -> {
      Residual r = p[0].addLayerNorm(p[1], p[2], p[3], EPS);
      return Tensor.concat(0, List.of(r.stream(), r.normed()));
    }, inputs).roundings(3));
  }

  private static Array sumAndNormed(Array... p) {
    Array sum = Oracle.plus(p[0], p[1]);
    return Oracle.concat(0, List.of(sum, Oracle.layerNorm(sum, p[2], p[3], EPS)));
  }

  private static void views(List<OpRow> rows) {
    rows.add(OpRow.of("softmax", "transposed", x -> Oracle.softmax(Oracle.transpose(x[0], 0, 1)),
        x -> x[0].transpose(0, 1).softmax(), normal(1, 17, 5)));
    rows.add(OpRow.of("softmax", "rank 3, large values", x -> Oracle.softmax(Oracle.map(x[0], v -> v * 32)),
        x -> x[0].times(32f).softmax(), normal(1, 2, 3, 9)).roundings(32));
    rows.add(OpRow.of("logSoftmax", "transposed", x -> Oracle.logSoftmax(Oracle.transpose(x[0], 0, 1)),
        x -> x[0].transpose(0, 1).logSoftmax(), normal(1, 17, 5)));
    rows.add(OpRow.of("layerNorm", "transposed, rank 3",
        p -> Oracle.layerNorm(Oracle.transpose(p[0], 0, 2), p[1], p[2], EPS),
        p -> p[0].transpose(0, 2).layerNorm(p[1], p[2], EPS), normal(2, 17, 3, 5), normal(3, 17), normal(4, 17)));
    rows.add(OpRow.of("rmsNorm", "transposed", p -> Oracle.rmsNorm(Oracle.transpose(p[0], 0, 1), p[1], EPS),
        p -> p[0].transpose(0, 1).rmsNorm(p[1], EPS), normal(2, 17, 5), normal(3, 17)));
    rows.add(OpRow.of("addLayerNorm", "stream alone", p -> Oracle.plus(p[0], p[1]),
        p -> p[0].addLayerNorm(p[1], p[2], p[3], EPS).stream(),
        normal(2, 5, 17), normal(5, 5, 17), normal(3, 17), normal(4, 17)));
    rows.add(OpRow.of("addLayerNorm", "without bias, to itself",
        p -> Oracle.layerNorm(Oracle.plus(p[0], p[0]), p[1], null, EPS),
        p -> p[0].addLayerNorm(p[0], p[1], null, EPS).normed(), normal(2, 5, 17), normal(3, 17)).roundings(2));
    rows.add(OpRow.of("addLayerNorm", "transposed",
        p -> Oracle.layerNorm(Oracle.plus(Oracle.transpose(p[0], 0, 1), p[1]), p[2], p[3], EPS),
        p -> p[0].transpose(0, 1).addLayerNorm(p[1], p[2], p[3], EPS).normed(),
        normal(2, 17, 5), normal(5, 5, 17), normal(3, 17), normal(4, 17)).roundings(2));
  }
}
