package org.gatun.cuda.cudnn;

import static org.gatun.cuda.ElementType.BF16;
import static org.gatun.cuda.ElementType.F32;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Stream;
import org.gatun.cuda.cudnn.Sdpa.Problem;
import org.gatun.cuda.testing.DeviceArrays;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention over packed q, k, v against plain loops in double precision. */
@EmulatorTest
class SdpaRunTest {
  // Weights and their gradients are rounded to BF16 before they are multiplied, and so is the result: 2^-8 of it each at most.
  private static final double TOLERANCE = 2 * 0x1p-8;
  private static final long SEED = 7;

  private CudaContext context;
  private Cudnn cudnn;
  private Stream stream;
  private DeviceArrays arrays;

  @BeforeEach
  void open() {
    context = CudaContext.open(0);
    cudnn = Cudnn.open(context);
    stream = context.newStream();
    arrays = new DeviceArrays(context, stream);
  }

  @AfterEach
  void close() {
    context.close();
  }

  @ParameterizedTest
  @CsvSource({"2, 3, 40, 16, true, false", "2, 3, 40, 16, true, true", "1, 2, 33, 8, false, false",
    "1, 1, 128, 64, true, false"})
  void matchesLoopsForwardAndBackward(int batch, int heads, int time, int size, boolean causal, boolean deterministic) {
    Problem p = Problem.packed(batch, heads, time, size, BF16, causal, deterministic);
    int channels = heads * size;
    var random = new Random(SEED);
    float[] qkv = DeviceArrays.random(random, batch * time * 3 * channels, 1);
    float[] dO = DeviceArrays.random(random, batch * time * channels, 1);
    var expected = new AttentionLoops(p, qkv);

    DevicePtr packed = arrays.upload(BF16, qkv);
    DevicePtr o = arrays.allocate(BF16, dO.length);
    DevicePtr stats = arrays.scratch(p.statsBytes());
    try (Sdpa.Forward forward = Sdpa.forward(cudnn, p)) {
      forward.run(stream, packed, part(packed, 1, channels), part(packed, 2, channels), o, stats,
          arrays.scratch(forward.workspaceBytes()));
    }
    float[] roundedO = arrays.download(BF16, o);
    compare("o", expected.o, expected.oMagnitude, roundedO);
    float[] logSums = arrays.download(F32, stats);
    for (int i = 0; i < logSums.length; i++) {
      assertEquals(expected.stats[i], logSums[i], 0x1p-18, "stats " + i);
    }

    expected.backward(roundedO, dO);
    DevicePtr gradient = arrays.allocate(BF16, qkv.length);
    try (Sdpa.Backward backward = Sdpa.backward(cudnn, p)) {
      backward.run(stream, packed, part(packed, 1, channels), part(packed, 2, channels), o, stats,
          arrays.upload(BF16, dO), gradient, part(gradient, 1, channels), part(gradient, 2, channels),
          arrays.scratch(p.softmaxSumBytes()), arrays.scratch(p.dQSumBytes()),
          arrays.scratch(backward.workspaceBytes()));
    }
    compare("dQkv", expected.dQkv, expected.dQkvMagnitude, arrays.download(BF16, gradient));
  }

  @Test
  void refusesMemoryThatCannotHoldTheTensor() {
    Problem p = Problem.packed(1, 2, 32, 16, BF16, true, false);
    DevicePtr memory = arrays.allocate(BF16, 32 * 3 * 2 * 16);
    try (Sdpa.Forward forward = Sdpa.forward(cudnn, p)) {
      var small = assertThrows(IllegalArgumentException.class,
          () -> forward.run(stream, memory.slice(0, 100), memory, memory, memory, memory, null));
      assertTrue(small.getMessage().contains("tensor 1 BFLOAT16[1, 2, 32, 16]"), small.getMessage());
      var unaligned = assertThrows(IllegalArgumentException.class,
          () -> forward.run(stream, memory.slice(8, 6000), memory, memory, memory, memory, null));
      assertTrue(unaligned.getMessage().contains("at a multiple of 16"), unaligned.getMessage());
    }
  }

  private void compare(String what, double[] expected, double[] magnitude, float[] actual) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], TOLERANCE * magnitude[i] + 1e-5, what + " " + i + ", seed " + SEED);
    }
  }

  /** q, k or v inside the packed tensor. */
  private static DevicePtr part(DevicePtr packed, int part, int channels) {
    long offset = (long) part * channels * BF16.byteSize();
    return packed.slice(offset, packed.byteSize() - offset);
  }
}
