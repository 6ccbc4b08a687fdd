package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import org.gatun.cuda.OutOfDeviceMemoryException;
import org.gatun.tensor.DType;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.CudaDevices;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@OnCuda
class CudaDeviceTest {
  private final CudaDevice device = CudaDevices.open();

  @AfterEach
  void close() {
    device.close();
  }

  private static void assertRefused(String message, Runnable call) {
    var refusal = assertThrows(IllegalStateException.class, call::run);
    assertEquals(message, refusal.getMessage());
  }

  @ParameterizedTest
  // One element, a piece of a staging block, a whole one, and more than all of them together.
  @ValueSource(ints = {1, 1000, 1 << 20, (2 << 20) + 1, (3 << 20) + 77})
  void elementsComeBackAsTheyWentIn(int size) {
    try (var scope = Scope.on(device)) {
      Tensor x = scope.allocate(Shape.of(size), DType.F32);
      float[] values = new float[size];
      for (int i = 0; i < size; i++) {
        values[i] = i;
      }
      float[] sent = values.clone();
      device.upload(x, MemorySegment.ofArray(sent));
      Arrays.fill(sent, -1);
      float[] back = new float[size];
      device.download(MemorySegment.ofArray(back), x);
      assertArrayEquals(values, back);
    }
  }

  @Test
  void wrongNumberOfBytesIsRefused() {
    try (var scope = Scope.on(device)) {
      Tensor x = scope.allocate(Shape.of(2, 3), DType.F32);
      var refusal = assertThrows(IllegalArgumentException.class,
          () -> device.upload(x, MemorySegment.ofArray(new float[5])));
      assertEquals("upload: 20 bytes, but F32[2, 3] has 24", refusal.getMessage());
      refusal = assertThrows(IllegalArgumentException.class,
          () -> device.download(MemorySegment.ofArray(new float[6]), x.transpose(0, 1)));
      assertEquals("download: 24 bytes, but F32[3, 2] has 24 and is not contiguous; copy it with contiguous()",
          refusal.getMessage());
    }
  }

  @Test
  void useAfterCloseIsRefused() {
    device.close();
    device.close();
    assertRefused("this CudaDevice is closed; use it before, or make another", device::kernels);
    assertRefused("this CudaDevice is closed; use it before, or make another", () -> device.take(1));
    assertRefused("this CudaDevice is closed; use it before, or make another", () -> device.capture(() -> {}));
    device.give(new Memory.OnDevice(1, 512));
  }

  @Test
  void anotherThreadIsRefused() throws InterruptedException {
    var refusal = new AtomicReference<Throwable>();
    var thread = Thread.ofPlatform().name("loader").start(() -> {
      try {
        device.kernels();
      } catch (IllegalStateException e) {
        refusal.set(e);
      }
    });
    thread.join();
    assertInstanceOf(IllegalStateException.class, refusal.get());
    assertEquals("this CudaDevice is driven by the thread that made it, \"" + Thread.currentThread().getName()
        + "\", not by \"loader\"; hand the work to that one, or make a device there", refusal.get().getMessage());
  }

  @Test
  void addressesRepeatFromStepToStep() {
    long[] first = step();
    assertArrayEquals(first, step());
    assertArrayEquals(first, step());
    assertEquals(0, device.bytesInUse());
    assertEquals(512 + 1024 + 512, device.bytesReserved());
  }

  private long[] step() {
    Memory.OnDevice a = (Memory.OnDevice) device.take(100);
    Memory.OnDevice b = (Memory.OnDevice) device.take(1000);
    Memory.OnDevice c = (Memory.OnDevice) device.take(100);
    device.give(b);
    device.give(a);
    device.give(c);
    // Last in, first out: a and c change places, and change back.
    return Arrays.stream(new Memory.OnDevice[]{a, b, c}).mapToLong(Memory.OnDevice::address).sorted().toArray();
  }

  @Test
  void whatAnotherThreadGivesIsUsedAgain() throws InterruptedException {
    Memory block = device.take(4096);
    var cleaner = Thread.ofPlatform().start(() -> device.give(block));
    cleaner.join();
    assertEquals(block, device.take(4096));
    assertEquals(4096, device.bytesReserved());
  }

  @Test
  void freeBlocksAreGivenBackBeforeMemoryRunsOut() {
    long quarter = device.context().totalMemory() / 4;
    Memory[] blocks = {device.take(quarter), device.take(quarter), device.take(quarter)};
    for (Memory block : blocks) {
      device.give(block);
    }
    Memory large = device.take(2 * quarter);
    assertTrue(large.byteSize() >= 2 * quarter);
    assertEquals(device.bytesInUse(), device.bytesReserved());
  }

  @Test
  void exhaustionTellsWhoHoldsTheMemoryAndWhatToChange() {
    long eighth = device.context().totalMemory() / 8;
    for (int i = 0; i < 3; i++) {
      device.take(eighth);
    }
    device.take(1000);
    device.take(1000);
    var report = assertThrows(OutOfDeviceMemoryException.class, () -> device.take(8 * eighth));
    String megabytes = String.format(Locale.ROOT, "%.1f MiB", Memory.rounded(eighth) / 1048576.0);
    String message = report.getMessage();
    assertTrue(message.contains("the largest holders are 3 x " + megabytes + ", 2 x 1.0 KiB;"), message);
    assertTrue(message.contains(" wanted; tensors hold "), message);
    assertTrue(message.endsWith("use a smaller --micro-batch, or --recompute to keep fewer activations"), message);
    assertEquals(1024, device.take(1000).byteSize(), "the device goes on");
  }

  @Test
  void nameTellsCardAndArchitecture() {
    assertTrue(device.name().matches("cuda:0 \\(.+, sm_\\d+\\)"), device.name());
  }

  @Test
  void unknownDeviceIsRefused() {
    var refusal = assertThrows(IllegalArgumentException.class, () -> new CudaDevice(99, CudaDevices.options()));
    assertTrue(refusal.getMessage().startsWith("device 99: this machine shows "), refusal.getMessage());
  }
}
