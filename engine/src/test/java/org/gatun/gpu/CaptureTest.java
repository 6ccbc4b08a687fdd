package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.gatun.tensor.Device.Captured;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.CudaDevices;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Work that is recorded once and run again, and what must not be done meanwhile. */
@OnCuda
class CaptureTest {
  private final CudaDevice device = CudaDevices.open();
  private final Scope scope = Scope.on(device);
  private final Tensor x = scope.tensor(new float[]{1, 2, 3, 4, 5}, Shape.of(5));
  private final Tensor y = scope.full(0, Shape.of(5));

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  /** y = (x + x) tanh(x), by way of temporaries. */
  private void work() {
    try (var step = Scope.on(device)) {
      Tensor input = step.borrow(x);
      Tensor result = input.plus(input).times(input.tanh());
      device.kernels().pointwise().copy(Sink.of(y), result);
    }
  }

  private void overwrite(float... values) {
    device.upload(x, MemorySegment.ofArray(values));
  }

  private static void assertRefused(String start, String end, Runnable call) {
    String message = assertThrows(IllegalStateException.class, call::run).getMessage();
    assertTrue(message.startsWith(start) && message.endsWith(end), message);
  }

  @Test
  void runsAgainOnWhatTheTensorsHold() {
    work();
    float[] first = y.toArray();
    try (Captured captured = device.capture(this::work)) {
      overwrite(-1, 0.5f, 7, 0, 2);
      assertArrayEquals(first, y.toArray(), "nothing is done by capturing");
      captured.run();
      float[] replayed = y.toArray();
      work();
      assertArrayEquals(y.toArray(), replayed);
      overwrite(1, 2, 3, 4, 5);
      captured.run();
      captured.run();
      assertArrayEquals(first, y.toArray());
    }
  }

  @Test
  void capturedWorkKeepsItsMemoryUntilClosed() {
    work();
    long reserved = device.bytesReserved();
    try (Captured captured = device.capture(this::work)) {
      // Blocks of the captured work are not handed to anybody else, who would be overwritten by its runs.
      Tensor other = scope.full(42, Shape.of(5));
      Tensor another = scope.full(43, Shape.of(5));
      captured.run();
      assertEquals(42, other.toArray()[0]);
      assertEquals(43, another.toArray()[4]);
      assertTrue(device.bytesReserved() > reserved, "the others' blocks are new");
    }
    long after = device.bytesReserved();
    work();
    assertEquals(after, device.bytesReserved());
  }

  @Test
  void resultsOfCapturedWorkMayBeLeftBehind() {
    scope.release(x.times(2f));
    Tensor[] left = new Tensor[1];
    try (Captured captured = device.capture(() -> left[0] = x.times(2f))) {
      captured.run();
      assertArrayEquals(new float[]{2, 4, 6, 8, 10}, left[0].toArray());
      overwrite(0, 0, 1, 0, 0);
      captured.run();
      assertArrayEquals(new float[]{0, 0, 2, 0, 0}, left[0].toArray());
    }
    scope.release(left[0]);
  }

  @Test
  void readingIsRefused() {
    work();
    assertRefused("download while work is captured, when the device computes nothing;", " read tensors after its run()",
        () -> device.capture(() -> x.toArray()));
    assertRefused("upload while work is captured, when the device computes nothing;",
        " overwrite the tensors it reads before each run()", () -> device.capture(() -> overwrite(1, 1, 1, 1, 1)));
    work();
    assertEquals(5, y.shape().size(), "the device goes on");
    assertEquals(10 * Math.tanh(5), y.toArray()[4], 1e-5);
  }

  @Test
  void whatWasNotRunBeforeIsRefused() {
    assertRefused("capture: ", "; run the same work once before it is captured", () -> device.capture(this::work));
    work();
    assertRefused("capture: no block of 4.0 KiB is free, and none can be made while work is captured;",
        " run the same work once before it is captured", () -> device.capture(() -> device.take(4000)));
    assertRefused("capture: the kernels of formula.cu are not loaded, and cannot be while work is captured;",
        " run the same work once before it is captured",
        () -> device.capture(() -> device.kernels().pointwise()
            .map(Sink.of(y), Formula.operand(0).plus(41.5), List.of(x))));
    work();
    assertEquals(10 * Math.tanh(5), y.toArray()[4], 1e-5);
  }

  @Test
  void capturesDoNotNest() {
    assertRefused("capture while work is captured", " capture its parts one after the other",
        () -> device.capture(() -> device.capture(this::work)));
  }

  @Test
  void closedWorkIsNotRun() {
    work();
    Captured captured = device.capture(this::work);
    captured.close();
    captured.close();
    assertRefused("run: this captured work is closed", "capture it again", captured::run);
  }

  @Test
  void failureInsideIsRethrownAndEndsTheCapture() {
    work();
    var failure = new UnsupportedOperationException("of the work");
    assertEquals(failure, assertThrows(UnsupportedOperationException.class, () -> device.capture(() -> {
      work();
      throw failure;
    })));
    try (Captured captured = device.capture(this::work)) {
      captured.run();
      assertEquals(10 * Math.tanh(5), y.toArray()[4], 1e-5);
    }
  }
}
