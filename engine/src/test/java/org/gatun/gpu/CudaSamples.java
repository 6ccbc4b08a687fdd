package org.gatun.gpu;

import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.CudaDevices;

/** The same random tensors on a CUDA device and on the CPU, from one seed. */
final class CudaSamples implements AutoCloseable {
  static final long SEED = 20_261_122;

  /** A tensor on both. */
  record Pair(Tensor gpu, Tensor cpu) {
    /** The same view of both. */
    Pair view(UnaryOperator<Tensor> view) {
      return new Pair(view.apply(gpu), view.apply(cpu));
    }
  }

  private final Random random = new Random(SEED);
  final CudaDevice device = CudaDevices.open();
  final CpuDevice host = new CpuDevice(1);
  final Scope onDevice = Scope.on(device);
  final Scope onHost = Scope.on(host);

  Pair normal(DType dtype, int... dims) {
    Shape shape = Shape.of(dims);
    if (dtype == DType.I32) {
      return indices(1000, dims);
    }
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return new Pair(onDevice.tensor(values, shape, dtype), onHost.tensor(values, shape, dtype));
  }

  Pair indices(int bound, int... dims) {
    Shape shape = Shape.of(dims);
    int[] values = random.ints(shape.size(), 0, bound).toArray();
    return new Pair(onDevice.tensor(values, shape), onHost.tensor(values, shape));
  }

  /** Views of [5, 37, 41]. */
  Stream<Pair> views(DType dtype) {
    return Stream.of(
        normal(dtype, 5, 37, 41),
        normal(dtype, 41, 37, 5).view(x -> x.permute(2, 1, 0)),
        normal(dtype, 37, 5, 41).view(x -> x.permute(1, 0, 2)),
        normal(dtype, 5, 41, 37).view(x -> x.permute(0, 2, 1)),
        normal(dtype, 5, 37, 90).view(x -> x.slice(2, 30, 71)),
        normal(dtype, 9, 37, 41).view(x -> x.slice(0, 3, 8)),
        normal(dtype, 41).view(x -> x.expand(5, 37, 41)),
        normal(dtype, 37, 1).view(x -> x.expand(5, 37, 41)),
        normal(dtype).view(x -> x.expand(5, 37, 41)));
  }

  @Override
  public void close() {
    onDevice.close();
    onHost.close();
    device.close();
    host.close();
  }
}
