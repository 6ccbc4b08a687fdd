package org.gatun.cuda.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cuda.ElementType;
import org.gatun.cuda.cudnn.Sdpa.Problem;
import org.gatun.cuda.cudnn.Sdpa.Strides;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SdpaTest {
  private static final Strides PACKED = new Strides(128 * 3 * 64, 32, 3 * 64);

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
    "2 | 1024 | 1024 | 64 | F32 | true | queries, keys and values must be BF16, not F32",
    "0 | 1024 | 1024 | 64 | BF16 | true | there must be a batch and heads, not 0 and 2",
    "2 | 1024 | 1024 | 60 | BF16 | true | the head size must be a multiple of 8 up to 256, not 60",
    "2 | 1024 | 1024 | 264 | BF16 | true | the head size must be a multiple of 8 up to 256, not 264",
    "2 | 1 | 128 | 64 | BF16 | false | there must be at least 16 queries and keys, not 1 and 128",
    "2 | 128 | 256 | 64 | BF16 | true | causal attention must have as many queries as keys, not 128 and 256",
    "2 | 128 | 192 | 64 | BF16 | false | without a causal mask the keys must not leave 64 when divided by 128"})
  void refusesWhatCudnnCannotDo(long batch, long queries, long keys, long headSize, ElementType type, boolean causal,
      String reason) {
    var strides = new Strides(1 << 20, headSize, 3 * 2 * headSize);
    var problem =
        new Problem(batch, 2, queries, keys, headSize, type, causal, 1, strides, strides, strides, strides, false);
    String said = Sdpa.whyNotSupported(problem).orElseThrow();
    assertTrue(said.startsWith("attention by cuDNN: " + reason), said);
  }

  @ParameterizedTest
  @CsvSource({"24576, 32, 191", "24576, 31, 192", "24575, 32, 192", "24576, 16, 192", "24576, 32, 40", "1024, 32, 192",
    "0, 32, 192"})
  void refusesStridesThatAreUnevenOrOverlap(long batch, long head, long time) {
    String said = Sdpa.whyNotSupported(problem(new Strides(batch, head, time))).orElseThrow();
    assertTrue(said.startsWith("attention by cuDNN: the strides of the keys must be multiples of 8 elements"), said);
  }

  @Test
  void takesPackedStridesAndHeadsOneAfterTheOther() {
    // Whether the library is there is another matter, and the last that is looked at.
    assertTrue(Sdpa.whyNotSupported(problem(PACKED)).stream().noneMatch(reason -> reason.contains("strides")));
    var headsFirst = new Strides(2 * 128 * 32, 128 * 32, 32);
    assertTrue(Sdpa.whyNotSupported(problem(headsFirst)).stream().noneMatch(reason -> reason.contains("strides")));
  }

  @Test
  void refusesUnevenLengthsOfReleasesThatMaskThemWrongly() {
    Problem uneven = Problem.packed(1, 2, 77, 64, ElementType.BF16, true, false);
    assertTrue(SdpaRules.brokenVersion(uneven, 91500).orElseThrow().startsWith("cuDNN 9.15.0 needs lengths"));
    assertTrue(SdpaRules.brokenVersion(uneven, 91501).isEmpty());
    assertTrue(SdpaRules.brokenVersion(Problem.packed(1, 2, 128, 64, ElementType.BF16, true, false), 90800).isEmpty());
  }

  @ParameterizedTest
  @CsvSource({"90700, false", "90800, true", "91000, false", "91001, false", "91002, true", "92400, true",
    "100000, false"})
  void refusesReleasesByName(long version, boolean usable) {
    assertEquals(usable, Cudnn.whyNot(version).isEmpty());
    Cudnn.whyNot(version).ifPresent(reason -> assertTrue(
        reason.startsWith("cuDNN " + Cudnn.version(version)) && reason.contains("pip install nvidia-cudnn"), reason));
  }

  @Test
  void countsBytesOfWhatTheCallerKeeps() {
    Problem problem = Problem.packed(8, 12, 1024, 64, ElementType.BF16, true, false);
    assertEquals(393_216, problem.statsBytes());
    assertEquals(25_165_824, problem.dQSumBytes());
    assertEquals(0.125f, problem.scale());
  }

  private static Problem problem(Strides k) {
    return new Problem(2, 2, 128, 128, 32, ElementType.BF16, true, 1, PACKED, k, PACKED, PACKED, false);
  }
}
