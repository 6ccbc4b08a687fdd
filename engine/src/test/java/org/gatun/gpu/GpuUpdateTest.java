package org.gatun.gpu;

import static org.gatun.gpu.Twins.assertSame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.gatun.gpu.Twins.Pair;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Update.AdamW;
import org.gatun.tensor.Kernels.Update.Range;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@OnCuda
class GpuUpdateTest {
  private static final int SIZE = 9_001; // three blocks and a tail of one element

  /** Ranges that begin off 16 bytes, that leave something out, that are empty, that end with the buffer. */
  private static final List<Range> RANGES =
      List.of(new Range(0, 16, 0.1f), new Range(19, 5_000, 0), new Range(5_000, 5_000, 0),
          new Range(5_000, SIZE, 0.1f));

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void adamwAgreesWithTheCpu(DType type) {
    try (var twins = new Twins(7)) {
      Pair master = twins.normal(DType.F32, SIZE);
      Pair value = type == DType.F32 ? master : twins.normal(type, SIZE);
      Pair gradient = twins.normal(DType.F32, SIZE);
      Pair m = twins.normal(DType.F32, SIZE);
      Pair v = twins.values(DType.F32, squares(SIZE), SIZE);
      Pair scale = twins.values(DType.F32, new float[]{0.25f});
      Pair schedule = twins.values(DType.F32, new float[]{1e-2f, 0.19f, 0.0975f}, 3);
      for (int step = 0; step < 2; step++) {
        twins.run((kernels, on) -> kernels.update().adamw(on.apply(value), on.apply(master), on.apply(gradient),
            on.apply(m), on.apply(v), on.apply(scale), on.apply(schedule), new AdamW(0.9f, 0.95f, 1e-8f), RANGES));
      }
      assertSame("master", master, 16);
      assertSame("value", value, 16);
      assertSame("m", m, 4);
      assertSame("v", v, 4);
    }
  }

  private static float[] squares(int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (1 + i % 17) / 8f;
    }
    return values;
  }

  @ParameterizedTest
  @CsvSource({"F32,0", "BF16,0.9"})
  void sgdAgreesWithTheCpu(DType type, float momentum) {
    try (var twins = new Twins(7)) {
      Pair master = twins.normal(DType.F32, SIZE);
      Pair value = type == DType.F32 ? master : twins.normal(type, SIZE);
      Pair gradient = twins.normal(DType.F32, SIZE);
      Pair velocity = twins.normal(DType.F32, SIZE);
      Pair scale = twins.values(DType.F32, new float[]{0.25f});
      twins.run((kernels, on) -> kernels.update().sgd(on.apply(value), on.apply(master), on.apply(gradient),
          momentum == 0 ? null : on.apply(velocity), on.apply(scale), 0.5f, momentum, RANGES));
      assertSame("master", master, 8);
      assertSame("value", value, 8);
      assertSame("velocity", velocity, 8);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 4096, SIZE})
  void normIsTheRootOfTheSumOfSquares(int size) {
    try (var twins = new Twins(7)) {
      Pair x = twins.normal(DType.F32, size);
      Pair norm = twins.normal(DType.F32);
      twins.run((kernels, on) -> kernels.update().norm(on.apply(norm), on.apply(x)));
      // Both sum in double: the results can differ where the rounding to F32 turns, and do not here.
      assertArrayEquals(norm.cpu().toArray(), norm.cuda().toArray());
    }
  }
}
