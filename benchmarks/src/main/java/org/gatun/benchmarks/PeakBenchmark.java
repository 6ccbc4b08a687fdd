package org.gatun.benchmarks;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/** What the machine allows, on all processors at once: the measure for all other figures. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Threads(Threads.MAX)
public class PeakBenchmark {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int ROUNDS = 10_000;
  private static final long BYTES = 128L << 20;

  private Arena arena;
  private MemorySegment a;
  private MemorySegment b;
  private MemorySegment c;

  @Setup
  public void allocate() {
    arena = Arena.ofShared();
    a = arena.allocate(BYTES, 64);
    b = arena.allocate(BYTES, 64);
    c = arena.allocate(BYTES, 64);
  }

  @TearDown
  public void free() {
    arena.close();
  }

  /** Ten chains of fused multiply-adds in registers: more than two units with a latency of four need. */
  @Benchmark
  public float fusedMultiplyAdd(Work work) {
    FloatVector x = FloatVector.broadcast(SPECIES, 0.999f);
    FloatVector c0 = x;
    FloatVector c1 = x;
    FloatVector c2 = x;
    FloatVector c3 = x;
    FloatVector c4 = x;
    FloatVector c5 = x;
    FloatVector c6 = x;
    FloatVector c7 = x;
    FloatVector c8 = x;
    FloatVector c9 = x;
    for (int i = 0; i < ROUNDS; i++) {
      c0 = c0.fma(x, x);
      c1 = c1.fma(x, x);
      c2 = c2.fma(x, x);
      c3 = c3.fma(x, x);
      c4 = c4.fma(x, x);
      c5 = c5.fma(x, x);
      c6 = c6.fma(x, x);
      c7 = c7.fma(x, x);
      c8 = c8.fma(x, x);
      c9 = c9.fma(x, x);
    }
    work.done(2.0 * 10 * ROUNDS * SPECIES.length(), 0);
    return c0.add(c1).add(c2).add(c3).add(c4).add(c5).add(c6).add(c7).add(c8).add(c9).lane(0);
  }

  /** STREAM's triad a = b + s·c, with the line of a that is read before it is written left out of the count. */
  @Benchmark
  public void triad(Work work) {
    FloatVector s = FloatVector.broadcast(SPECIES, 3f);
    for (long i = 0; i < BYTES; i += SPECIES.vectorByteSize()) {
      FloatVector x = FloatVector.fromMemorySegment(SPECIES, b, i, ByteOrder.nativeOrder());
      FloatVector y = FloatVector.fromMemorySegment(SPECIES, c, i, ByteOrder.nativeOrder());
      y.fma(s, x).intoMemorySegment(a, i, ByteOrder.nativeOrder());
    }
    work.done(0, 3.0 * BYTES);
  }
}
