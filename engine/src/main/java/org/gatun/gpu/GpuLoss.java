package org.gatun.gpu;

import java.util.Map;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Softmax and cross-entropy in one, a block a row of logits, which is read once in each direction.
 *
 * <p>Bytes that must move for GPT-2's 16 · 1024 rows of 50,304 in bf16, and the time at 4.8 TB/s: forward 1.65 GB, 343 µs;
 * backward, in the logits' own place, 3.30 GB, 687 µs.
 */
final class GpuLoss implements Kernels.Loss {
  private static final int WARP = 32;
  private static final int MAX_THREADS = 512;
  private static final int MAX_COUNTING_THREADS = 1024;

  private final CudaDevice device;

  GpuLoss(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void crossEntropy(
      Tensor losses, Tensor lse, Tensor count, Tensor logits, Tensor targets, int classes, int ignored) {
    device.checkIndices("crossEntropy: target %d at position %d is outside of %d classes", targets, classes, ignored);
    Map<String, String> defines = defines(losses, logits, null);
    long rows = targets.shape().size();
    device.kernel("loss.cu", "count_targets", defines).with()
        .pointer(CudaDevice.pointer(count)).pointer(CudaDevice.pointer(targets)).int64(rows).int32(ignored)
        .over(device.stream(), 1, threads(rows, MAX_COUNTING_THREADS));
    if (rows > 0) {
      int columns = logits.shape().dim(-1);
      device.kernel("loss.cu", "cross_entropy_forward", defines).with()
          .pointer(CudaDevice.pointer(losses)).pointer(CudaDevice.pointer(lse))
          .pointer(CudaDevice.pointer(logits)).pointer(CudaDevice.pointer(targets))
          .int64(columns).int32(classes).int32(ignored).int32(Pieces.aligned(columns, logits))
          .over(device.stream(), Math.toIntExact(rows), threads(Math.ceilDiv(classes, Pieces.SIZE), MAX_THREADS));
    }
  }

  @Override
  public void crossEntropyBackward(
      Sink dlogits, Tensor dloss, Tensor count, Tensor logits, Tensor lse, Tensor targets, int classes, int ignored) {
    if (logits.shape().size() == 0) {
      return;
    }
    int columns = logits.shape().dim(-1);
    device.kernel("loss.cu", "cross_entropy_backward", defines(null, logits, dlogits.into())).with()
        .pointer(Pieces.pointer(dlogits)).int32(Pieces.add(dlogits))
        .pointer(CudaDevice.pointer(dloss)).pointer(CudaDevice.pointer(count))
        .pointer(CudaDevice.pointer(logits)).pointer(CudaDevice.pointer(lse)).pointer(CudaDevice.pointer(targets))
        .int64(columns).int32(classes).int32(ignored).int32(Pieces.aligned(columns, dlogits.into(), logits))
        .over(device.stream(), logits.shape().rows(), threads(Math.ceilDiv(columns, Pieces.SIZE), MAX_THREADS));
  }

  private static Map<String, String> defines(Tensor losses, Tensor logits, Tensor dlogits) {
    return Map.of("TLOSS", Pieces.type(losses), "TX", Pieces.type(logits),
        "TDX", Pieces.type(dlogits == null ? logits : dlogits));
  }

  private static int threads(long tasks, int most) {
    return (int) Math.clamp(Math.ceilDiv(tasks, WARP) * WARP, WARP, (long) most);
  }
}
