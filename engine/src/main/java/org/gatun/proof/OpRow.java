package org.gatun.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.GradientCheck.Operation;
import org.gatun.tensor.GradientCheck.Reference;
import org.gatun.tensor.GradientCheck;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * One line of {@link OpTable}: a method of {@link Tensor} in one situation, its reference and its
 * arguments.
 */
public final class OpRow {
  /** How the operation is put to work, so that its gradient lands in each of the possible places. */
  public enum Use {
    /** On parameters: gradients land in the flat buffer. */
    ON_PARAMETERS,
    /** On results: gradients land in tensors of the tape. */
    ON_RESULTS,
    /** Twice on parameters: the second gradient is added. */
    TWICE_ON_PARAMETERS,
    /** Twice on results: the second gradient is added, in the results' dtype. */
    TWICE_ON_RESULTS;

    boolean twice() {
      return this == TWICE_ON_PARAMETERS || this == TWICE_ON_RESULTS;
    }

    boolean onResults() {
      return this == ON_RESULTS || this == TWICE_ON_RESULTS;
    }
  }

  /** How an argument is given to the check. */
  private record Argument(boolean learned, boolean indices, Consumer<GradientCheck> give) {}

  private final String op;
  private final String detail;
  private final Reference reference;
  private final Operation operation;
  private final List<Argument> arguments;
  private final int roundings;
  private final double tolerance;
  private final boolean differentiable;

  private OpRow(
      String op, String detail, Reference reference, Operation operation, List<Argument> arguments, int roundings,
      double tolerance, boolean differentiable) {
    this.op = op;
    this.detail = detail;
    this.reference = reference;
    this.operation = operation;
    this.arguments = arguments;
    this.roundings = roundings;
    this.tolerance = tolerance;
    this.differentiable = differentiable;
  }

  /** The name of the method. */
  public String op() {
    return op;
  }

  /** The operation under test. */
  public Operation operation() {
    return operation;
  }

  /** Whether its gradient is checked too. */
  public boolean differentiable() {
    return differentiable;
  }

  static OpRow of(String op, String detail, Reference reference, Operation operation, Array... inputs) {
    var row = new OpRow(op, detail, reference, operation, List.of(), 1, 0, true);
    for (Array input : inputs) {
      row = row.with(new Argument(true, false, check -> check.inputs(input)));
    }
    return row;
  }

  OpRow constant(Array array) {
    return with(new Argument(false, false, check -> check.constant(array)));
  }

  OpRow indices(Shape shape, int... indices) {
    return with(new Argument(false, true, check -> check.indices(shape, indices)));
  }

  private OpRow with(Argument argument) {
    var more = new ArrayList<>(arguments);
    more.add(argument);
    return new OpRow(op, detail, reference, operation, more, roundings, tolerance, differentiable);
  }

  /** The longest chain of stored results; {@link GradientCheck#roundings}. */
  OpRow roundings(int count) {
    return new OpRow(op, detail, reference, operation, arguments, count, tolerance, differentiable);
  }

  OpRow tolerance(double value) {
    return new OpRow(op, detail, reference, operation, arguments, roundings, value, differentiable);
  }

  OpRow noGradient() {
    return new OpRow(op, detail, reference, operation, arguments, roundings, tolerance, false);
  }

  /** The same row with the operation seen from outside. */
  public OpRow withOperation(Operation other) {
    return new OpRow(op, detail, reference, other, arguments, roundings, tolerance, differentiable);
  }

  /** Whether there is no argument whose type the precision decides. */
  public boolean takesIndicesAlone() {
    return arguments.stream().allMatch(Argument::indices);
  }

  /** Whether this row is about sizes, for which its other uses and many directions take too long. */
  public boolean isLarge() {
    return detail.startsWith("large");
  }

  /** The uses to try. */
  public List<Use> uses(Precision precision) {
    if (!isLarge()) {
      return List.of(Use.values());
    }
    return precision == Precision.F32 ? List.of(Use.ON_PARAMETERS, Use.TWICE_ON_RESULTS) : List.of(Use.ON_RESULTS);
  }

  /** The check of this use, to be run on a device. */
  public GradientCheck check(Precision precision, Use use) {
    Reference expected = use.twice() ? x -> twice(reference.apply(x)) : reference;
    // Each use on results stores one more value and one more gradient.
    GradientCheck check = GradientCheck.of(expected, x -> apply(use, x))
        .named(op + " " + detail + " " + use)
        .precision(precision)
        .directions(isLarge() ? 1 : use == Use.ON_PARAMETERS ? 4 : 2)
        .roundings(roundings + (use.onResults() ? 1 : 0) + (use.twice() ? 1 : 0));
    if (tolerance > 0) {
      check.tolerance(tolerance);
    }
    arguments.forEach(argument -> argument.give.accept(check));
    return differentiable ? check : check.forwardOnly();
  }

  private static Array twice(Array y) {
    double[] values = Arrays.copyOf(y.values(), 2 * y.values().length);
    System.arraycopy(y.values(), 0, values, y.values().length, y.values().length);
    return new Array(Shape.of(values.length), values);
  }

  private Tensor apply(Use use, Tensor... x) {
    Tensor[] inputs = x.clone();
    if (use.onResults()) {
      Arrays.setAll(inputs, i -> arguments.get(i).learned ? x[i].times(1f) : x[i]);
    }
    if (!use.twice()) {
      return operation.apply(inputs);
    }
    Tensor first = operation.apply(inputs);
    Tensor second = operation.apply(inputs);
    return Tensor.concat(0, List.of(first.reshape(-1), second.reshape(-1)));
  }

  @Override
  public String toString() {
    return op + " " + detail;
  }
}
