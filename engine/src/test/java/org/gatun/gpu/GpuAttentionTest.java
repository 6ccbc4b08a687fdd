package org.gatun.gpu;

import static org.gatun.gpu.Twins.assertSame;
import static org.gatun.gpu.Twins.sink;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.gatun.gpu.Twins.Pair;
import org.gatun.tensor.DType;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@OnCuda
class GpuAttentionTest {
  /** Weighted means of values of about one; gradients are sums of some dozens of products. */
  private static final double TERMS = 256;

  @ParameterizedTest
  @CsvSource({
    "F32,1,1,1,false,false,false", "F32,37,37,5,true,false,true", "F32,3,40,24,true,true,false",
    "F32,40,9,16,true,false,false", "BF16,33,70,8,false,true,true", "BF16,17,17,16,true,false,false",
    "BF16,20,20,16,true,false,true", "F32,9,5,140,true,false,false", "BF16,1,50,40,true,false,false"})
  void agreesWithTheCpu(
      DType type, int queries, int keys, int head, boolean causal, boolean masked, boolean add) {
    try (var twins = new Twins(7)) {
      Pair q = heads(twins, type, queries, head);
      Pair k = heads(twins, type, keys, head);
      Pair v = heads(twins, type, keys, head);
      Pair y = heads(twins, type, queries, head);
      Pair lse = twins.normal(DType.F32, 2, 3, queries);
      Pair mask = twins.normal(DType.F32, queries, keys).map(x -> x.expand(2, 3, queries, keys));
      float scale = (float) (1 / Math.sqrt(head));
      twins.run((kernels, on) -> kernels.attention().forward(on.apply(y), on.apply(lse), on.apply(q), on.apply(k),
          on.apply(v), masked ? on.apply(mask) : null, causal, scale));
      assertSame("lse", lse, 4 * TERMS);
      // cuDNN rounds probabilities to bf16 before they weigh the values, the CPU does not.
      double terms = type == DType.BF16 ? 0x1p16 : TERMS;
      assertSame("y", y, terms);
      Pair dy = heads(twins, type, queries, head);
      Pair dq = heads(twins, type, queries, head);
      Pair dk = heads(twins, type, keys, head);
      Pair dv = heads(twins, type, keys, head);
      twins.run((kernels, on) -> kernels.attention().backward(sink(on.apply(dq), add), sink(on.apply(dk), add),
          sink(on.apply(dv), add), on.apply(dy), on.apply(y), on.apply(lse), on.apply(q), on.apply(k), on.apply(v),
          masked ? on.apply(mask) : null, causal, scale));
      assertSame("dq", dq, 8 * terms);
      assertSame("dk", dk, 8 * terms);
      assertSame("dv", dv, 8 * terms);
    }
  }

  /** [B, NH, T, HS] packed as [B, T, NH, HS], as projections lie. */
  private static Pair heads(Twins twins, DType type, int time, int size) {
    return twins.normal(type, 2, time, 3, size).map(x -> x.transpose(1, 2));
  }

  @Test
  void aQueryThatSeesNoKeyGivesZeros() {
    try (var twins = new Twins(7)) {
      Pair q = heads(twins, DType.F32, 6, 8);
      Pair k = heads(twins, DType.F32, 2, 8);
      Pair y = heads(twins, DType.F32, 6, 8);
      Pair lse = twins.normal(DType.F32, 2, 3, 6);
      twins.run((kernels, on) -> kernels.attention().forward(on.apply(y), on.apply(lse), on.apply(q), on.apply(k),
          on.apply(k), null, true, 1f));
      assertEquals(Float.NEGATIVE_INFINITY, lse.cuda().toArray()[3]);
      assertArrayEquals(new float[8], y.cuda().slice(2, 3, 4).slice(1, 0, 1).slice(0, 0, 1).contiguous().toArray());
    }
  }

  @Test
  void headsLargerThanTheKernelsTakeAreRefused() {
    try (var twins = new Twins(7)) {
      Pair q = heads(twins, DType.F32, 2, 520);
      Pair lse = twins.normal(DType.F32, 2, 3, 2);
      var thrown = assertThrows(IllegalArgumentException.class, () -> q.cuda().kernels().attention()
          .forward(q.cuda(), lse.cuda(), q.cuda(), q.cuda(), q.cuda(), null, true, 1f));
      assertEquals("attention: heads of 520 elements are more than the 512 that the GPU's kernels take;"
          + " use more and smaller heads", thrown.getMessage());
    }
  }
}
