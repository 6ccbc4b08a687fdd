package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.List;
import org.gatun.cuda.ffi.NativeFunction;
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

  @Test
  void missingFunctionIsNamed() {
    NativeLibrary math = NativeLibrary.open("libm.so.6");
    assertTrue(math.has("cos"));
    assertFalse(math.has("gatun"));
    NativeFunction missing = math.status("gatun", JAVA_LONG, JAVA_INT);
    var refused = assertThrows(UnsupportedOperationException.class, () -> missing.call(1L, 2));
    assertEquals("libm.so.6 has no function gatun; a newer version of it is needed", refused.getMessage());
  }

  @Test
  void machineWithoutCudaSaysSoAtEachDoor() {
    assumeFalse(Cuda.isAvailable(), "this machine has a GPU");
    assertEquals(0, Cuda.deviceCount());
    assertEquals(List.of(), Cuda.gpus());
    var refused = assertThrows(UnsupportedOperationException.class, () -> CudaContext.open(0));
    assertEquals(Cuda.whyNot().orElseThrow(), refused.getMessage());
  }

  @Test
  void driverIsThereOrItIsToldWhatWasTriedAndWhereToGetIt() {
    LibraryStatus driver = Cuda.libraries().getFirst();
    assertEquals("the NVIDIA driver", driver.library());
    assertFalse(driver.remedy().isBlank());
    assertEquals(driver.isUsable(), Cuda.driverVersion() > 0);
    if (!driver.isUsable()) {
      assertFalse(driver.tried().isEmpty());
      assertTrue(Cuda.whyNot().orElseThrow().endsWith(driver.remedy()), Cuda.whyNot()::toString);
    }
  }
}
