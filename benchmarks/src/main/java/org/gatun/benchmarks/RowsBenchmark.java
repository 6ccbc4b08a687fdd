package org.gatun.benchmarks;

import java.util.concurrent.TimeUnit;
import org.gatun.tensor.DType;
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

/** Normalisation, softmax and loss over rows; bound by bytes/s. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class RowsBenchmark {
  /** Rows and channels. */
  @Param({"1024x768", "768x128"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private Kernels kernels;
  private double bytes;
  private Tensor a;
  private Tensor b;
  private Tensor y;
  private Tensor dx;
  private Tensor weight;
  private Tensor bias;
  private Tensor dweight;
  private Tensor dbias;
  private Tensor mean;
  private Tensor rstd;

  @Setup
  public void allocate(Host host) {
    int rows = Integer.parseInt(shape.split("x")[0]);
    int channels = Integer.parseInt(shape.split("x")[1]);
    kernels = host.kernels();
    a = host.random(dtype, rows, channels);
    b = host.random(dtype, rows, channels);
    y = host.random(dtype, rows, channels);
    dx = host.random(dtype, rows, channels);
    weight = host.random(dtype, channels);
    bias = host.random(dtype, channels);
    dweight = host.random(DType.F32, channels);
    dbias = host.random(DType.F32, channels);
    mean = host.random(DType.F32, rows);
    rstd = host.random(DType.F32, rows);
    bytes = (double) dtype.byteSize() * rows * channels;
  }

  @Benchmark
  public void layerNorm(Work work) {
    kernels.norm().layerNorm(y, mean, rstd, a, weight, bias, 1e-5f);
    work.done(0, 2 * bytes);
  }

  @Benchmark
  public void addLayerNorm(Work work) {
    kernels.norm().addLayerNorm(dx, y, mean, rstd, a, b, weight, bias, 1e-5f);
    work.done(0, 4 * bytes);
  }

  @Benchmark
  public void layerNormBackward(Work work) {
    kernels.norm().layerNormBackward(
        Sink.of(dx), Sink.of(dweight), Sink.of(dbias), y, b, a, weight, mean, rstd);
    work.done(0, 4 * bytes);
  }

  @Benchmark
  public void softmax(Work work) {
    kernels.softmax().softmax(y, a);
    work.done(0, 2 * bytes);
  }
}
