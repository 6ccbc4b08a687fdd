package org.gatun.gpu;

import java.util.Map;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Softmax and its logarithm: a block a row, of one warp where rows are short. */
final class GpuSoftmax implements Kernels.Softmax {
  /** Elements a thread is to have, so that the block's barriers are worth it. */
  private static final int EACH = 8;

  private final CudaDevice device;

  GpuSoftmax(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void softmax(Tensor y, Tensor x) {
    forward(y, x, false);
  }

  @Override
  public void softmaxBackward(Sink dx, Tensor dy, Tensor y) {
    backward(dx, dy, y, false);
  }

  @Override
  public void logSoftmax(Tensor y, Tensor x) {
    forward(y, x, true);
  }

  @Override
  public void logSoftmaxBackward(Sink dx, Tensor dy, Tensor y) {
    backward(dx, dy, y, true);
  }

  private void forward(Tensor y, Tensor x, boolean logarithm) {
    if (x.shape().size() == 0) {
      return;
    }
    int columns = x.shape().dim(-1);
    long rows = x.shape().size() / columns;
    device.kernel("softmax.cu", "softmax_forward",
        Map.of("TX", CudaDevice.cType(x.dtype()), "TY", CudaDevice.cType(y.dtype())))
        .with()
        .pointer(CudaDevice.pointer(y)).pointer(CudaDevice.pointer(x)).int64(rows).int32(columns)
        .int32(logarithm ? 1 : 0)
        .over(device.stream(), device.blocks(rows), threads(columns));
  }

  private void backward(Sink dx, Tensor dy, Tensor y, boolean logarithm) {
    if (y.shape().size() == 0) {
      return;
    }
    int columns = y.shape().dim(-1);
    long rows = y.shape().size() / columns;
    Tensor into = dx.into();
    device.kernel("softmax_backward.cu", "softmax_backward",
        Map.of("TX", CudaDevice.cType(into.dtype()), "TY", CudaDevice.cType(dy.dtype()), "TZ",
            CudaDevice.cType(y.dtype())))
        .with()
        .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(dy)).pointer(CudaDevice.pointer(y)).int64(rows)
        .int32(columns).int32(logarithm ? 1 : 0).int32(dx.add() ? 1 : 0)
        .over(device.stream(), device.blocks(rows), threads(columns));
  }

  private static int threads(int columns) {
    return Math.clamp(Integer.highestOneBit(Math.max(1, columns / EACH)), 32, 1024);
  }
}
