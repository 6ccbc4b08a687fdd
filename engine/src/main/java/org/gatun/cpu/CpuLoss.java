package org.gatun.cpu;

import static org.gatun.cpu.CpuDevice.bytes;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Softmax and cross-entropy in one, a row of logits at a time and a piece of a row in the
 * first-level cache at a time, so that the logits are read from memory once in each direction.
 */
final class CpuLoss implements Kernels.Loss {
  /** Logits brought into an array together: 8 KiB. */
  private static final int PIECE = 2048;

  /** Logits a task takes on, so that small vocabularies are not a task a row. */
  private static final int TASK = 16_384;

  private final CpuDevice device;

  CpuLoss(CpuDevice device) {
    this.device = device;
  }

  @Override
  public void crossEntropy(
      Tensor losses, Tensor lse, Tensor count, Tensor logits, Tensor targets, int classes,
      int ignored) {
    float counted = countTargets(targets, classes, ignored);
    forEachRow(
        logits,
        (n, piece) -> {
          float logSumExp = logSumExp(logits, n, classes, piece);
          Lanes.set(bytes(lse), DType.F32, lse.offset() + n, logSumExp);
          int target = target(targets, n);
          float loss = target == ignored ? 0 : logSumExp - logit(logits, n, target);
          Lanes.set(bytes(losses), losses.dtype(), losses.offset() + n, loss);
        });
    Lanes.set(bytes(count), DType.F32, count.offset(), counted);
  }

  @Override
  public void crossEntropyBackward(
      Sink dlogits, Tensor dloss, Tensor count, Tensor logits, Tensor lse, Tensor targets,
      int classes,
      int ignored) {
    countTargets(targets, classes, ignored);
    float dy = Lanes.get(bytes(dloss), DType.F32, dloss.offset())
        / Lanes.get(bytes(count), DType.F32, count.offset());
    forEachRow(
        logits,
        (n, piece) -> {
          int target = target(targets, n);
          if (target != ignored) {
            float shift = Lanes.get(bytes(lse), DType.F32, lse.offset() + n);
            differentiate(dlogits, logits, n, classes, target, shift, dy, piece);
            clear(dlogits, n, classes, piece);
          } else {
            clear(dlogits, n, 0, piece);
          }
        });
  }

  private interface Row {
    void run(int n, float[] piece);
  }

  private void forEachRow(Tensor logits, Row row) {
    int rows = logits.shape().rows();
    int rowsPerTask = Math.max(1, TASK / Math.max(1, logits.shape().dim(-1)));
    device.workers().run(
        (rows + rowsPerTask - 1) / rowsPerTask,
        (task, worker) -> {
          float[] piece = device.scratch(worker, 0, PIECE);
          int end = Math.min(rows, (task + 1) * rowsPerTask);
          for (int n = task * rowsPerTask; n < end; n++) {
            row.run(n, piece);
          }
        });
  }

  private static float logSumExp(Tensor logits, int n, int classes, float[] piece) {
    float max = Float.NEGATIVE_INFINITY;
    double sum = 0;
    for (int from = 0; from < classes; from += PIECE) {
      int size = Math.min(PIECE, classes - from);
      load(piece, logits, n, from, size);
      float raised = Math.max(max, SoftmaxLanes.max(piece, size));
      // Minus infinity less itself would be NaN: as long as nothing else was seen, nothing is taken off.
      if (raised != Float.NEGATIVE_INFINITY) {
        sum = sum * Math.exp(max - raised) + SoftmaxLanes.expAndSum(piece, 0, size, raised);
        max = raised;
      } else {
        sum += SoftmaxLanes.expAndSum(piece, 0, size, 0); // nothing, or NaN
      }
    }
    return (float) (max + Math.log(sum));
  }

  private static void differentiate(
      Sink dlogits, Tensor logits, int n, int classes, int target, float lse, float dy,
      float[] piece) {
    for (int from = 0; from < classes; from += PIECE) {
      int size = Math.min(PIECE, classes - from);
      load(piece, logits, n, from, size);
      SoftmaxLanes.expAndScale(piece, 0, size, lse, dy);
      if (target >= from && target < from + size) {
        piece[target - from] -= dy;
      }
      store(dlogits, n, from, piece, size);
    }
  }

  /** A gradient of zero from a column on: nothing to do where it would be added. */
  private static void clear(Sink dlogits, int n, int from, float[] piece) {
    if (dlogits.add()) {
      return;
    }
    int columns = dlogits.into().shape().dim(-1);
    Arrays.fill(piece, 0, Math.clamp(columns - from, 0, PIECE), 0);
    for (int at = from; at < columns; at += PIECE) {
      store(dlogits, n, at, piece, Math.min(PIECE, columns - at));
    }
  }

  /** The number of targets not ignored. */
  private static int countTargets(Tensor targets, int classes, int ignored) {
    int counted = 0;
    int rows = (int) targets.shape().size();
    for (int n = 0; n < rows; n++) {
      int target = target(targets, n);
      if (target != ignored) {
        if (target < 0 || target >= classes) {
          throw new IllegalArgumentException("crossEntropy: target " + target + " at position " + n
              + " is outside of " + classes + " classes");
        }
        counted++;
      }
    }
    return counted;
  }

  private static int target(Tensor targets, int n) {
    return bytes(targets).getAtIndex(ValueLayout.JAVA_INT, targets.offset() + n);
  }

  private static float logit(Tensor logits, int n, int column) {
    return Lanes.get(bytes(logits), logits.dtype(), element(logits, n, column));
  }

  private static void load(float[] piece, Tensor logits, int n, int from, int size) {
    Lanes.load(piece, 0, bytes(logits), logits.dtype(), element(logits, n, from), size);
  }

  private static void store(Sink sink, int n, int from, float[] piece, int size) {
    Tensor into = sink.into();
    MemorySegment target = bytes(into);
    Lanes.store(sink.add(), target, into.dtype(), element(into, n, from), piece, 0, size);
  }

  private static long element(Tensor x, int n, int column) {
    return x.offset() + (long) n * x.shape().dim(-1) + column;
  }
}
