package org.gatun.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
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

/** The optimizer over flat buffers as large as GPT-2's; bound by bytes/s. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class UpdateBenchmark {
  @Param({"124475904", "860000"})
  public int size;

  private Kernels.Update update;
  private Tensor master;
  private Tensor gradient;
  private Tensor first;
  private Tensor second;
  private Tensor scale;
  private Tensor schedule;
  private Tensor norm;

  @Setup
  public void allocate(Host host) {
    update = host.kernels().update();
    master = host.random(DType.F32, size);
    gradient = host.random(DType.F32, size);
    first = host.random(DType.F32, size);
    second = host.random(DType.F32, size);
    host.kernels().pointwise().fill(second, 1f);
    scale = host.random(DType.F32);
    schedule = host.values(1e-9f, 0.1f, 0.05f);
    norm = host.random(DType.F32);
  }

  /** Reads four numbers an element and writes three. */
  @Benchmark
  public void adamw(Work work) {
    var constants = new Kernels.Update.AdamW(0.9f, 0.95f, 1e-8f);
    update.adamw(master, master, gradient, first, second, scale, schedule, constants,
        List.of(new Kernels.Update.Range(0, size, 0.1f)));
    work.done(0, 28.0 * size);
  }

  @Benchmark
  public void norm(Work work) {
    update.norm(norm, gradient);
    work.done(0, 4.0 * size);
  }
}
