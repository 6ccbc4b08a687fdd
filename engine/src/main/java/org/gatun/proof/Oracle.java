package org.gatun.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.ToDoubleFunction;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.gatun.tensor.BinaryOp;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Shape;
import org.gatun.tensor.UnaryOp;

/** Every operation's forward in double precision, as plainly as it can be written: the only reference. */
public final class Oracle {
  private Oracle() {}

  // Positions.

  /** A value for every position of a shape. */
  private static Array at(Shape shape, ToDoubleFunction<int[]> value) {
    var values = new double[Math.toIntExact(shape.size())];
    var position = new int[shape.rank()];
    for (int i = 0; i < values.length; i++) {
      int rest = i;
      for (int axis = shape.rank() - 1; axis >= 0; axis--) {
        position[axis] = rest % shape.dim(axis);
        rest /= shape.dim(axis);
      }
      values[i] = value.applyAsDouble(position);
    }
    return new Array(shape, values);
  }

  /** The element at a position of a shape that x stretches to. */
  private static double get(Array x, int... position) {
    return x.values()[index(x, position)];
  }

  private static int index(Array x, int... position) {
    int added = position.length - x.shape().rank();
    int index = 0;
    for (int axis = 0; axis < x.shape().rank(); axis++) {
      int dim = x.shape().dim(axis);
      index = index * dim + (dim == 1 ? 0 : position[axis + added]);
    }
    return index;
  }

  private static Array rows(Array x, UnaryOperator<double[]> row) {
    int width = x.shape().dim(-1);
    int out = width;
    var y = new ArrayList<double[]>();
    for (int n = 0; n < x.shape().rows(); n++) {
      y.add(row.apply(Arrays.copyOfRange(x.values(), n * width, (n + 1) * width)));
      out = y.getLast().length;
    }
    return new Array(x.shape().withLast(out), y.stream().flatMapToDouble(Arrays::stream).toArray());
  }

  // Element by element.

  public static Array map(Array x, DoubleUnaryOperator f) {
    return new Array(x.shape(), Arrays.stream(x.values()).map(f).toArray());
  }

  public static Array zip(Array a, Array b, DoubleBinaryOperator f) {
    Shape shape = Shape.broadcast(a.shape(), b.shape());
    return at(shape, p -> f.applyAsDouble(get(a, p), get(b, p)));
  }

  public static Array plus(Array a, Array b) {
    return zip(a, b, Double::sum);
  }

  public static Array where(Array condition, Array a, Array b) {
    Shape shape = Shape.broadcast(condition.shape(), Shape.broadcast(a.shape(), b.shape()));
    return at(shape, p -> get(condition, p) != 0 ? get(a, p) : get(b, p));
  }

  public static DoubleUnaryOperator unary(UnaryOp op, double... s) {
    return switch (op) {
      case NEG -> x -> -x;
      case ABS -> Math::abs;
      case SQUARE -> x -> x * x;
      case SQRT -> Math::sqrt;
      case RSQRT -> x -> 1 / Math.sqrt(x);
      case EXP -> Math::exp;
      case LOG -> Math::log;
      case TANH -> Math::tanh;
      case SIGMOID -> x -> 1 / (1 + Math.exp(-x));
      case RELU -> x -> Math.max(x, 0);
      case GELU -> x -> gelu(x, Gelu.TANH);
      case GELU_ERF -> x -> gelu(x, Gelu.ERF);
      case SILU -> x -> x / (1 + Math.exp(-x));
      case CLAMP -> x -> Math.min(Math.max(x, s[0]), s[1]);
      case PLUS -> x -> x + s[0];
      case TIMES -> x -> x * s[0];
      case DIVIDED_BY -> x -> x / s[0];
      case POW -> x -> Math.pow(x, s[0]);
      case MAXIMUM -> x -> Math.max(x, s[0]);
      case MINIMUM -> x -> Math.min(x, s[0]);
    };
  }

  public static DoubleBinaryOperator binary(BinaryOp op) {
    return switch (op) {
      case PLUS -> (a, b) -> a + b;
      case MINUS -> (a, b) -> a - b;
      case TIMES -> (a, b) -> a * b;
      case DIVIDED_BY -> (a, b) -> a / b;
      case POW -> Math::pow;
      case MAXIMUM -> Math::max;
      case MINIMUM -> Math::min;
      case LESS -> (a, b) -> a < b ? 1 : 0;
      case LESS_OR_EQUAL -> (a, b) -> a <= b ? 1 : 0;
      case GREATER -> (a, b) -> a > b ? 1 : 0;
      case GREATER_OR_EQUAL -> (a, b) -> a >= b ? 1 : 0;
      case EQUAL -> (a, b) -> a == b ? 1 : 0;
      case NOT_EQUAL -> (a, b) -> a != b ? 1 : 0;
    };
  }

  public static double gelu(double x, Gelu form) {
    return switch (form) {
      case TANH -> 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case ERF -> 0.5 * x * (1 + erf(x / Math.sqrt(2)));
    };
  }

  /** 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms have one sign (Abramowitz and Stegun 7.1.6). */
  public static double erf(double x) {
    if (Math.abs(x) > 6) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  public static Array dropout(Array x, float p, long seed) {
    var y = new double[x.values().length];
    Arrays.setAll(y, i -> Philox.uniform(seed, i) >= p ? x.values()[i] / (1 - (double) p) : 0);
    return new Array(x.shape(), y);
  }

  // Reductions.

  public static Array reduce(Array x, boolean keep, ToDoubleFunction<double[]> f, int... axes) {
    int rank = x.shape().rank();
    int[] over = axes.length == 0 ? IntStream.range(0, rank).toArray()
        : Arrays.stream(axes).map(axis -> axis < 0 ? axis + rank : axis).toArray();
    int[] rest = IntStream.range(0, rank).filter(a -> IntStream.of(over).noneMatch(b -> a == b)).toArray();
    int[] order = IntStream.concat(IntStream.of(rest), IntStream.of(over).sorted()).toArray();
    int count = IntStream.of(over).map(x.shape()::dim).reduce(1, (a, b) -> a * b);
    int left = IntStream.of(rest).map(x.shape()::dim).reduce(1, (a, b) -> a * b);
    Array groups = rows(reshape(permute(x, order), left, count), row -> new double[]{f.applyAsDouble(row)});
    int[] dropped = IntStream.of(rest).map(x.shape()::dim).toArray();
    int[] kept = x.shape().toArray();
    IntStream.of(over).forEach(axis -> kept[axis] = 1);
    return reshape(groups, keep ? kept : dropped);
  }

  public static double sum(double[] x) {
    return Arrays.stream(x).sum();
  }

  public static double mean(double[] x) {
    return sum(x) / x.length;
  }

  public static double max(double[] x) {
    return Arrays.stream(x).max().orElseThrow();
  }

  public static double min(double[] x) {
    return Arrays.stream(x).min().orElseThrow();
  }

  public static double variance(double[] x) {
    double mean = mean(x);
    return Arrays.stream(x).map(v -> (v - mean) * (v - mean)).sum() / x.length;
  }

  public static double logSumExp(double[] x) {
    double max = max(x);
    return max + Math.log(Arrays.stream(x).map(v -> Math.exp(v - max)).sum());
  }

  public static Array argMax(Array x) {
    Array first = rows(x, row -> new double[]{
      IntStream.range(0, row.length).filter(i -> row[i] == max(row)).findFirst().orElseThrow()});
    return new Array(x.shape().rowShape(), first.values());
  }

  // Linear algebra.

  public static Array matmul(Array a, Array b) {
    int k = a.shape().dim(-1);
    Shape batch = Shape.broadcast(a.shape().rowShape().rowShape(), b.shape().rowShape().rowShape());
    int rank = batch.rank() + 2;
    int[] dims = Arrays.copyOf(batch.toArray(), rank);
    dims[rank - 2] = a.shape().dim(-2);
    dims[rank - 1] = b.shape().dim(-1);
    int n = dims[rank - 1];
    return at(Shape.of(dims), p -> {
      int[] left = p.clone();
      int[] right = p.clone();
      left[rank - 1] = 0;
      right[rank - 2] = 0;
      int row = index(a, left);
      int column = index(b, right);
      double sum = 0;
      for (int i = 0; i < k; i++) {
        sum += a.values()[row + i] * b.values()[column + i * n];
      }
      return sum;
    });
  }

  /** x Wᵀ + b; b may be null. */
  public static Array linear(Array x, Array weight, Array bias) {
    int in = x.shape().dim(-1);
    return rows(x, row -> {
      var y = new double[weight.shape().dim(0)];
      for (int o = 0; o < y.length; o++) {
        y[o] = bias == null ? 0 : bias.values()[o];
        for (int i = 0; i < in; i++) {
          y[o] += row[i] * weight.values()[o * in + i];
        }
      }
      return y;
    });
  }

  public static Array mlp(Array x, Array w1, Array b1, Array w2, Array b2, Gelu form) {
    return linear(map(linear(x, w1, b1), v -> gelu(v, form)), w2, b2);
  }

  // Shape.

  public static Array reshape(Array x, int... dims) {
    return new Array(Shape.of(dims), x.values());
  }

  public static Array permute(Array x, int... order) {
    int[] dims = IntStream.of(order).map(x.shape()::dim).toArray();
    return at(Shape.of(dims), p -> {
      var from = new int[order.length];
      for (int axis = 0; axis < order.length; axis++) {
        from[order[axis]] = p[axis];
      }
      return get(x, from);
    });
  }

  public static Array transpose(Array x, int a, int b) {
    int[] order = IntStream.range(0, x.shape().rank()).toArray();
    order[a] = b;
    order[b] = a;
    return permute(x, order);
  }

  public static Array slice(Array x, int axis, int start, int end) {
    return at(x.shape().with(axis, end - start), p -> {
      int[] from = p.clone();
      from[axis] += start;
      return get(x, from);
    });
  }

  public static Array expand(Array x, int... dims) {
    return at(Shape.of(dims), p -> get(x, p));
  }

  public static Array concat(int axis, List<Array> parts) {
    Shape first = parts.getFirst().shape();
    int total = parts.stream().mapToInt(part -> part.shape().dim(axis)).sum();
    return at(first.with(axis, total), p -> {
      int[] from = p.clone();
      for (Array part : parts) {
        int dim = part.shape().dim(axis);
        if (from[axis] < dim) {
          // A dimension of one would stretch in get: its only position is zero all the same.
          return get(part, from);
        }
        from[axis] -= dim;
      }
      throw new IllegalStateException();
    });
  }

  // Look-ups.

  public static Array embedding(Array table, Array indices) {
    int[] dims = Arrays.copyOf(indices.shape().toArray(), indices.shape().rank() + 1);
    dims[dims.length - 1] = table.shape().dim(1);
    return at(Shape.of(dims), p -> {
      int row = (int) get(indices, Arrays.copyOf(p, p.length - 1));
      return table.values()[row * table.shape().dim(1) + p[p.length - 1]];
    });
  }

  public static Array gather(Array x, Array indices) {
    return at(indices.shape(), p -> {
      int[] from = p.clone();
      from[p.length - 1] = (int) get(indices, p);
      return get(x, from);
    });
  }

  public static Array indexSelect(Array x, int axis, Array indices) {
    return at(x.shape().with(axis, indices.shape().dim(0)), p -> {
      int[] from = p.clone();
      from[axis] = (int) indices.values()[p[axis]];
      return get(x, from);
    });
  }

  public static Array oneHot(Array indices, int classes) {
    int[] dims = Arrays.copyOf(indices.shape().toArray(), indices.shape().rank() + 1);
    dims[dims.length - 1] = classes;
    return at(Shape.of(dims), p -> get(indices, Arrays.copyOf(p, p.length - 1)) == p[p.length - 1] ? 1 : 0);
  }

  // Rows.

  public static Array softmax(Array x) {
    return rows(x, row -> {
      double lse = logSumExp(row);
      return Arrays.stream(row).map(v -> Math.exp(v - lse)).toArray();
    });
  }

  public static Array logSoftmax(Array x) {
    return rows(x, row -> {
      double lse = logSumExp(row);
      return Arrays.stream(row).map(v -> v - lse).toArray();
    });
  }

  /** b may be null. */
  public static Array layerNorm(Array x, Array weight, Array bias, double eps) {
    return rows(x, row -> {
      double mean = mean(row);
      double rstd = 1 / Math.sqrt(variance(row) + eps);
      var y = new double[row.length];
      Arrays.setAll(y, c -> (row[c] - mean) * rstd * weight.values()[c] + (bias == null ? 0 : bias.values()[c]));
      return y;
    });
  }

  public static Array rmsNorm(Array x, Array weight, double eps) {
    return rows(x, row -> {
      double rstd = 1 / Math.sqrt(Arrays.stream(row).map(v -> v * v).sum() / row.length + eps);
      var y = new double[row.length];
      Arrays.setAll(y, c -> row[c] * rstd * weight.values()[c]);
      return y;
    });
  }

  // Attention.

  /** q [B, NH, Tq, HS], k and v [B, NH, Tk, HS]; the mask stretches to the scores and may be null. */
  public static Array attention(Array q, Array k, Array v, Array mask, boolean causal) {
    double scale = 1 / Math.sqrt(q.shape().dim(3));
    int behind = k.shape().dim(2) - q.shape().dim(2);
    Array scores = map(matmul(q, transpose(k, 2, 3)), s -> s * scale);
    Array masked = mask == null ? scores : plus(scores, mask);
    Array seen = !causal ? masked
        : at(masked.shape(), p -> p[3] <= p[2] + behind ? get(masked, p) : Double.NEGATIVE_INFINITY);
    return matmul(softmax(seen), v);
  }

  public static Array causalAttention(Array qkv, int heads) {
    int batch = qkv.shape().dim(0);
    int time = qkv.shape().dim(1);
    int channels = qkv.shape().dim(2) / 3;
    var parts = new ArrayList<Array>();
    for (int i = 0; i < 3; i++) {
      Array part = slice(qkv, 2, i * channels, (i + 1) * channels);
      parts.add(transpose(reshape(part, batch, time, heads, channels / heads), 1, 2));
    }
    Array y = attention(parts.get(0), parts.get(1), parts.get(2), null, true);
    return reshape(transpose(y, 1, 2), batch, time, channels);
  }

  // Losses.

  public static Array crossEntropy(Array logits, Array targets, int classes, int ignored) {
    int width = logits.shape().dim(-1);
    double sum = 0;
    int count = 0;
    for (int n = 0; n < targets.values().length; n++) {
      int target = (int) targets.values()[n];
      if (target != ignored) {
        double[] row = Arrays.copyOfRange(logits.values(), n * width, n * width + classes);
        sum += logSumExp(row) - row[target];
        count++;
      }
    }
    return new Array(Shape.of(), new double[]{sum / count});
  }

  public static Array meanSquaredError(Array x, Array target) {
    return reduce(zip(x, target, (a, b) -> (a - b) * (a - b)), false, Oracle::mean);
  }

  public static Array binaryCrossEntropyWithLogits(Array x, Array targets) {
    Array each = zip(x, targets, (a, t) -> {
      double p = 1 / (1 + Math.exp(-a));
      return -t * Math.log(p) - (1 - t) * Math.log(1 - p);
    });
    return reduce(each, false, Oracle::mean);
  }

  /** A GPT-2 block with parameters in its order: ln1, qkv, projection, ln2, up, down; weight before bias. */
  public static Array block(Array x, int heads, Array... p) {
    Array qkv = linear(layerNorm(x, p[0], p[1], 1e-5), p[2], p[3]);
    Array stream = plus(x, linear(causalAttention(qkv, heads), p[4], p[5]));
    return plus(stream, mlp(layerNorm(stream, p[6], p[7], 1e-5), p[8], p[9], p[10], p[11], Gelu.TANH));
  }
}
