package org.gatun.proof;

import java.util.ArrayList;
import java.util.List;
import org.gatun.tensor.Device;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** The same work on two devices, and whether what it leaves agrees. */
final class Comparison {
  private static final long SEED = 42;

  private Comparison() {}

  /** A result, of any shape, made from inputs to which gradients flow back. */
  interface Work {
    Tensor on(Tape tape, Tensor... inputs);
  }

  /** The result, and the gradient of each input for a random gradient of the result. */
  static List<float[]> results(Device device, Precision precision, Work work, int[]... shapes) {
    try (var parameters = new Parameters(device, precision)) {
      for (int i = 0; i < shapes.length; i++) {
        // What multiplies the first input keeps its size.
        float deviation = i == 0 ? 1 : (float) (1 / Math.sqrt(shapes[i][shapes[i].length - 1]));
        parameters.add("input" + i, Initializer.normal(deviation), shapes[i]);
      }
      parameters.initialize(SEED);
      var results = new ArrayList<float[]>();
      try (var tape = Tape.on(device, SEED)) {
        Tensor[] inputs = parameters.all().stream().map(p -> tape.borrow(p.value())).toArray(Tensor[]::new);
        Tensor y = work.on(tape, inputs);
        results.add(y.toArray());
        tape.backward(y, tape.tensor(normal(y.shape()), y.shape(), y.dtype()), _ -> {});
      }
      parameters.all().forEach(p -> results.add(p.gradient().toArray()));
      return results;
    }
  }

  private static float[] normal(Shape shape) {
    var values = new float[Math.toIntExact(shape.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = Philox.normal(SEED + 1, i);
    }
    return values;
  }

  /** Operations of a formula such as that of GELU's derivative, each of which rounds. */
  private static final int FORMULA = 8;

  /** 4 ((√terms + formula) 2⁻²⁴ + stored u), for the reasons that {@link org.gatun.tensor.GradientCheck} gives. */
  static double tolerance(Precision precision, int terms, int stored) {
    double unit = precision == Precision.BF16 ? 0x1p-8 : 0x1p-24;
    return 4 * ((Math.sqrt(terms) + FORMULA) * 0x1p-24 + stored * unit);
  }

  /** As {@link #worst(List, List, double, int)}, where no row has a size of its own. */
  static double worst(List<float[]> actual, List<float[]> expected, double tolerance) {
    return worst(actual, expected, tolerance, Integer.MAX_VALUE);
  }

  /**
   * The largest difference as a share of what is allowed: {@code tolerance} of the element, and of the root mean square of its row or of
   * all, whichever is more: the size of what an element near zero was summed from.
   *
   * @param width elements of a row
   * @throws AssertionError if it is more than one
   */
  static double worst(List<float[]> actual, List<float[]> expected, double tolerance, int width) {
    double worst = 0;
    for (int i = 0; i < expected.size(); i++) {
      String what = i == 0 ? "result" : "gradient of input " + (i - 1);
      worst = Math.max(worst, worst(what, actual.get(i), expected.get(i), tolerance, width));
    }
    return worst;
  }

  private static double worst(String what, float[] actual, float[] expected, double tolerance, int width) {
    double all = size(expected, 0, expected.length);
    double row = 0;
    double worst = 0;
    for (int i = 0; i < expected.length; i++) {
      row = i % width == 0 ? size(expected, i, (int) Math.min((long) i + width, expected.length)) : row;
      double difference = Math.abs((double) actual[i] - expected[i]);
      double limit = tolerance * (Math.abs(expected[i]) + Math.max(row, all));
      if (difference != 0 && !(difference <= limit)) {
        throw new AssertionError(what + ", element " + i + " of " + expected.length + ": " + actual[i]
            + ", the processor has " + expected[i] + ": they differ by " + difference + ", allowed is " + limit);
      }
      worst = difference == 0 ? worst : Math.max(worst, difference / limit);
    }
    return worst;
  }

  /** Root mean square. */
  private static double size(float[] values, int from, int to) {
    double squares = 0;
    for (int i = from; i < to; i++) {
      squares += (double) values[i] * values[i];
    }
    return Math.sqrt(squares / (to - from));
  }
}
