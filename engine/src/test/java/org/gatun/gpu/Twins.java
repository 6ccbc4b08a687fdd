package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.function.Function;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.CudaDevices;

/** A CPU and a CUDA device with the same tensors: work done on both must leave the same in them. */
final class Twins implements AutoCloseable {
  private final CpuDevice cpu = new CpuDevice(1);
  private final CudaDevice cuda;
  private final Scope onCpu = Scope.on(cpu);
  private final Scope onCuda;
  private final Random random;

  Twins(long seed) {
    this(seed, CudaDevices.options());
  }

  Twins(long seed, CudaDevice.Options options) {
    cuda = new CudaDevice(0, options);
    onCuda = Scope.on(cuda);
    random = new Random(seed);
  }

  /** The same tensor on both devices. */
  record Pair(Tensor cpu, Tensor cuda) {
    Pair map(Function<Tensor, Tensor> view) {
      return new Pair(view.apply(cpu), view.apply(cuda));
    }
  }

  /** One of the devices at work. */
  interface Work {
    void run(Kernels kernels, Function<Pair, Tensor> here);
  }

  /** Normally distributed values. */
  Pair normal(DType dtype, int... dims) {
    Shape shape = Shape.of(dims);
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values(dtype, values, dims);
  }

  Pair values(DType dtype, float[] values, int... dims) {
    Shape shape = Shape.of(dims);
    return new Pair(onCpu.tensor(values, shape, dtype), onCuda.tensor(values, shape, dtype));
  }

  Pair indices(int[] values, int... dims) {
    Shape shape = Shape.of(dims);
    return new Pair(onCpu.tensor(values, shape), onCuda.tensor(values, shape));
  }

  void run(Work work) {
    work.run(cpu.kernels(), Pair::cpu);
    work.run(cuda.kernels(), Pair::cuda);
  }

  static Sink sink(Tensor into, boolean add) {
    return new Sink(into, add);
  }

  /**
   * Fails where the devices differ by more than {@code terms} roundings of F32 of sums of about one, and one place of the
   * last digit of the result's type.
   */
  static void assertSame(String name, Pair pair, double terms) {
    float[] expected = pair.cpu().toArray();
    float[] actual = pair.cuda().toArray();
    double rounding = pair.cpu().dtype() == DType.BF16 ? 0x1p-7 : 0x1p-23;
    for (int i = 0; i < expected.length; i++) {
      double allowed = terms * 0x1p-23 + rounding * Math.abs(expected[i]);
      int at = i;
      boolean same = Float.floatToIntBits(expected[i]) == Float.floatToIntBits(actual[i])
          || Math.abs(expected[i] - actual[i]) <= allowed;
      assertTrue(same,
          () -> name + "[" + at + "] is " + actual[at] + ", but " + expected[at] + " on the CPU; " + allowed
              + " is allowed");
    }
  }

  @Override
  public void close() {
    onCuda.close();
    cuda.close();
    onCpu.close();
    cpu.close();
  }
}
