package org.gatun.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Softmax and its logarithm, row by row: a row is read once and stays in the cache. */
final class CpuSoftmax implements Kernels.Softmax {
  private static final int LANES = Lanes.SPECIES.length();

  /** Elements of one task. */
  private static final int TASK = 8 * 1024;

  /** Elements summed in F32 before they are added to a sum in double. */
  private static final int CHUNK = 1024;

  private final CpuDevice device;

  CpuSoftmax(CpuDevice device) {
    this.device = device;
  }

  /**
   * Computes one row in place of the first array; the second has the other argument's row, if any.
   */
  @FunctionalInterface
  private interface Row {
    void run(float[] row, float[] other, int n);
  }

  @Override
  public void softmax(Tensor y, Tensor x) {
    rows(Sink.of(y), x, null, CpuSoftmax::softmax);
  }

  @Override
  public void softmaxBackward(Sink dx, Tensor dy, Tensor y) {
    rows(dx, dy, y, CpuSoftmax::softmaxBackward);
  }

  @Override
  public void logSoftmax(Tensor y, Tensor x) {
    rows(Sink.of(y), x, null, CpuSoftmax::logSoftmax);
  }

  @Override
  public void logSoftmaxBackward(Sink dx, Tensor dy, Tensor y) {
    rows(dx, dy, y, CpuSoftmax::logSoftmaxBackward);
  }

  private void rows(Sink into, Tensor x, Tensor other, Row computation) {
    int n = x.shape().dim(-1);
    if (x.shape().size() == 0) {
      return;
    }
    int rows = Math.toIntExact(x.shape().size() / n);
    int whole = Math.ceilDiv(n, LANES) * LANES;
    int group = Math.max(1, TASK / n);
    Tensor y = into.into();
    MemorySegment to = CpuDevice.bytes(y);
    MemorySegment from = CpuDevice.bytes(x);
    MemorySegment second = other == null ? from : CpuDevice.bytes(other);
    device
        .workers()
        .run(
            Math.ceilDiv(rows, group),
            (task, worker) -> {
              float[] row = device.scratch(worker, 0, whole);
              float[] beside = device.scratch(worker, 1, whole);
              for (int i = task * group; i < Math.min(rows, (task + 1) * group); i++) {
                long at = (long) i * n;
                Lanes.load(row, 0, from, x.dtype(), x.offset() + at, n);
                if (other != null) {
                  Lanes.load(beside, 0, second, other.dtype(), other.offset() + at, n);
                }
                computation.run(row, beside, n);
                Lanes.store(into.add(), to, y.dtype(), y.offset() + at, row, 0, n);
              }
            });
  }

  private static void softmax(float[] x, float[] unused, int n) {
    double sum = expAndSum(x, x, n, Lanes.max(x, 0, n));
    Lanes.scale(x, 0, (float) (1 / sum), n);
  }

  /** y = exp(x - max); returns the sum. Both arrays have room for the last vector. */
  private static double expAndSum(float[] y, float[] x, int n, float max) {
    int whole = Math.ceilDiv(n, LANES) * LANES;
    // One loop without a tail: C2 gives up inlining on two copies of an exponential.
    Arrays.fill(x, n, whole, Float.NEGATIVE_INFINITY);
    double sum = 0;
    for (int i = 0; i < whole; i += CHUNK) {
      sum += expAndSum(y, x, i, Math.min(whole, i + CHUNK), max);
    }
    return sum;
  }

  private static float expAndSum(float[] y, float[] x, int from, int to, float max) {
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    for (int i = from; i < to; i += LANES) {
      FloatVector e = Lanes.exp(FloatVector.fromArray(Lanes.SPECIES, x, i).sub(max));
      e.intoArray(y, i);
      sum = e.add(sum);
    }
    return Lanes.sum(sum);
  }

  private static void softmaxBackward(float[] dy, float[] y, int n) {
    double dot = 0;
    for (int i = 0; i < n; i += CHUNK) {
      dot += Lanes.dot(dy, i, y, i, Math.min(CHUNK, n - i));
    }
    float shift = (float) dot;
    for (int i = 0; i < n; i++) {
      dy[i] = (dy[i] - shift) * y[i];
    }
  }

  private static void logSoftmax(float[] x, float[] exponentials, int n) {
    float max = Lanes.max(x, 0, n);
    float logSum = Lanes.log((float) expAndSum(exponentials, x, n, max));
    for (int i = 0; i < n; i++) {
      x[i] = x[i] - max - logSum;
    }
  }

  private static void logSoftmaxBackward(float[] dy, float[] y, int n) {
    double sum = 0;
    for (int i = 0; i < n; i += CHUNK) {
      sum += Lanes.sum(dy, i, Math.min(CHUNK, n - i));
    }
    Lanes.exp(y, 0, n);
    Lanes.axpy(dy, 0, (float) -sum, y, 0, n);
  }
}
