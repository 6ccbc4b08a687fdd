package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;
import static org.gatun.tensor.GradientCheck.Array.uniform;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.Shape;

/** Rows of losses. */
final class LossRows {
  private LossRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    for (int classes : new int[]{1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65}) {
      rows.add(OpRow.of("crossEntropy", "[6, " + classes + "]", x -> Oracle.crossEntropy(x[0], x[1], classes, -1),
          x -> x[0].crossEntropy(x[1]), normal(1, 6, classes)).indices(Shape.of(6), targets(6, classes)));
    }
    for (int[] size : new int[][]{{2, 20_000}, {70, 300}}) {
      rows.add(OpRow.of("crossEntropy", "large " + java.util.Arrays.toString(size),
          x -> Oracle.crossEntropy(x[0], x[1], size[1], -1), x -> x[0].crossEntropy(x[1]), normal(1, size))
          .indices(Shape.of(size[0]), targets(size[0], size[1])));
    }
    rows.add(OpRow.of("crossEntropy", "ignored targets", x -> Oracle.crossEntropy(x[0], x[1], 9, -1),
        x -> x[0].crossEntropy(x[1]), normal(1, 2, 3, 9)).indices(Shape.of(2, 3), 0, -1, 8, 4, -1, 1));
    rows.add(OpRow.of("crossEntropy", "ignored class", x -> Oracle.crossEntropy(x[0], x[1], 9, 4),
        x -> x[0].crossEntropy(x[1], 9, 4), normal(1, 6, 9)).indices(Shape.of(6), 0, 4, 8, 4, 2, 1));
    rows.add(OpRow.of("crossEntropy", "padding classes", x -> Oracle.crossEntropy(x[0], x[1], 27, -100),
        x -> x[0].crossEntropy(x[1], 27, -100), normal(1, 6, 32)).indices(Shape.of(6), 26, 4, 0, -100, 2, 1));
    rows.add(OpRow.of("crossEntropy", "transposed",
        x -> Oracle.crossEntropy(Oracle.transpose(x[0], 0, 1), x[1], 17, -1),
        x -> x[0].transpose(0, 1).crossEntropy(x[1]), normal(1, 17, 6)).indices(Shape.of(6), targets(6, 17)));
    rows.add(OpRow.of("crossEntropy", "targets transposed",
        x -> Oracle.crossEntropy(x[0], Oracle.transpose(x[1], 0, 1), 9, -1),
        x -> x[0].crossEntropy(x[1].transpose(0, 1)), normal(1, 3, 2, 9)).indices(Shape.of(2, 3), 0, 7, 8, 4, 5, 1));
    linear(rows);
    for (int size : new int[]{1, 9, 17, 65}) {
      rows.add(OpRow.of("meanSquaredError", "[3, " + size + "]", x -> Oracle.meanSquaredError(x[0], x[1]),
          x -> x[0].meanSquaredError(x[1]), normal(1, 3, size), normal(2, 3, size)).roundings(4));
      rows.add(OpRow.of("binaryCrossEntropyWithLogits", "[3, " + size + "]",
          x -> Oracle.binaryCrossEntropyWithLogits(x[0], x[1]), x -> x[0].binaryCrossEntropyWithLogits(x[1]),
          OpTable.awayFromZero(1, 3, size)).constant(uniform(2, 0, 1, 3, size)).roundings(8));
    }
    return rows;
  }

  /** Rows of logits: all at once, one at a time, and chunks of which the last is shorter. */
  private static void linear(List<OpRow> rows) {
    for (int rowsAtOnce : new int[]{10, 4, 3, 0}) {
      // F32 logits; in BF16 twice as many rows fit.
      long byteSize = rowsAtOnce * 17L * Float.BYTES;
      rows.add(OpRow.of("linearCrossEntropy", rowsAtOnce + " rows at once",
          x -> Oracle.crossEntropy(Oracle.linear(x[0], x[1], null), x[2], 15, -1),
          x -> x[0].linearCrossEntropy(x[1], x[2], 15, -1, byteSize), normal(1, 2, 5, 8), normal(2, 17, 8))
          .indices(Shape.of(2, 5), 0, -1, 14, 3, 7, -1, -1, 9, 2, 2).roundings(2));
    }
    rows.add(OpRow.of("linearCrossEntropy", "transposed",
        x -> Oracle.crossEntropy(Oracle.linear(Oracle.transpose(x[0], 0, 1), x[1], null), x[2], 17, -1),
        x -> x[0].transpose(0, 1).linearCrossEntropy(x[1], x[2], 17, -1, 200), normal(1, 8, 6), normal(2, 17, 8))
        .indices(Shape.of(6), targets(6, 17)).roundings(2));
  }

  private static int[] targets(int count, int classes) {
    return IntStream.range(0, count).map(i -> i * 31 % classes).toArray();
  }
}
