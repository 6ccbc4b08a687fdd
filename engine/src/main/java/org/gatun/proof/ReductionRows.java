package org.gatun.proof;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** Rows of reductions. */
final class ReductionRows {
  /** A reduction of {@link Tensor} over axes. */
  private interface Reduction {
    Tensor apply(Tensor x, int... axes);
  }

  /** A reduction by name, its reference, and how many results its composition stores one after the other. */
  private record Method(
      String name, boolean keep, ToDoubleFunction<double[]> reference, Reduction reduction, int roundings) {}

  private static final List<Method> METHODS = List.of(
      new Method("sum", false, Oracle::sum, Tensor::sum, 1),
      new Method("sumKeep", true, Oracle::sum, Tensor::sumKeep, 1),
      new Method("mean", false, Oracle::mean, Tensor::mean, 2),
      new Method("meanKeep", true, Oracle::mean, Tensor::meanKeep, 2),
      new Method("max", false, Oracle::max, Tensor::max, 1),
      new Method("maxKeep", true, Oracle::max, Tensor::maxKeep, 1),
      new Method("min", false, Oracle::min, Tensor::min, 1),
      new Method("minKeep", true, Oracle::min, Tensor::minKeep, 1),
      new Method("variance", false, Oracle::variance, Tensor::variance, 6),
      new Method("logSumExp", false, Oracle::logSumExp, Tensor::logSumExp, 5));

  private ReductionRows() {}

  static List<OpRow> rows() {
    var rows = new ArrayList<OpRow>();
    for (Method method : METHODS) {
      for (int size : new int[]{1, 7, 8, 9, 15, 16, 17, 31, 33, 65}) {
        rows.add(row(method, size == 1 ? new int[]{5, 1} : new int[]{size}, size == 1 ? new int[]{1} : new int[0]));
      }
      for (int[] axes : new int[][]{{}, {0}, {1}, {2}, {-1}, {0, 1}, {1, 2}, {0, 2}, {2, 0}}) {
        rows.add(row(method, new int[]{2, 3, 17}, axes));
      }
      rows.add(row(method, new int[]{64, 9}, 0));
      rows.add(row(method, new int[]{9, 64}, 1));
      rows.add(row(method, new int[]{33, 31}, 0));
      rows.add(OpRow.of(method.name, "transposed over 1",
          x -> Oracle.reduce(Oracle.transpose(x[0], 0, 1), method.keep, method.reference, 1),
          x -> method.reduction.apply(x[0].transpose(0, 1), 1), input(method, 7, 17)).roundings(method.roundings));
      rows.add(OpRow.of(method.name, "sliced over 0",
          x -> Oracle.reduce(Oracle.slice(x[0], 1, 3, 20), method.keep, method.reference, 0),
          x -> method.reduction.apply(x[0].slice(1, 3, 20), 0), input(method, 7, 33)).roundings(method.roundings));
    }
    // More than one chunk, block and task.
    for (Method method : List.of(METHODS.getFirst(), METHODS.getLast())) {
      rows.add(row(method, new int[]{70_003}));
      rows.add(row(method, new int[]{167, 401}, 0));
      rows.add(row(method, new int[]{167, 401}, 1));
      rows.add(row(method, new int[]{31, 41, 33}, 0, 2));
    }
    rows.add(OpRow.of("sum", "stretched", x -> Oracle.reduce(Oracle.expand(x[0], 5, 7, 17), false, Oracle::sum, 0, 2),
        x -> x[0].expand(5, 7, 17).sum(0, 2), normal(3, 7, 1)));
    for (int size : new int[]{1, 7, 8, 17, 65}) {
      rows.add(OpRow.of("argMax", "[3, " + size + "]", x -> Oracle.argMax(x[0]), x -> x[0].argMax(),
          OpTable.spaced(3, size)).noGradient());
    }
    rows.add(OpRow.of("argMax", "first of equal ones", x -> Oracle.argMax(x[0]), x -> x[0].argMax(),
        Oracle.map(normal(4, 9, 33), Math::rint)).noGradient());
    rows.add(OpRow.of("argMax", "transposed", x -> Oracle.argMax(Oracle.transpose(x[0], 0, 1)),
        x -> x[0].transpose(0, 1).argMax(), OpTable.spaced(9, 17)).noGradient());
    return rows;
  }

  private static OpRow row(Method method, int[] dims, int... axes) {
    String over = axes.length == 0 ? "over all" : "over " + Arrays.toString(axes);
    String size = Shape.of(dims).size() > 10_000 ? "large " : "";
    return OpRow.of(method.name, size + Arrays.toString(dims) + " " + over,
        x -> Oracle.reduce(x[0], method.keep, method.reference, axes), x -> method.reduction.apply(x[0], axes),
        input(method, dims)).roundings(method.roundings);
  }

  private static Array input(Method method, int... dims) {
    return method.name.startsWith("m") && !method.name.startsWith("mean") ? OpTable.spaced(dims) : normal(2, dims);
  }
}
