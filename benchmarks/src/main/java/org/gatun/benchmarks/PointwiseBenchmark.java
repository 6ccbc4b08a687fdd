package org.gatun.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Element-wise kernels, copies and sums over dimensions; bound by bytes/s but for the transcendental ones. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class PointwiseBenchmark {
  private static final Formula PLUS = Formula.operand(0).plus(Formula.operand(1));

  /** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
  private static final Formula GELU = gelu(Formula.operand(0));

  /** Rows and columns. */
  @Param({"1024x3072", "768x512"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private Kernels kernels;
  private double bytes;
  private Tensor a;
  private Tensor b;
  private Tensor y;
  private Tensor transposed;
  private Tensor row;

  private static Formula gelu(Formula x) {
    Formula inner = x.plus(x.times(x).times(x).times(0.044715)).times(Math.sqrt(2 / Math.PI));
    return x.times(0.5).times(inner.tanh().plus(1));
  }

  @Setup
  public void allocate(Host host) {
    int rows = Integer.parseInt(shape.split("x")[0]);
    int columns = Integer.parseInt(shape.split("x")[1]);
    kernels = host.kernels();
    a = host.random(dtype, rows, columns);
    b = host.random(dtype, rows, columns);
    y = host.random(dtype, rows, columns);
    transposed = host.random(dtype, columns, rows).transpose(0, 1);
    row = host.random(DType.F32, columns);
    bytes = (double) dtype.byteSize() * rows * columns;
  }

  @Benchmark
  public void plus(Work work) {
    kernels.pointwise().map(Sink.of(y), PLUS, List.of(a, b));
    work.done(0, 3 * bytes);
  }

  @Benchmark
  public void gelu(Work work) {
    kernels.pointwise().map(Sink.of(y), GELU, List.of(a));
    work.done(0, 2 * bytes);
  }

  @Benchmark
  public void copy(Work work) {
    kernels.pointwise().copy(Sink.of(y), a);
    work.done(0, 2 * bytes);
  }

  @Benchmark
  public void copyTransposed(Work work) {
    kernels.pointwise().copy(Sink.of(y), transposed);
    work.done(0, 2 * bytes);
  }

  @Benchmark
  public void dropout(Work work) {
    kernels.pointwise().dropout(Sink.of(y), a, 0.1f, 1, null);
    work.done(0, 2 * bytes);
  }

  /** A bias gradient. */
  @Benchmark
  public void columnSum(Work work) {
    kernels.reduction().reduce(Sink.of(row), Kernels.Reduction.Combine.SUM, a, 0);
    work.done(0, bytes);
  }
}
