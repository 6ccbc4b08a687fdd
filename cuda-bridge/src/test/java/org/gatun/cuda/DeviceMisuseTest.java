package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is refused, by whom, and in what words. */
@EmulatorTest
class DeviceMisuseTest {
  private static final String SET = """
      struct Pair { int first, second; };
      extern "C" __global__ void set(long long *x, int value) { *x = value; }
      extern "C" __global__ void set_pair(Pair *x, Pair value) { *x = value; }
      """;

  private final CudaContext context = CudaContext.open(0);
  private final Stream stream = context.newStream();
  private final DeviceBlock block = context.allocate(64); // held: a forgotten block is freed
  private final DevicePtr memory = block.pointer();

  @AfterEach
  void close() {
    context.close();
  }

  @Test
  void anotherThreadIsRefused() throws InterruptedException {
    var refused = new AtomicReference<RuntimeException>();
    var other = new Thread(() -> refused.set(assertThrows(IllegalStateException.class, stream::synchronize)), "other");
    other.start();
    other.join();
    assertTrue(refused.get().getMessage().startsWith("device 0 belongs to thread "), refused.get().getMessage());
  }

  @Test
  void closedThingsAreRefused() {
    block.close();
    block.close();
    assertThrows(IllegalStateException.class, block::pointer);
    stream.close();
    assertThrows(IllegalStateException.class, stream::synchronize);
    context.close();
    context.close();
    assertThrows(IllegalStateException.class, () -> context.allocate(64));
  }

  @Test
  void closedPinnedMemoryCannotBeTouched() {
    MemorySegment segment = context.allocatePinned(64).segment();
    context.close();
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_INT, 0));
  }

  @Test
  void memoryThatIsNotThereIsAnErrorOfItsOwnAndTheDeviceGoesOn() {
    long tooMuch = 2 * context.totalMemory();
    var refused = assertThrows(OutOfDeviceMemoryException.class, () -> context.allocate(tooMuch));
    assertEquals("cuMemAlloc_v2(" + tooMuch + ")", refused.call());
    assertEquals("CUDA_ERROR_OUT_OF_MEMORY", refused.statusName());
    assertThrows(OutOfDeviceMemoryException.class, () -> stream.allocate(tooMuch));
    context.allocate(64).close();
  }

  @Test
  void copiesOfOtherSizesAndOfTheHeapAreRefused() {
    try (Arena arena = Arena.ofConfined()) {
      var refused = assertThrows(IllegalArgumentException.class, () -> stream.upload(memory, arena.allocate(60)));
      assertEquals("upload: 60 bytes into 64; expected the same number", refused.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> stream.upload(memory, MemorySegment.ofArray(new byte[64])));
    assertThrows(IllegalArgumentException.class, () -> stream.fill(memory.slice(0, 6), 0));
    assertThrows(IllegalArgumentException.class, () -> context.allocate(0));
  }

  @Test
  void kernelThatIsNotThereIsNamed() {
    KernelModule module = module();
    var refused = assertThrows(CudaException.class, () -> module.kernel("sett"));
    assertEquals("cuModuleGetFunction(\"sett\")", refused.call());
    assertEquals("CUDA_ERROR_NOT_FOUND", refused.statusName());
  }

  @Test
  void argumentsOfOtherSizesAreRefusedBeforeTheLaunch() {
    Kernel set = module().kernel("set");
    var size = assertThrows(IllegalArgumentException.class, () -> set.with().pointer(memory).int64(7));
    assertEquals("kernel set: argument 1 came as 8 bytes, and 4 are declared", size.getMessage());
    var few = assertThrows(IllegalArgumentException.class, () -> set.with().pointer(memory).over(stream, 1, 1));
    assertEquals("kernel set: 1 arguments came, 2 are declared", few.getMessage());
    assertThrows(IllegalArgumentException.class, () -> set.with().pointer(memory).int32(7).int32(7));
  }

  @Test
  void structuresTravelByValue() {
    Kernel setPair = module().kernel("set_pair");
    try (Arena arena = Arena.ofConfined(); PinnedBlock host = context.allocatePinned(8)) {
      MemorySegment pair = arena.allocateFrom(ValueLayout.JAVA_INT, 3, 4);
      setPair.with().pointer(memory).structure(pair).over(stream, 1, 1);
      stream.download(host.segment(), memory.slice(0, 8));
      stream.synchronize();
      assertEquals(3, host.segment().getAtIndex(ValueLayout.JAVA_INT, 0));
      assertEquals(4, host.segment().getAtIndex(ValueLayout.JAVA_INT, 1));
    }
  }

  @Test
  void waitingAndAllocatingWhileCapturingAreRefusedAndEndTheCapture() {
    for (Runnable misuse : List.<Runnable>of(stream::synchronize, () -> stream.allocate(64),
        () -> stream.capture(() -> {
        }))) {
      var refused = assertThrows(IllegalStateException.class, () -> stream.capture(misuse));
      assertTrue(refused.getMessage().contains("while this stream is captured into a graph; "), refused.getMessage());
      assertFalse(stream.isCapturing());
    }
  }

  @Test
  void failureWhileCapturingIsRethrownAndTheStreamGoesOn() {
    var failure = new IllegalArgumentException("mine");
    assertSame(failure, assertThrows(IllegalArgumentException.class, () -> stream.capture(() -> {
      stream.fill(memory, 1);
      throw failure;
    })));
    stream.fill(memory, 2);
    stream.synchronize();
    assertTrue(stream.isDone());
  }

  private KernelModule module() {
    return context.load(Nvrtc.load()
        .compile(new Nvrtc.Program("set.cu", SET, Map.of(), context.computeCapability(), List.of()))
        .cubin());
  }
}
