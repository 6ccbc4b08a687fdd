package org.gatun.cpu;

import static org.gatun.cpu.HostArrays.assertNear;
import static org.gatun.cpu.HostArrays.doubles;
import static org.gatun.cpu.HostArrays.filled;
import static org.gatun.cpu.HostArrays.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("loops")
class CpuAttentionTest {
  private static final int BATCH = 2;
  private static final int HEADS = 3;

  private final HostArrays arrays = new HostArrays(2017);

  static Stream<Arguments> sizes() {
    return IntStream.of(1, 2, 7, 63, 64, 65, 100).boxed().flatMap(time -> Stream.of(1, 3, 8, 16, 20, 64, 80)
        .flatMap(headSize -> Stream.of(true, false).map(causal -> Arguments.of(time, headSize, causal))));
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void packedProjectionIsReadAndWrittenInPlace(int time, int headSize, boolean causal) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      var packed = new Packed(scope, DType.F32, time, headSize);
      packed.check(device, causal, false);
    }
  }

  @ParameterizedTest
  @CsvSource({"7,8,true", "65,20,false", "100,64,true"})
  void bf16IsComputedInF32(int time, int headSize, boolean causal) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      new Packed(scope, DType.BF16, time, headSize).check(device, causal, false);
    }
  }

  @ParameterizedTest
  @CsvSource({"7,8,true", "65,20,false", "100,64,true"})
  void gradientsAreAddedWhereAsked(int time, int headSize, boolean causal) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      new Packed(scope, DType.F32, time, headSize).check(device, causal, true);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1,1,64,true", "1,100,64,true", "1,129,20,true", "5,70,16,true", "64,65,8,true",
    "70,5,8,false", "3,200,80,false", "66,130,3,true"
  })
  void queriesMayBeFewerThanKeys(int queries, int keys, int size, boolean causal) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      var reference = new Reference(queries, keys, size, causal, null);
      checkContiguous(device, scope, reference, null);
    }
  }

  @Test
  void queriesBeforeAllKeysGetZeros() {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      checkContiguous(device, scope, new Reference(70, 5, 8, true, null), null);
    }
  }

  @ParameterizedTest
  @CsvSource({"65,65,true", "20,70,false"})
  void maskIsAddedToScores(int queries, int keys, boolean causal) {
    try (var device = new CpuDevice(2); var scope = Scope.on(device)) {
      float[] values = floats(arrays.normal(scope, DType.F32, BATCH, HEADS, queries, keys));
      for (int i = 0; i < values.length; i += 3) {
        values[i] = Float.NEGATIVE_INFINITY;
      }
      Arrays.fill(values, 0, keys, Float.NEGATIVE_INFINITY); // a query that sees nothing
      Tensor mask = filled(scope, DType.F32, values, Shape.of(BATCH, HEADS, queries, keys));
      checkContiguous(device, scope, new Reference(queries, keys, 16, causal, doubles(mask)), mask);

      Tensor turned = filled(
          scope, DType.F32, transposed(values, queries, keys), Shape.of(BATCH, HEADS, keys,
              queries));
      checkContiguous(device, scope, new Reference(queries, keys, 16, causal, doubles(mask)),
          turned.transpose(2, 3));
    }
  }

  private static float[] transposed(float[] x, int rows, int columns) {
    float[] y = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      int matrix = i / (rows * columns) * rows * columns;
      int row = i % (rows * columns) / columns;
      y[matrix + i % columns * rows + row] = x[i];
    }
    return y;
  }

  private void checkContiguous(
      CpuDevice device, Scope scope, Reference reference, Tensor mask) {
    int queries = reference.queries;
    int keys = reference.keys;
    int size = reference.size;
    Tensor q = arrays.normal(scope, DType.F32, BATCH, HEADS, queries, size);
    Tensor dy = arrays.normal(scope, DType.F32, BATCH, HEADS, queries, size);
    Tensor k = arrays.normal(scope, DType.F32, BATCH, HEADS, keys, size);
    Tensor v = arrays.normal(scope, DType.F32, BATCH, HEADS, keys, size);
    Tensor y = scope.allocate(q.shape(), DType.F32);
    Tensor lse = scope.allocate(q.shape().rowShape(), DType.F32);
    Tensor dq = scope.allocate(q.shape(), DType.F32);
    Tensor dk = scope.allocate(k.shape(), DType.F32);
    Tensor dv = scope.allocate(k.shape(), DType.F32);
    float scale = (float) (1 / Math.sqrt(size));
    var attention = new CpuAttention(device);
    attention.forward(y, lse, q, k, v, mask, reference.causal, scale);
    attention.backward(
        Sink.of(dq), Sink.of(dk), Sink.of(dv), dy, y, lse, q, k, v, mask, reference.causal, scale);
    reference.compute(doubles(q), doubles(k), doubles(v), doubles(dy), scale);
    double tolerance = tolerance(queries, keys, size, DType.F32);
    assertNear("y", reference.y, y, tolerance, tolerance);
    assertNear("dq", reference.dq, dq, tolerance, tolerance);
    assertNear("dk", reference.dk, dk, tolerance, tolerance);
    assertNear("dv", reference.dv, dv, tolerance, tolerance);
  }

  /**
   * Sums of {@code size} products of order one in scores, and of as many terms as queries or keys
   * elsewhere, each off by a rounding at worst; with BF16, y rounded enters the gradients.
   */
  private static double tolerance(int queries, int keys, int size, DType type) {
    double terms = 8 * (16 + size + Math.max(queries, keys));
    double stored = type == DType.BF16 ? 8 * Math.sqrt(size) * HostArrays.BF16_ROUNDING : 0;
    return terms * HostArrays.F32_ROUNDING + stored;
  }

  @Test
  void bitsDoNotDependOnThreads() {
    float[] first = packedGradient(1);
    assertArrayEquals(first, packedGradient(2));
    assertArrayEquals(first, packedGradient(3));
  }

  private static float[] packedGradient(int threads) {
    try (var device = new CpuDevice(threads); var scope = Scope.on(device)) {
      var packed = new CpuAttentionTest().new Packed(scope, DType.F32, 150, 20);
      packed.run(device, true, false);
      return floats(packed.gradient);
    }
  }

  /** q, k and v packed in one projection [B, T, 3C], and their gradients likewise. */
  private final class Packed {
    final Scope scope;
    final DType type;
    final int time;
    final int size;
    final Tensor projection;
    final Tensor gradient;
    final Tensor y;
    final Tensor dy;
    final Tensor lse;

    Packed(Scope scope, DType type, int time, int size) {
      this.scope = scope;
      this.type = type;
      this.time = time;
      this.size = size;
      projection = arrays.normal(scope, type, BATCH, time, 3 * HEADS * size);
      gradient = arrays.normal(scope, type, BATCH, time, 3 * HEADS * size);
      y = arrays.normal(scope, type, BATCH, time, HEADS * size);
      dy = arrays.normal(scope, type, BATCH, time, HEADS * size);
      lse = scope.allocate(Shape.of(BATCH, HEADS, time), DType.F32);
    }

    Tensor heads(Tensor packed, int part) {
      int groups = packed.shape().dim(2) / size;
      return packed.reshape(BATCH, time, groups, size)
          .slice(2, part * HEADS, (part + 1) * HEADS)
          .permute(0, 2, 1, 3);
    }

    float scale() {
      return (float) (1 / Math.sqrt(size));
    }

    void run(CpuDevice device, boolean causal, boolean add) {
      var attention = new CpuAttention(device);
      Tensor q = heads(projection, 0);
      Tensor k = heads(projection, 1);
      Tensor v = heads(projection, 2);
      attention.forward(heads(y, 0), lse, q, k, v, null, causal, scale());
      attention.backward(
          new Sink(heads(gradient, 0), add), new Sink(heads(gradient, 1), add),
          new Sink(heads(gradient, 2), add), heads(dy, 0), heads(y, 0), lse,
          q, k, v, null, causal, scale());
    }

    void check(CpuDevice device, boolean causal, boolean add) {
      double[] earlier = add ? doubles(gradient) : new double[(int) gradient.shape().size()];
      run(device, causal, add);
      var reference = new Reference(time, time, size, causal, null);
      double[] x = doubles(projection);
      reference.compute(
          unpacked(x, 3, 0), unpacked(x, 3, 1), unpacked(x, 3, 2), unpacked(doubles(dy), 1, 0),
          scale());
      double tolerance = tolerance(time, time, size, type);
      assertNear("y", packed(1, reference.y), y, tolerance, HostArrays.rounding(type));
      double[] expected = packed(3, reference.dq, reference.dk, reference.dv);
      Arrays.setAll(expected, i -> expected[i] + earlier[i]);
      assertNear("dq, dk, dv", expected, gradient, tolerance, tolerance);
    }

    /** Element i of [B, T, parts, NH, HS], as counted in [parts, B, NH, T, HS]. */
    private int place(int i, int parts) {
      int head = i / size % HEADS;
      int part = i / (size * HEADS) % parts;
      int row = i / (size * HEADS * parts) % time;
      int batch = i / (size * HEADS * parts * time);
      return (((part * BATCH + batch) * HEADS + head) * time + row) * size + i % size;
    }

    private double[] unpacked(double[] x, int parts, int part) {
      int length = x.length / parts;
      double[] y = new double[length];
      for (int i = 0; i < x.length; i++) {
        int at = place(i, parts) - part * length;
        if (at >= 0 && at < length) {
          y[at] = x[i];
        }
      }
      return y;
    }

    private double[] packed(int parts, double[]... separate) {
      int length = separate[0].length;
      double[] x = new double[parts * length];
      Arrays.setAll(x, i -> separate[place(i, parts) / length][place(i, parts) % length]);
      return x;
    }
  }

  /** The definition and its derivative, in double, query by query. */
  private static final class Reference {
    final int queries;
    final int keys;
    final int size;
    final boolean causal;
    final double[] mask;
    double[] y;
    double[] dq;
    double[] dk;
    double[] dv;

    Reference(int queries, int keys, int size, boolean causal, double[] mask) {
      this.queries = queries;
      this.keys = keys;
      this.size = size;
      this.causal = causal;
      this.mask = mask;
    }

    void compute(double[] q, double[] k, double[] v, double[] dy, double scale) {
      y = new double[q.length];
      dq = new double[q.length];
      dk = new double[k.length];
      dv = new double[k.length];
      for (int row = 0; row < BATCH * HEADS * queries; row++) {
        int firstKey = row / queries * keys;
        double[] p = probabilities(q, k, scale, row, firstKey);
        for (int j = 0; j < keys; j++) {
          for (int d = 0; d < size; d++) {
            y[row * size + d] += p[j] * v[(firstKey + j) * size + d];
          }
        }
        double mean = dot(dy, row, y, row);
        for (int j = 0; j < keys; j++) {
          double ds = p[j] * (dot(dy, row, v, firstKey + j) - mean) * scale;
          for (int d = 0; d < size; d++) {
            dq[row * size + d] += ds * k[(firstKey + j) * size + d];
            dk[(firstKey + j) * size + d] += ds * q[row * size + d];
            dv[(firstKey + j) * size + d] += p[j] * dy[row * size + d];
          }
        }
      }
    }

    private double[] probabilities(
        double[] q, double[] k, double scale, int row, int firstKey) {
      double[] p = new double[keys];
      double sum = 0;
      for (int j = 0; j < keys; j++) {
        boolean seen = !causal || j <= row % queries + keys - queries;
        double added = mask == null ? 0 : mask[row * keys + j];
        p[j] = seen ? Math.exp(scale * dot(q, row, k, firstKey + j) + added) : 0;
        sum += p[j];
      }
      for (int j = 0; j < keys && sum > 0; j++) {
        p[j] /= sum;
      }
      return p;
    }

    private double dot(double[] a, int i, double[] b, int j) {
      double sum = 0;
      for (int d = 0; d < size; d++) {
        sum += a[i * size + d] * b[j * size + d];
      }
      return sum;
    }
  }
}
