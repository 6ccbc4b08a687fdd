package org.gatun.benchmarks;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** What a benchmark got done: JMH prints it per second, as {@code :gflop} and {@code :gbyte}. */
@AuxCounters(AuxCounters.Type.OPERATIONS)
@State(Scope.Thread)
public class Work {
  /** Billions of floating-point operations. */
  public double gflop;

  /** Billions of bytes that must be read or written at least. */
  public double gbyte;

  /** Counts one call's operations and bytes. */
  void done(double flop, double bytes) {
    gflop += flop * 1e-9;
    gbyte += bytes * 1e-9;
  }
}
