package org.gatun.cuda;

import static org.gatun.cuda.ElementType.BF16;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.gatun.cuda.cudnn.Cudnn;
import org.gatun.cuda.cudnn.Sdpa;
import org.gatun.cuda.testing.DeviceArrays;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** Causal attention in place on the packed projection [B, T, 3, NH, HS], as GPT-2 has it. */
@EmulatorTest
class Example6Attention {
  private static final int TIME = 32;
  private static final int HEADS = 2;
  private static final int HEAD_SIZE = 16;
  private static final int CHANNELS = HEADS * HEAD_SIZE;

  @Test
  void causalAttention() {
    float[] qkv = DeviceArrays.random(new Random(1), TIME * 3 * CHANNELS, 1);
    var problem = Sdpa.Problem.packed(1, HEADS, TIME, HEAD_SIZE, BF16, true, false);
    float[] o;
    try (CudaContext context = CudaContext.open(0);
        Stream stream = context.newStream();
        var arrays = new DeviceArrays(context, stream);
        Cudnn cudnn = Cudnn.open(context);
        Sdpa.Forward attention = Sdpa.forward(cudnn, problem)) {
      DevicePtr packed = arrays.upload(BF16, qkv);
      DevicePtr result = arrays.allocate(BF16, TIME * CHANNELS);
      attention.run(stream, packed, from(packed, CHANNELS), from(packed, 2 * CHANNELS), result,
          arrays.scratch(problem.statsBytes()), arrays.scratch(attention.workspaceBytes()));
      o = arrays.download(BF16, result);
    }

    for (int head = 0; head < HEADS; head++) {
      for (int t = 0; t < TIME; t++) {
        double sum = 0;
        double[] expected = new double[HEAD_SIZE];
        for (int s = 0; s <= t; s++) {
          double score = 0;
          for (int i = 0; i < HEAD_SIZE; i++) {
            score += (double) qkv[at(t, 0, head) + i] * qkv[at(s, 1, head) + i];
          }
          double weight = Math.exp(score / Math.sqrt(HEAD_SIZE));
          sum += weight;
          for (int i = 0; i < HEAD_SIZE; i++) {
            expected[i] += weight * qkv[at(s, 2, head) + i];
          }
        }
        for (int i = 0; i < HEAD_SIZE; i++) {
          // Weights, of which the sum is 1, and the result are rounded by 2^-8 of them at most; values stay below 4.
          assertEquals(expected[i] / sum, o[t * CHANNELS + head * HEAD_SIZE + i], 2 * 0x1p-8 * 4);
        }
      }
    }
  }

  private static DevicePtr from(DevicePtr packed, int element) {
    long offset = (long) element * BF16.byteSize();
    return packed.slice(offset, packed.byteSize() - offset);
  }

  private static int at(int t, int part, int head) {
    return (t * 3 + part) * CHANNELS + head * HEAD_SIZE;
  }
}
