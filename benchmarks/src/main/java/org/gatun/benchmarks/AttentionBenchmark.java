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

/** Causal attention on packed projections at GPT-2's shapes; bound by FLOP/s, half of T² being masked. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class AttentionBenchmark {
  /** Batch, heads, time, head size. */
  @Param({"4x12x64x64", "4x12x256x64", "4x12x1024x64", "12x4x64x32"})
  public String shape;

  private Kernels.Attention attention;
  private double flop;
  private double bytes;
  private float scale;
  private Tensor q;
  private Tensor k;
  private Tensor v;
  private Tensor y;
  private Tensor lse;
  private Tensor dq;
  private Tensor dk;
  private Tensor dv;

  @Setup
  public void allocate(Host host) {
    String[] sizes = shape.split("x");
    int batch = Integer.parseInt(sizes[0]);
    int heads = Integer.parseInt(sizes[1]);
    int time = Integer.parseInt(sizes[2]);
    int size = Integer.parseInt(sizes[3]);
    attention = host.kernels().attention();
    q = heads(host, batch, heads, time, size);
    k = heads(host, batch, heads, time, size);
    v = heads(host, batch, heads, time, size);
    y = heads(host, batch, heads, time, size);
    dq = heads(host, batch, heads, time, size);
    dk = heads(host, batch, heads, time, size);
    dv = heads(host, batch, heads, time, size);
    lse = host.random(DType.F32, batch, heads, time);
    scale = (float) (1 / Math.sqrt(size));
    attention.forward(y, lse, q, k, v, null, true, scale);
    flop = 2.0 * batch * heads * time * time * size;
    bytes = 4.0 * Float.BYTES * batch * heads * time * size;
  }

  /** As they lie in a projection [B, T, C]. */
  private static Tensor heads(Host host, int batch, int heads, int time, int size) {
    return host.random(DType.F32, batch, time, heads, size).transpose(1, 2);
  }

  /** Two products of T²·HS, half masked. */
  @Benchmark
  public void forward(Work work) {
    attention.forward(y, lse, q, k, v, null, true, scale);
    work.done(flop, bytes);
  }

  /** Five products of T²·HS, half masked; y's rows serve as dy. */
  @Benchmark
  public void backward(Work work) {
    attention.backward(Sink.of(dq), Sink.of(dk), Sink.of(dv), y, y, lse, q, k, v, null, true, scale);
    work.done(2.5 * flop, 2 * bytes);
  }
}
