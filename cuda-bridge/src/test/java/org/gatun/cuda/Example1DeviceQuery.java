package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** Which devices are there, and what they are. */
@EmulatorTest
class Example1DeviceQuery {
  @Test
  void eachDeviceSaysWhatItIs() {
    assertTrue(Cuda.isAvailable(), Cuda.whyNot()::toString);
    assertTrue(Cuda.driverVersion() >= 12000);
    assertEquals(Cuda.deviceCount(), Cuda.gpus().size());
    for (GpuProperties gpu : Cuda.gpus()) {
      assertFalse(gpu.name().isBlank());
      assertTrue(gpu.computeCapability() >= 50, gpu::toString);
      assertTrue(gpu.busId().matches("[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\\.0"), gpu::busId);
    }
  }

  @Test
  void openDeviceKnowsItsMemory() {
    try (var context = CudaContext.open(0)) {
      assertEquals(Cuda.gpus().getFirst(), context.properties());
      assertTrue(context.multiprocessors() > 0);
      assertTrue(context.sharedMemoryPerBlockOptin() >= 48 << 10);
      assertTrue(context.freeMemory() > 0 && context.freeMemory() <= context.totalMemory());
    }
  }

  @Test
  void deviceThatIsNotThereIsRefusedWithThoseThatAre() {
    int count = Cuda.deviceCount();
    var refused = assertThrows(IllegalArgumentException.class, () -> CudaContext.open(count));
    assertTrue(refused.getMessage().endsWith("expected 0 to " + (count - 1)), refused.getMessage());
  }
}
