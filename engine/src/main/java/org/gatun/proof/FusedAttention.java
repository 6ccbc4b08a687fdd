package org.gatun.proof;

import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Checks.Size;
import org.gatun.tensor.DType;
import org.gatun.tensor.Device;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** Causal attention in one kernel beside softmax(q kᵀ / √HS + mask) v by matrix products, which holds all scores. */
final class FusedAttention {
  /** Results stored on the way: weights and result, the gradients of scores and of inputs. */
  private static final int STORED = 4;

  private FusedAttention() {}

  static double compare(Device device, Precision precision, Size size) {
    try (var processor = new CpuDevice()) {
      List<float[]> expected = Comparison.results(processor, precision, (tape, x) -> byProducts(tape, x[0], size),
          packed(size));
      return Comparison.worst(results(device, precision, size), expected, tolerance(precision, size), size.headSize());
    }
  }

  /** A gradient is a sum over tokens of sums over a head of weights that were divided by a sum over tokens: three of each. */
  private static double tolerance(Precision precision, Size size) {
    return Comparison.tolerance(precision, 3 * (size.time() + size.headSize()), STORED);
  }

  static List<float[]> results(Device device, Precision precision, Size size) {
    return Comparison.results(device, precision, (_, x) -> x[0].causalAttention(size.heads()), packed(size));
  }

  private static int[] packed(Size size) {
    return new int[]{size.batch(), size.time(), 3 * size.channels()};
  }

  /** In F32 whatever the inputs are. */
  private static Tensor byProducts(Tape tape, Tensor qkv, Size size) {
    List<Tensor> parts = qkv.cast(DType.F32).split(2, size.channels(), size.channels(), size.channels()).stream()
        .map(part -> part.reshape(size.batch(), size.time(), size.heads(), size.headSize()).transpose(1, 2)).toList();
    Tensor scores = parts.get(0).matmul(parts.get(1).transpose(2, 3)).times((float) (1 / Math.sqrt(size.headSize())));
    Tensor seen = scores.plus(tape.tensor(mask(size.time()), Shape.of(size.time(), size.time())));
    return seen.softmax().matmul(parts.get(2)).transpose(1, 2).reshape(size.batch(), size.time(), size.channels());
  }

  private static float[] mask(int time) {
    var mask = new float[time * time];
    for (int query = 0; query < time; query++) {
      for (int key = query + 1; key < time; key++) {
        mask[query * time + key] = Float.NEGATIVE_INFINITY;
      }
    }
    return mask;
  }
}
