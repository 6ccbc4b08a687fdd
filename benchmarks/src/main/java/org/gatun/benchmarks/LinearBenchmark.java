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

/** The three products of a linear layer at GPT-2's shapes; bound by FLOP/s. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class LinearBenchmark {
  /** Tokens (B·T), outputs and inputs of the layer. */
  @Param({"256x2304x768", "256x768x768", "256x3072x768", "256x768x3072", "256x50304x768",
    "1024x2304x768", "1024x768x3072", "4096x3072x768", "768x384x128", "768x512x128"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private Kernels.Linear linear;
  private double flop;
  private double bytes;
  private Tensor x;
  private Tensor y;
  private Tensor weight;
  private Tensor gradient;

  @Setup
  public void allocate(Host host) {
    String[] sizes = shape.split("x");
    int tokens = Integer.parseInt(sizes[0]);
    int out = Integer.parseInt(sizes[1]);
    int in = Integer.parseInt(sizes[2]);
    linear = host.kernels().linear();
    x = host.random(dtype, tokens, in);
    y = host.random(dtype, tokens, out);
    weight = host.random(dtype, out, in);
    gradient = host.random(DType.F32, out, in);
    flop = 2.0 * tokens * out * in;
    bytes = dtype.byteSize() * ((double) tokens * in + (double) tokens * out + (double) out * in);
  }

  /** y = x Wᵀ. */
  @Benchmark
  public void forward(Work work) {
    linear.forward(y, x, weight, new Kernels.Epilogue.None());
    work.done(flop, bytes);
  }

  /** dx = dy W. */
  @Benchmark
  public void backwardInput(Work work) {
    linear.backwardInput(Sink.of(x), y, weight, new Kernels.Epilogue.None());
    work.done(flop, bytes);
  }

  /** dW = dyᵀ x. */
  @Benchmark
  public void backwardWeight(Work work) {
    linear.backwardWeight(Sink.of(gradient), null, y, x);
    work.done(flop, bytes);
  }
}
