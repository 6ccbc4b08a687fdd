package org.gatun.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Checks an operation's kernels, forward and backward, against a reference in double precision.
 *
 * <pre>{@code
 * GradientCheck.of(GeluTest::reference, x -> x[0].gelu())
 *     .named("gelu")
 *     .inputs(Array.normal(1, 3, 65))
 *     .run(device);
 * }</pre>
 *
 * <p><b>Forward.</b> Every element must satisfy |y - r| ≤ tolerance · max(|r|, mean |r|, c) for the
 * reference's r; shapes must agree. c is how fast r changes, as a root mean square over some random
 * directions, when every input changes by its own size, up or down: the size of what a sum that cancels
 * was made from.
 *
 * <p><b>Backward.</b> A random gradient c of the output is carried back through a {@link Tape}. For
 * each input and some random directions d, what the kernels found, a = Σ g · d, is compared with n = (f(x
 * + h d) - f(x - h d)) / 2h for f(x) = Σ c · r(x). The differences are those of the <em>reference</em>:
 * in double precision they are good to about 1e-9, where differences of an F32 operation would be good
 * to 1e-3 only and could not tell a wrong kernel from rounding. It must hold that
 *
 * <pre>|a - n| ≤ tolerance · (Σ |g · d| + min(1, ‖d‖ / ‖x‖) · Σ |c · y|)</pre>
 *
 * <p>The first sum is what was added up. The second is what a gradient that vanishes by cancellation,
 * such as that of a softmax over one element, was made from. Every other direction leaves out half of
 * the elements, so that a few wrong ones are not outweighed.
 *
 * <p><b>Tolerance.</b> By default 4 · (√terms · 2⁻²⁴ + roundings · u). Rounding errors of a sum of n terms
 * grow as √n (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019), with a
 * constant of about four for near certainty; {@code terms} is the number of elements of the largest
 * input unless {@link #terms} says less. u is the unit roundoff of the precision, 2⁻²⁴ for F32 and 2⁻⁸ for
 * BF16, and {@link #roundings} the number of results stored in it, one after the other, on the way from
 * input to output.
 *
 * <p><b>Conditions.</b> Inputs should be of size about one, and further than the step from places where
 * the operation has no derivative. An operation with several outputs is checked by concatenating them.
 */
public final class GradientCheck {
  private final Reference reference;
  private final Operation operation;
  private final List<Input> inputs = new ArrayList<>();
  private String name = "operation";
  private Precision precision = Precision.F32;
  private long seed = 42;
  private int directions = 4;
  private double step = 1e-5;
  private int terms;
  private int roundings = 1;
  private double tolerance;
  private boolean backward = true;

  /** Values and their shape, row-major, for references to compute with. The array is not copied. */
  public record Array(Shape shape, double[] values) {
    /** Refuses values that do not fill the shape. */
    public Array {
      if (values.length != shape.size()) {
        throw new IllegalArgumentException("array: " + values.length + " values do not fit shape " + shape);
      }
    }

    /** Standard normal values. */
    public static Array normal(long seed, int... dims) {
      Shape shape = Shape.of(dims);
      var values = new double[Math.toIntExact(shape.size())];
      Arrays.setAll(values, i -> Philox.normal(seed, i));
      return new Array(shape, values);
    }

    /** Values uniform in [low, high). */
    public static Array uniform(long seed, double low, double high, int... dims) {
      Shape shape = Shape.of(dims);
      var values = new double[Math.toIntExact(shape.size())];
      Arrays.setAll(values, i -> low + Philox.uniform(seed, i) * (high - low));
      return new Array(shape, values);
    }
  }

  /** The operation in double precision, as plainly as it can be written. Must not write its arguments. */
  @FunctionalInterface
  public interface Reference {
    /** The result for inputs in the order they were given; indices arrive as whole numbers. */
    Array apply(Array... inputs);
  }

  /** The operation to be checked. */
  @FunctionalInterface
  public interface Operation {
    /** The result for inputs in the order they were given, all of one tape. */
    Tensor apply(Tensor... inputs);
  }

  /**
   * How close it was: the largest error forward and backward, each as a share of what is allowed, so at
   * most one.
   */
  public record Result(double forward, double backward) {}

  /** An argument, and how it enters: gradient flows to {@code LEARNED} ones alone. */
  private record Input(Array array, Kind kind) {
    enum Kind {
      LEARNED,
      CONSTANT,
      INDICES
    }
  }

  private GradientCheck(Reference reference, Operation operation) {
    this.reference = reference;
    this.operation = operation;
  }

  /** A check of {@code operation} against {@code reference}. */
  public static GradientCheck of(Reference reference, Operation operation) {
    return new GradientCheck(reference, operation);
  }

  /** What messages call the operation. */
  public GradientCheck named(String name) {
    this.name = name;
    return this;
  }

  /** The next arguments: their gradients are checked. */
  public GradientCheck inputs(Array... arrays) {
    for (Array array : arrays) {
      inputs.add(new Input(array, Input.Kind.LEARNED));
    }
    return this;
  }

  /** The next argument: floating, in the precision of the check, without a gradient. */
  public GradientCheck constant(Array array) {
    inputs.add(new Input(array, Input.Kind.CONSTANT));
    return this;
  }

  /** The next argument: I32. */
  public GradientCheck indices(Shape shape, int... indices) {
    double[] values = Arrays.stream(indices).asDoubleStream().toArray();
    inputs.add(new Input(new Array(shape, values), Input.Kind.INDICES));
    return this;
  }

  /**
   * The type of floating arguments, F32 unless said otherwise. In BF16 the device rounds them first, and
   * the reference is given what it made of them.
   */
  public GradientCheck precision(Precision precision) {
    this.precision = precision;
    return this;
  }

  /** The seed of the random gradient and of the directions; 42 unless said otherwise. */
  public GradientCheck seed(long seed) {
    this.seed = seed;
    return this;
  }

  /** How many directions are tried for each input; 4 unless said otherwise. */
  public GradientCheck directions(int directions) {
    this.directions = directions;
    return this;
  }

  /** The h of the differences, whose directions have elements of size 0.5 to 1; 1e-5 unless said otherwise. */
  public GradientCheck step(double step) {
    this.step = step;
    return this;
  }

  /** The number of elements in the longest sum, forward or backward. */
  public GradientCheck terms(int terms) {
    this.terms = terms;
    return this;
  }

  /** The longest chain of results that are stored in the type of the precision; 1 unless said otherwise. */
  public GradientCheck roundings(int roundings) {
    this.roundings = roundings;
    return this;
  }

  /** The tolerance itself, in place of the computed one. */
  public GradientCheck tolerance(double tolerance) {
    this.tolerance = tolerance;
    return this;
  }

  /** Checks the result alone: for operations without a derivative. */
  public GradientCheck forwardOnly() {
    backward = false;
    return this;
  }

  /**
   * Runs the check.
   *
   * @throws AssertionError if a shape, a value or a derivative differs; the message names the input, both
   *     values and the seed
   */
  public Result run(Device device) {
    try (var parameters = new Parameters(device, precision)) {
      for (int i = 0; i < inputs.size(); i++) {
        if (inputs.get(i).kind == Input.Kind.LEARNED) {
          double[] values = inputs.get(i).array.values;
          parameters.add("input" + i, (_, index) -> (float) values[(int) index], inputs.get(i).array.shape.toArray());
        }
      }
      parameters.initialize(seed);
      try (var tape = Tape.on(device, seed)) {
        return run(tape, parameters);
      }
    }
  }

  private Result run(Tape tape, Parameters parameters) {
    var tensors = new Tensor[inputs.size()];
    var arrays = new Array[inputs.size()];
    for (int i = 0; i < tensors.length; i++) {
      tensors[i] = tensor(tape, parameters, i);
      arrays[i] = array(tensors[i]);
    }
    Array expected = reference.apply(arrays);
    Tensor output = operation.apply(tensors);
    double forward =
        compareForward(array(output), expected, backward ? sensitivity(arrays) : new double[0], tape.device());
    if (!backward) {
      return new Result(forward, 0);
    }
    Tensor cotangent = tape.tensor(normal(Philox.derive(seed, 0), output.shape()), output.shape(), output.dtype());
    double[] c = array(cotangent).values;
    tape.backward(output, cotangent, _ -> {});
    double worst = 0;
    for (int i = 0; i < tensors.length; i++) {
      if (inputs.get(i).kind == Input.Kind.LEARNED) {
        double[] gradient = array(parameters.get("input" + i).gradient()).values;
        worst = Math.max(worst, compareBackward(arrays, i, gradient, c, expected, tape.device()));
      }
    }
    return new Result(forward, worst);
  }

  private Tensor tensor(Tape tape, Parameters parameters, int i) {
    Array array = inputs.get(i).array;
    return switch (inputs.get(i).kind) {
      case LEARNED -> tape.borrow(parameters.get("input" + i).value());
      case CONSTANT -> tape.tensor(floats(array), array.shape, precision.compute());
      case INDICES -> tape.tensor(Arrays.stream(array.values).mapToInt(v -> (int) v).toArray(), array.shape);
    };
  }

  private static float[] floats(Array array) {
    var floats = new float[array.values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) array.values[i];
    }
    return floats;
  }

  private static float[] normal(long seed, Shape shape) {
    return floats(Array.normal(seed, shape.toArray()));
  }

  private static Array array(Tensor tensor) {
    var values = new double[Math.toIntExact(tensor.shape().size())];
    if (tensor.dtype() == DType.I32) {
      int[] ints = tensor.toIntArray();
      Arrays.setAll(values, i -> ints[i]);
    } else {
      float[] floats = tensor.toArray();
      Arrays.setAll(values, i -> floats[i]);
    }
    return new Array(tensor.shape(), values);
  }

  private double allowed() {
    if (tolerance > 0) {
      return tolerance;
    }
    int longest = terms > 0 ? terms : inputs.stream().mapToInt(input -> input.array.values.length).max().orElse(1);
    double unit = precision == Precision.BF16 ? 0x1p-8 : 0x1p-24;
    return 4 * (Math.sqrt(longest) * 0x1p-24 + roundings * unit);
  }

  private double compareForward(Array actual, Array expected, double[] sensitivity, Device device) {
    if (!actual.shape.equals(expected.shape)) {
      throw new AssertionError(
          title(device) + "result has shape " + actual.shape + ", the reference " + expected.shape);
    }
    double mean = Arrays.stream(expected.values).filter(Double::isFinite).map(Math::abs).average().orElse(0);
    double worst = 0;
    for (int i = 0; i < actual.values.length; i++) {
      double e = expected.values[i];
      double a = actual.values[i];
      if (a == e || Double.isNaN(a) && Double.isNaN(e)) {
        continue;
      }
      double moved = sensitivity.length > 0 ? sensitivity[i] : 0;
      double limit = allowed() * Math.max(Math.max(Math.abs(e), mean), moved);
      if (!(Math.abs(a - e) <= limit)) {
        throw new AssertionError(title(device) + "element " + position(expected.shape, i) + " of " + expected.shape
            + " is " + a + ", the reference " + e + ": they differ by " + Math.abs(a - e) + ", allowed is " + limit
            + reproduce());
      }
      worst = Math.max(worst, Math.abs(a - e) / limit);
    }
    return worst;
  }

  /** For each element of the result: the c of forward. */
  private double[] sensitivity(Array[] at) {
    double[] squares = new double[0];
    for (int k = 0; k < directions; k++) {
      Array[] above = at.clone();
      Array[] below = at.clone();
      for (int i = 0; i < at.length; i++) {
        if (inputs.get(i).kind == Input.Kind.LEARNED) {
          double[] d = direction(at[i].values.length, Philox.derive(~seed, k + (long) directions * i), false);
          double[] x = at[i].values;
          Arrays.setAll(d, j -> Math.signum(d[j]) * x[j]);
          above[i] = moved(at[i], d, step);
          below[i] = moved(at[i], d, -step);
        }
      }
      double[] up = reference.apply(above).values;
      double[] down = reference.apply(below).values;
      squares = k == 0 ? new double[up.length] : squares;
      for (int j = 0; j < up.length; j++) {
        double slope = up[j] == down[j] ? 0 : (up[j] - down[j]) / (2 * step);
        squares[j] += slope * slope / directions;
      }
    }
    return Arrays.stream(squares).map(Math::sqrt).toArray();
  }

  /** The worst direction's error as a share of what is allowed. */
  private double compareBackward(Array[] at, int input, double[] gradient, double[] c, Array y, Device device) {
    double size = 0;
    for (int j = 0; j < c.length; j++) {
      size += Double.isFinite(y.values[j]) ? Math.abs(c[j] * y.values[j]) : 0;
    }
    double worst = 0;
    for (int k = 0; k < directions; k++) {
      double[] d =
          direction(at[input].values.length, Philox.derive(seed, 1 + k + (long) directions * input), k % 2 == 1);
      double numeric = slope(at, input, d, c);
      double analytic = 0;
      double added = 0;
      for (int i = 0; i < d.length; i++) {
        analytic += gradient[i] * d[i];
        added += Math.abs(gradient[i] * d[i]);
      }
      double share = Math.min(1, length(d) / Math.max(length(at[input].values), Double.MIN_NORMAL));
      double limit = allowed() * (added + share * size);
      double error = Math.abs(analytic - numeric);
      if (!(error <= limit)) {
        throw new AssertionError(title(device) + "gradient of input " + input + " " + at[input].shape
            + " along direction " + k + ": analytic " + analytic + ", numeric " + numeric + ": they differ by " + error
            + ", allowed is " + limit + worstElement(at, input, gradient, c) + reproduce());
      }
      worst = error == 0 ? worst : Math.max(worst, error / limit);
    }
    return worst;
  }

  /** Elements of size 0.5 to 1 and random sign; where asked, half of them zero. */
  private static double[] direction(int length, long seed, boolean half) {
    var d = new double[length];
    for (int i = 0; i < length; i++) {
      int bits = Philox.bits(seed, i);
      boolean left = half && length > 1 && (bits & 1) == 0;
      double size = 0.5 + (bits >>> 9) * 0x1p-24;
      d[i] = left ? 0 : (bits & 2) == 0 ? size : -size;
    }
    return d;
  }

  /** Central difference of Σ c · reference along d. */
  private double slope(Array[] at, int input, double[] d, double[] c) {
    Array[] moved = at.clone();
    moved[input] = moved(at[input], d, step);
    double[] above = reference.apply(moved).values;
    moved[input] = moved(at[input], d, -step);
    double[] below = reference.apply(moved).values;
    double sum = 0;
    for (int j = 0; j < c.length; j++) {
      // Equal infinities, such as masked scores, have no slope.
      sum += above[j] == below[j] ? 0 : c[j] * (above[j] - below[j]);
    }
    return sum / (2 * step);
  }

  private static Array moved(Array x, double[] d, double h) {
    double[] values = x.values.clone();
    for (int i = 0; i < values.length; i++) {
      values[i] += h * d[i];
    }
    return new Array(x.shape, values);
  }

  private static double length(double[] values) {
    return Math.sqrt(Arrays.stream(values).map(v -> v * v).sum());
  }

  /** After a failure in a small input: the element whose derivative is furthest off. */
  private String worstElement(Array[] at, int input, double[] gradient, double[] c) {
    if (gradient.length > 1024) {
      return "";
    }
    int worst = 0;
    double worstError = -1;
    double worstSlope = 0;
    for (int i = 0; i < gradient.length; i++) {
      var d = new double[gradient.length];
      d[i] = 1;
      double slope = slope(at, input, d, c);
      double error = Math.abs(slope - gradient[i]);
      if (!(error <= worstError)) {
        worst = i;
        worstError = error;
        worstSlope = slope;
      }
    }
    return "; furthest off is element " + position(at[input].shape, worst) + ": analytic " + gradient[worst]
        + ", numeric " + worstSlope;
  }

  private static String position(Shape shape, int index) {
    int[] position = new int[shape.rank()];
    int rest = index;
    for (int axis = shape.rank() - 1; axis >= 0; axis--) {
      position[axis] = rest % shape.dim(axis);
      rest /= shape.dim(axis);
    }
    return Arrays.toString(position);
  }

  private String title(Device device) {
    return name + " in " + precision + " on " + device.name() + ": ";
  }

  private String reproduce() {
    return "; reproduce with seed(" + seed + ")";
  }
}
