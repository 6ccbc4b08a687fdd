package org.gatun.benchmarks;

import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The CPU device under measurement, and random tensors on it. */
@State(Scope.Benchmark)
public class Host {
  /** 0: one a physical core. */
  @Param("0")
  public int threads;

  /** A system BLAS by name or path, or none. */
  @Param("")
  public String blas;

  private CpuDevice device;
  private org.gatun.tensor.Scope scope;

  Kernels kernels() {
    open();
    return device.kernels();
  }

  /** Random numbers of a normal distribution. */
  Tensor random(DType dtype, int... dims) {
    open();
    Shape shape = Shape.of(dims);
    float[] values = new float[Math.toIntExact(shape.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = Philox.normal(1, i & 0xFFFF);
    }
    return scope.tensor(values, shape, dtype);
  }

  /** These numbers, F32. */
  Tensor values(float... values) {
    open();
    return scope.tensor(values, Shape.of(values.length));
  }

  /** Indices below a bound. */
  Tensor indices(int bound, int... dims) {
    open();
    Shape shape = Shape.of(dims);
    int[] values = new int[Math.toIntExact(shape.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (int) (Philox.uniform(2, i) * bound);
    }
    return scope.tensor(values, shape);
  }

  private void open() {
    if (device == null) {
      device = new CpuDevice(threads == 0 ? CpuDevice.physicalCores() : threads, blas.isEmpty() ? null : blas);
      scope = org.gatun.tensor.Scope.on(device);
    }
  }

  /** Gives the memory back. */
  @TearDown(Level.Trial)
  public void close() {
    scope.close();
    device.close();
  }
}
