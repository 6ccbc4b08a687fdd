package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.gatun.cpu.CpuDevice;
import org.junit.jupiter.api.Test;

class PeakMeterTest {
  @Test
  void fewSlowTrialsBeforeCodeIsCompiledAreNotTheBest() {
    var trials = new AtomicInteger();
    try (var device = new CpuDevice(1)) {
      double milliseconds = PeakMeter.best(
          device, () -> LockSupport.parkNanos(trials.incrementAndGet() <= 4 ? 200_000_000 : 1_000_000));
      assertTrue(milliseconds < 100, milliseconds + " ms");
    }
  }
}
