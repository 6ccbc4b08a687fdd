package org.gatun.proof;

import java.util.List;
import java.util.stream.Stream;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Shape;

/** Every public operation with the situations it is tried in: what {@code gatun selftest} and the tests run, and docs/ops.md lists. */
public final class OpTable {
  private OpTable() {}

  /** All rows, by family. */
  public static List<OpRow> rows() {
    return Stream.of(
        PointwiseRows.rows(), ReductionRows.rows(), LinearRows.rows(), ViewRows.rows(), IndexRows.rows(),
        NormRows.rows(), AttentionRows.rows(), LossRows.rows())
        .flatMap(List::stream)
        .toList();
  }

  /** Distinct along any axis, on a grid that BF16 holds exactly: for operations that choose. */
  static Array spaced(int... dims) {
    Shape shape = Shape.of(dims);
    var values = new double[Math.toIntExact(shape.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i * 97 % 251 - 125) / 16.0;
    }
    return new Array(shape, values);
  }

  /** Normal values pushed away from zero by a tenth: for operations with a kink there. */
  static Array awayFromZero(long seed, int... dims) {
    return Oracle.map(Array.normal(seed, dims), x -> x + Math.copySign(0.1, x));
  }
}
