package org.gatun.cuda.nvml;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class NvmlTest {
  @Test
  void bitsBecomeReasons() {
    assertEquals(List.of(), Nvml.reasons(0));
    assertEquals(List.of(), Nvml.reasons(0x1), "an idle card is not held down");
    assertEquals(List.of("power cap", "hardware thermal slowdown"), Nvml.reasons(0x44));
  }

  @Test
  void libraryIsThereUnlessThereIsAReason() {
    assertEquals(Nvml.status().isUsable(), Nvml.load().isPresent());
  }
}
