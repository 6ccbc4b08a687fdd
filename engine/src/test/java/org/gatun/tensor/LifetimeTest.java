package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.gatun.cpu.CpuDevice;
import org.gatun.optim.AdamW;
import org.junit.jupiter.api.Test;

/** Memory comes back, whoever forgets it, and does not grow from step to step. */
class LifetimeTest {
  @Test
  void closingTwiceDoesNothing() {
    try (var device = new CpuDevice(1)) {
      Scope scope = Scope.on(device);
      scope.full(1f, Shape.of(17));
      scope.close();
      long inUse = device.bytesInUse();
      scope.close();
      assertEquals(inUse, device.bytesInUse());
      assertEquals(0, inUse);
      var parameters = new Parameters(device, Precision.BF16);
      parameters.add("w", Initializer.constant(1f), 3);
      parameters.initialize(1);
      parameters.close();
      parameters.close();
      assertEquals(0, device.bytesInUse());
    }
  }

  @Test
  void modelThatIsNotTrainedHasNoGradients() {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      Parameter w = parameters.add("w", Initializer.constant(1f), 1024);
      parameters.initialize(1);
      assertEquals(4096, device.bytesInUse());
      try (var scope = Scope.on(device)) {
        scope.borrow(w.value()).exp();
      }
      assertEquals(4096, device.bytesInUse());
      assertEquals(0f, w.gradient().toArray()[0]);
      assertEquals(8192, device.bytesInUse());
    }
  }

  @Test
  void releasedTensorIsGoneAndItsMemoryUsedAgain() {
    try (var device = new CpuDevice(1); var scope = Scope.on(device)) {
      Tensor x = scope.full(1f, Shape.of(1000));
      Tensor view = x.reshape(10, 100);
      long reserved = device.bytesReserved();
      scope.release(view);
      assertEquals(1f, x.toArray()[0]);
      scope.release(x);
      scope.release(x);
      assertEquals(0, device.bytesInUse());
      assertThrows(IllegalStateException.class, view::toArray);
      scope.full(2f, Shape.of(1000));
      assertEquals(reserved, device.bytesReserved());
    }
  }

  @Test
  void forgottenScopesComeBack() throws InterruptedException {
    try (var device = new CpuDevice(1)) {
      for (int i = 0; i < 10; i++) {
        forget(device);
      }
      assertTrue(device.bytesInUse() > 0);
      long deadline = System.nanoTime() + 20_000_000_000L;
      while (device.bytesInUse() > 0 && System.nanoTime() < deadline) {
        System.gc();
        Thread.sleep(20);
      }
      assertEquals(0, device.bytesInUse());
    }
  }

  private static void forget(Device device) {
    Tape tape = Tape.on(device);
    tape.full(1f, Shape.of(100_000)).exp().sum().item();
  }

  @Test
  void tenThousandStepsTakeNoMoreMemoryThanTen() {
    try (var device = new CpuDevice(2); var parameters = new Parameters(device, Precision.F32)) {
      Parameter w1 = parameters.add("w1", Initializer.normal(0.3f), 16, 8);
      Parameter w2 = parameters.add("w2", Initializer.normal(0.3f), 5, 16);
      parameters.initialize(1);
      try (var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
        steps(10, device, w1, w2, adamw);
        long inUse = device.bytesInUse();
        long reserved = device.bytesReserved();
        steps(1990, device, w1, w2, adamw);
        long heap = usedHeap();
        steps(8000, device, w1, w2, adamw);
        assertEquals(inUse, device.bytesInUse());
        assertEquals(reserved, device.bytesReserved());
        long growth = usedHeap() - heap;
        // A leak of one small object a step would be 8000 times 16 bytes; profiles and code caches vary by less.
        assertTrue(growth < 100_000, "the heap grew by " + growth + " bytes");
      }
    }
  }

  private static void steps(int count, Device device, Parameter w1, Parameter w2, AdamW adamw) {
    var targets = new int[]{0, 4, 2, 1};
    for (int i = 0; i < count; i++) {
      try (var tape = Tape.on(device, i)) {
        Tensor x = tape.full(0.5f, Shape.of(4, 8)).dropout(0.1f, tape.nextSeed());
        Tensor logits = x.linear(w1.value(), null).tanh().linear(w2.value(), null);
        tape.backward(logits.crossEntropy(tape.tensor(targets, Shape.of(4))));
        adamw.step(1e-3f);
      }
    }
  }

  private static long usedHeap() {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 5; i++) {
      System.gc();
      Runtime runtime = Runtime.getRuntime();
      least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
    }
    return least;
  }
}
