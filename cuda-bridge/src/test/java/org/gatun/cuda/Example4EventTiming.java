package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** How long the device takes, and one stream waiting for another. */
@EmulatorTest
class Example4EventTiming {
  private static final long BYTES = 16L << 20;

  @Test
  void workTakesTimeByTheDevicesClock() {
    try (var context = CudaContext.open(0);
        Stream stream = context.newStream();
        Event start = context.newTimedEvent();
        Event end = context.newTimedEvent();
        DeviceBlock block = context.allocate(BYTES)) {
      stream.record(start);
      for (int i = 0; i < 10; i++) {
        stream.fillBytes(block.pointer(), i);
      }
      stream.record(end);
      end.synchronize();
      assertTrue(start.isDone() && end.isDone());
      float milliseconds = end.millisecondsSince(start);
      assertTrue(milliseconds > 0 && milliseconds < 60_000, () -> milliseconds + " ms");
    }
  }

  @Test
  void oneStreamWaitsForAnother() {
    try (var context = CudaContext.open(0);
        Stream producer = context.newStream();
        Stream consumer = context.newStream();
        Event filled = context.newEvent();
        DeviceBlock block = context.allocate(BYTES);
        PinnedBlock host = context.allocatePinned(BYTES)) {
      producer.fillBytes(block.pointer(), 42);
      producer.record(filled);
      consumer.await(filled);
      consumer.download(host.segment(), block.pointer());
      consumer.synchronize();
      assertTrue(host.segment().asByteBuffer().get((int) BYTES - 1) == 42);
    }
  }

  @Test
  void eventForOrderAloneHasNoTime() {
    try (var context = CudaContext.open(0); Event event = context.newEvent(); Event timed = context.newTimedEvent()) {
      assertThrows(IllegalStateException.class, () -> event.millisecondsSince(timed));
      assertThrows(IllegalStateException.class, () -> timed.millisecondsSince(event));
    }
  }
}
