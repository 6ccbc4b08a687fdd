package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.testing.EmulatorSetting;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfEnvironmentVariable;

/** That the emulator notices what it is there to notice: a test on it that cannot fail proves nothing. */
@EmulatorTest
@DisabledIfEnvironmentVariable(named = "GATUN_TEST_DEVICE", matches = "cuda", disabledReason = "of the emulator itself")
class EmulatedDeviceTest {
  private static final int ILLEGAL_ADDRESS = 700;
  private static final int MISALIGNED_ADDRESS = 716;
  private static final int LAUNCH_FAILED = 719;
  private static final int INTS = 64;

  private static final String KERNELS = """
      struct alignas(16) Float4 { float x, y, z, w; };
      extern "C" __global__ void store(int *x, int at) { x[at] = 1; }
      extern "C" __global__ void store4(float *x, int at) { reinterpret_cast<Float4 *>(x + at)->w = 1; }
      extern "C" __global__ void copy(int *to, const int *from) { to[threadIdx.x] = from[threadIdx.x]; }
      extern "C" __global__ void barrier(int *x, int reached) {
        if (threadIdx.x < reached) __syncthreads();
        x[threadIdx.x] = 1;
      }
      extern "C" __global__ void shuffle(int *x, int reached) {
        if (threadIdx.x < reached) x[threadIdx.x] = __shfl_xor_sync(~0u, (int)threadIdx.x, 1);
      }
      extern "C" __global__ void shared(int *x, int shift) {
        __shared__ int s[64];
        s[threadIdx.x + shift] = threadIdx.x;
        __syncthreads();
        x[threadIdx.x] = s[63 - threadIdx.x];
      }
      extern "C" __global__ void dynamic_shared(int *x, int shift) {
        GATUN_DYNAMIC_SHARED(int, s);
        s[threadIdx.x + shift] = threadIdx.x;
        __syncthreads();
        x[threadIdx.x] = s[63 - threadIdx.x];
      }
      extern "C" __global__ void arrivals(int *x) { x[1 + atomicAdd(x, 1)] = threadIdx.x; }
      extern "C" __global__ void race(int *x) {
        __shared__ int s[64];
        s[threadIdx.x] = threadIdx.x;
        x[threadIdx.x] = s[63 - threadIdx.x];
      }
      """;

  private CudaContext context;
  private Stream stream;
  private KernelModule kernels;
  private DeviceBlock block;
  private PinnedBlock host;

  @BeforeEach
  void open() {
    context = CudaContext.open(0);
    stream = context.newStream();
    kernels = context.load(compile(context.computeCapability()));
    block = context.allocate(4L * INTS);
    host = context.allocatePinned(4L * INTS);
  }

  @AfterEach
  void close() {
    try {
      context.close();
    } catch (CudaException e) {
      assertTrue(e.status() >= ILLEGAL_ADDRESS, () -> "closing reports the fault of the test again, not " + e);
    }
  }

  @Test
  void writePastTheGuardPageNamesKernelThreadAndBlock() {
    var fault = faultOf("store", launch -> launch.pointer(block.pointer()).int32(INTS), 1);
    assertEquals(ILLEGAL_ADDRESS, fault.status());
    assertTrue(fault.getMessage().contains("kernel store, block (0, 0, 0), thread (0, 0, 0)"), fault.getMessage());
    assertTrue(fault.getMessage().contains("0 bytes past the end of a block of 256 bytes"), fault.getMessage());
  }

  @Test
  void writeBetweenBlockAndGuardPageIsNoticedWhenTheStreamIsWaitedFor() {
    DeviceBlock odd = context.allocate(4);
    var fault = faultOf("store", launch -> launch.pointer(odd.pointer()).int32(1), 1);
    assertEquals(ILLEGAL_ADDRESS, fault.status());
    assertTrue(fault.getMessage().contains("0 bytes past the end of a block of 4 bytes"), fault.getMessage());
  }

  @Test
  void useAfterFreeIsAFault() {
    DeviceBlock freed = context.allocate(256);
    DevicePtr pointer = freed.pointer();
    freed.close();
    var fault = faultOf("store", launch -> launch.pointer(pointer).int32(0), 1);
    assertEquals(ILLEGAL_ADDRESS, fault.status());
    assertTrue(fault.getMessage().contains("byte 0 of a freed block of 256 bytes"), fault.getMessage());
  }

  @Test
  void hostMemoryIsNoDeviceMemory() {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      long pageable = arena.allocate(256, 16).address();
      assertEquals(ILLEGAL_ADDRESS, faultOf("store", launch -> launch.pointer(pageable).int32(0), 1).status());
    }
  }

  @Test
  void freshMemoryIsNotANumber() {
    stream.download(host.segment(), block.pointer());
    stream.synchronize();
    for (int i = 0; i < INTS; i++) {
      assertTrue(Float.isNaN(host.segment().getAtIndex(JAVA_FLOAT, i)));
    }
  }

  @Test
  void barrierThatSomeThreadsMissIsADeadlock() {
    var fault = faultOf("barrier", launch -> launch.pointer(block.pointer()).int32(INTS - 1), INTS);
    assertEquals(LAUNCH_FAILED, fault.status());
    assertTrue(fault.getMessage().contains("63 thread(s), such as 0, wait at __syncthreads(), 1 thread(s), such as 63, "
        + "left the kernel"), fault.getMessage());
  }

  @Test
  void shuffleThatSomeLanesMissIsADeadlock() {
    assertEquals(LAUNCH_FAILED,
        faultOf("shuffle", launch -> launch.pointer(block.pointer()).int32(INTS - 1), INTS).status());
  }

  @Test
  void misalignedVectorIsAFaultThatNamesTheLine() {
    var fault = faultOf("store4", launch -> launch.pointer(block.pointer()).int32(1), 1);
    assertEquals(MISALIGNED_ADDRESS, fault.status());
    assertTrue(fault.getMessage().contains("kernels.cu:3"), fault.getMessage());
  }

  @Test
  void indexPastSharedMemoryIsAFault() {
    assertEquals(ILLEGAL_ADDRESS,
        faultOf("shared", launch -> launch.pointer(block.pointer()).int32(1), INTS).status());
  }

  @Test
  void indexPastDynamicSharedMemoryIsAFault() {
    Kernel kernel = kernels.kernel("dynamic_shared");
    kernel.with().pointer(block.pointer()).int32(1).over(stream, 1, 1, 1, INTS, 4 * INTS);
    assertEquals(ILLEGAL_ADDRESS, assertThrows(CudaException.class, stream::synchronize).status());
  }

  @Test
  void contextOpenedAfterAFaultIsSound() {
    faultOf("store", launch -> launch.pointer(block.pointer()).int32(INTS), 1);
    close();
    open();
    kernels.kernel("shared").with().pointer(block.pointer()).int32(0).over(stream, 1, INTS);
    assertEquals(63, read()[0]);
  }

  @Test
  void threadsArriveInTheOrderOfTheSeed() {
    int[] natural = arrivals(0);
    int[] first = arrivals(1);
    assertFalse(Arrays.equals(natural, first));
    assertFalse(Arrays.equals(first, arrivals(2)));
    assertArrayEquals(natural, arrivals(0), "the same seed, the same order");
  }

  @Test
  void missingBarrierReadsPoison() {
    kernels.kernel("race").with().pointer(block.pointer()).over(stream, 1, INTS);
    assertTrue(Arrays.stream(read()).anyMatch(x -> x < 0 || x >= INTS));
  }

  @Test
  void missingWaitBetweenStreamsReadsPoison() {
    try (Stream other = context.newStream(); Event filled = context.newEvent();
        DeviceBlock to = context.allocate(256)) {
      other.fill(block.pointer(), 7);
      stream.copy(to.pointer(), block.pointer());
      stream.download(host.segment(), to.pointer());
      stream.synchronize();
      assertTrue(Float.isNaN(host.segment().getAtIndex(JAVA_FLOAT, 0)));

      other.fill(block.pointer(), 7);
      other.record(filled);
      stream.await(filled);
      stream.copy(to.pointer(), block.pointer());
      stream.download(host.segment(), to.pointer());
      stream.synchronize();
      assertEquals(7, host.segment().getAtIndex(JAVA_INT, 0));
    }
  }

  @Test
  void memoryEndsWhereTheSettingSays() {
    try (var _ = new EmulatorSetting("MEMORY", 1 << 20)) {
      assertThrows(OutOfDeviceMemoryException.class, () -> context.allocate(1 << 20));
      assertThrows(OutOfDeviceMemoryException.class, () -> stream.allocate(1 << 20));
    }
    context.allocate(1 << 20).close();
  }

  @Test
  void captureRefusesToAllocateAndTheStreamRecovers() {
    var refused = assertThrows(CudaException.class, () -> stream.capture(() -> context.allocate(256)));
    assertEquals("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", refused.statusName());
    stream.fill(block.pointer(), 3);
    assertEquals(3, read()[0]);
  }

  @Test
  void captureRefusesWorkThatIsNotJoined() {
    try (Stream side = context.newStream(); Event forked = context.newEvent()) {
      var refused = assertThrows(CudaException.class, () -> stream.capture(() -> {
        stream.record(forked);
        side.await(forked);
        side.fill(block.pointer(), 1);
      }));
      assertEquals("CUDA_ERROR_STREAM_CAPTURE_UNJOINED", refused.statusName());
    }
  }

  @Test
  void kernelsOfAnotherArchitectureDoNotLoad() {
    var refused = assertThrows(CudaException.class, () -> context.load(compile(80)));
    assertEquals("CUDA_ERROR_NO_BINARY_FOR_GPU", refused.statusName());
  }

  private CudaException faultOf(String kernel, Consumer<Kernel.Launch> arguments, int threads) {
    Kernel.Launch launch = kernels.kernel(kernel).with();
    arguments.accept(launch);
    launch.over(stream, 1, threads);
    return assertThrows(CudaException.class, stream::synchronize);
  }

  private int[] arrivals(long seed) {
    try (var _ = new EmulatorSetting("SEED", seed)) {
      stream.fill(block.pointer(), 0);
      kernels.kernel("arrivals").with().pointer(block.pointer()).over(stream, 1, INTS - 1);
      return read();
    }
  }

  private int[] read() {
    stream.download(host.segment(), block.pointer());
    stream.synchronize();
    return host.segment().toArray(JAVA_INT);
  }

  private static byte[] compile(int computeCapability) {
    return Nvrtc.load()
        .compile(new Nvrtc.Program("kernels.cu", KERNELS, Map.of(), computeCapability, List.of()))
        .cubin();
  }
}
