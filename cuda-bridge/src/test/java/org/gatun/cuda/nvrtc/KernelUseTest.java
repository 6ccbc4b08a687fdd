package org.gatun.cuda.nvrtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class KernelUseTest {
  private static final String REPORT = """
      ptxas info    : 0 bytes gmem
      ptxas info    : Compiling entry function 'sum' for 'sm_90'
      ptxas info    : Function properties for sum
          0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
      ptxas info    : Used 32 registers, used 1 barriers, 128 bytes smem
      ptxas info    : Compiling entry function 'wide' for 'sm_90'
      ptxas info    : Function properties for wide
          256 bytes stack frame, 240 bytes spill stores, 248 bytes spill loads
      ptxas info    : Used 255 registers, used 0 barriers, 256 bytes cumulative stack size
      """;

  @Test
  void reportBecomesOneRowAKernel() {
    List<KernelUse> uses = KernelUse.parse(REPORT);
    assertEquals(List.of(new KernelUse("sum", 32, 0, 0, 0, 128), new KernelUse("wide", 255, 256, 240, 248, 0)), uses);
    assertFalse(uses.getFirst().spills());
    assertTrue(uses.getLast().spills());
  }

  @Test
  void warningsAreNoKernels() {
    assertEquals(List.of(),
        KernelUse.parse("sum.cu(3): warning #177-D: variable \"x\" was declared but never referenced"));
  }
}
