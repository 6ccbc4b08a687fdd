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

/** Cross-entropy over GPT-2's padded vocabulary, fused, with the gradient in the logits' place; bound by bytes/s. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class LossBenchmark {
  private static final int VOCABULARY = 50304;
  private static final int CLASSES = 50257;

  @Param({"256", "1024"})
  public int rows;

  @Param("F32")
  public DType dtype;

  private Kernels.Loss loss;
  private double bytes;
  private Tensor logits;
  private Tensor dlogits;
  private Tensor targets;
  private Tensor losses;
  private Tensor lse;
  private Tensor count;

  @Setup
  public void allocate(Host host) {
    loss = host.kernels().loss();
    logits = host.random(dtype, rows, VOCABULARY);
    dlogits = host.random(dtype, rows, VOCABULARY);
    targets = host.indices(CLASSES, rows);
    losses = host.random(DType.F32, rows);
    lse = host.random(DType.F32, rows);
    count = host.random(DType.F32);
    loss.crossEntropy(losses, lse, count, logits, targets, CLASSES, -1);
    bytes = (double) dtype.byteSize() * rows * VOCABULARY;
  }

  @Benchmark
  public void forward(Work work) {
    loss.crossEntropy(losses, lse, count, logits, targets, CLASSES, -1);
    work.done(0, bytes);
  }

  @Benchmark
  public void backward(Work work) {
    loss.crossEntropyBackward(Sink.of(dlogits), count, count, logits, lse, targets, CLASSES, -1);
    work.done(0, 2 * bytes);
  }
}
