package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cuda.ffi.NativeLibrary;
import org.junit.jupiter.api.Test;

class CudaTest {
  @Test
  void isAvailableUnlessThereIsAReason() {
    assertEquals(Cuda.isAvailable(), Cuda.whyNot().isEmpty());
    Cuda.whyNot().ifPresent(reason -> assertTrue(reason.startsWith("no CUDA: "), reason));
  }

  @Test
  void missingLibraryIsReportedInTheLoadersWords() {
    var refused = assertThrows(
        UnsupportedOperationException.class, () -> NativeLibrary.open("libgatun-has-no-such-library.so"));
    String loader = "cannot load libgatun-has-no-such-library.so: ";
    assertTrue(refused.getMessage().startsWith(loader), refused.getMessage());
    assertTrue(refused.getMessage().length() > loader.length(), refused.getMessage());
  }
}
