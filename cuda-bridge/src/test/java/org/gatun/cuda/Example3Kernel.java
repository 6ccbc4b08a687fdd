package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** A kernel from its source text to its result. */
@EmulatorTest
class Example3Kernel {
  private static final String SAXPY = """
      extern "C" __global__ void saxpy(float *y, const float *x, float a, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] = a * x[i] + y[i];
      }
      """;

  @Test
  void kernelComputes() {
    int n = 1000;
    try (var context = CudaContext.open(0);
        Stream stream = context.newStream();
        PinnedBlock host = context.allocatePinned(4L * n);
        DeviceBlock x = context.allocate(4L * n);
        DeviceBlock y = context.allocate(4L * n)) {
      var program = new Nvrtc.Program("saxpy.cu", SAXPY, Map.of(), context.computeCapability(), List.of());
      KernelModule module = context.load(Nvrtc.load().compile(program).cubin());
      Kernel saxpy = module.kernel("saxpy");

      MemorySegment numbers = host.segment();
      for (int i = 0; i < n; i++) {
        numbers.setAtIndex(JAVA_FLOAT, i, i);
      }
      stream.upload(x.pointer(), numbers);
      stream.fill(y.pointer(), Float.floatToRawIntBits(1f));
      saxpy.with().pointer(y.pointer()).pointer(x.pointer()).float32(2f).int32(n).over(stream, (n + 127) / 128, 128);
      stream.download(numbers, y.pointer());
      stream.synchronize();

      for (int i = 0; i < n; i++) {
        assertEquals(2f * i + 1f, numbers.getAtIndex(JAVA_FLOAT, i)); // whole numbers below 2^24: exact
      }
      module.close();
    }
  }
}
