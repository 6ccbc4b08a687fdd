package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** Work captured once and launched as a whole, on two streams that fork and join. */
@EmulatorTest
class Example7CapturedGraph {
  private static final String COUNT = """
      extern "C" __global__ void count(int *x, int step) { *x += step; }
      """;

  @Test
  void graphIsDoneAtEachLaunchAndNotAtTheCapture() {
    try (var context = CudaContext.open(0);
        Stream stream = context.newStream();
        Stream side = context.newStream();
        Event forked = context.newEvent();
        Event joined = context.newEvent();
        PinnedBlock host = context.allocatePinned(8);
        DeviceBlock numbers = context.allocate(8)) {
      var program = new Nvrtc.Program("count.cu", COUNT, Map.of(), context.computeCapability(), List.of());
      Kernel count = context.load(Nvrtc.load().compile(program).cubin()).kernel("count");
      DevicePtr first = numbers.pointer().slice(0, 4);
      DevicePtr second = numbers.pointer().slice(4, 4);
      stream.fill(numbers.pointer(), 0);

      CudaGraph graph = stream.capture(() -> {
        assertTrue(stream.isCapturing());
        stream.record(forked);
        side.await(forked);
        count.with().pointer(first).int32(1).over(stream, 1, 1);
        count.with().pointer(second).int32(10).over(side, 1, 1);
        side.record(joined);
        stream.await(joined);
        stream.download(host.segment(), numbers.pointer());
      });
      assertFalse(stream.isCapturing());
      assertEquals(3, graph.nodes());
      host.segment().fill((byte) 0);
      stream.synchronize();
      assertEquals(0, host.segment().get(JAVA_INT, 0), "nothing is done by capturing");

      for (int launch = 1; launch <= 3; launch++) {
        stream.launch(graph);
        stream.synchronize();
        assertEquals(launch, host.segment().get(JAVA_INT, 0));
        assertEquals(10 * launch, host.segment().get(JAVA_INT, 4));
      }
      graph.close();
    }
  }
}
