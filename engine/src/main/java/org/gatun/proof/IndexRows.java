package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.Shape;

/** Rows of look-ups by index. */
final class IndexRows {
  private IndexRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    for (int channels : new int[]{1, 7, 8, 9, 16, 17, 65}) {
      rows.add(OpRow.of("embedding", "repeated [.., " + channels + "]", x -> Oracle.embedding(x[0], x[1]),
          x -> x[0].embedding(x[1]), normal(1, 5, channels)).indices(Shape.of(2, 4), 3, 0, 3, 4, 3, 1, 1, 0));
    }
    int[] many = java.util.stream.IntStream.range(0, 600).map(i -> i * 31 % 67).toArray();
    rows.add(OpRow.of("embedding", "large", x -> Oracle.embedding(x[0], x[1]), x -> x[0].embedding(x[1]),
        normal(1, 67, 150)).indices(Shape.of(600), many));
    rows.add(OpRow.of("embedding", "indices transposed", x -> Oracle.embedding(x[0], Oracle.transpose(x[1], 0, 1)),
        x -> x[0].embedding(x[1].transpose(0, 1)), normal(1, 5, 9)).indices(Shape.of(2, 4), 3, 0, 3, 4, 3, 1, 1, 0));
    rows.add(OpRow.of("embedding", "one index", x -> Oracle.embedding(x[0], x[1]), x -> x[0].embedding(x[1]),
        normal(1, 5, 9)).indices(Shape.of(), 2));
    rows.add(OpRow.of("gather", "[3, 17]", x -> Oracle.gather(x[0], x[1]), x -> x[0].gather(x[1]), normal(1, 3, 17))
        .indices(Shape.of(3, 4), 16, 0, 0, 5, 3, 3, 3, 3, 9, 8, 16, 2));
    rows.add(OpRow.of("gather", "one of each row", x -> Oracle.gather(x[0], x[1]), x -> x[0].gather(x[1]),
        normal(1, 2, 3, 8)).indices(Shape.of(2, 3, 1), 7, 0, 3, 3, 2, 6));
    rows.add(OpRow.of("gather", "transposed", x -> Oracle.gather(Oracle.transpose(x[0], 0, 1), x[1]),
        x -> x[0].transpose(0, 1).gather(x[1]), normal(1, 9, 2)).indices(Shape.of(2, 3), 8, 0, 3, 3, 3, 6));
    for (int axis = 0; axis < 3; axis++) {
      int at = axis;
      rows.add(OpRow.of("indexSelect", "axis " + at, x -> Oracle.indexSelect(x[0], at, x[1]),
          x -> x[0].indexSelect(at, x[1]), normal(1, 5, 7, 9)).indices(Shape.of(6), 4, 0, 4, 2, 1, 4));
    }
    rows.add(OpRow.of("indexSelect", "axis -1", x -> Oracle.indexSelect(x[0], 1, x[1]),
        x -> x[0].indexSelect(-1, x[1]), normal(1, 5, 7)).indices(Shape.of(3), 6, 6, 0));
    rows.add(OpRow.of("oneHot", "[2, 3] of 17", x -> Oracle.oneHot(x[0], 17), x -> x[0].oneHot(17))
        .indices(Shape.of(2, 3), 16, 0, 5, 8, 8, 7).noGradient());
    rows.add(OpRow.of("oneHot", "transposed", x -> Oracle.oneHot(Oracle.transpose(x[0], 0, 1), 9),
        x -> x[0].transpose(0, 1).oneHot(9)).indices(Shape.of(2, 3), 1, 0, 5, 8, 8, 7).noGradient());
    return rows;
  }
}
