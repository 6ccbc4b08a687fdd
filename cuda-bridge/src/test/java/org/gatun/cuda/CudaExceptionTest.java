package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class CudaExceptionTest {
  @Test
  void saysCallArgumentsStatusAndMeaning() {
    String call = CudaException.describe("cuMemFreeAsync", 0x7f0000000000L, 5_000_000_000L, -1);
    assertEquals("cuMemFreeAsync(0x7f0000000000, 5000000000, -1)", call);
    var failure = new CudaException(call, 1, "CUDA_ERROR_INVALID_VALUE", "invalid argument");
    assertEquals(call + " failed: CUDA_ERROR_INVALID_VALUE (1), invalid argument", failure.getMessage());
    assertEquals(1, failure.status());
    assertEquals("CUDA_ERROR_INVALID_VALUE", failure.statusName());
    assertEquals(call, failure.call());
  }

  @Test
  void noMeaningLeavesNoComma() {
    assertEquals("f() failed: X (9)", new CudaException("f()", 9, "X", "").getMessage());
  }
}
