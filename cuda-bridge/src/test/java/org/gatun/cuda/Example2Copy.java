package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** From the host to the device, about the device, and back. */
@EmulatorTest
class Example2Copy {
  private static final int COUNT = 1000;
  private static final long BYTES = 4L * COUNT;

  @Test
  void whatGoesUpComesBack() {
    int[] numbers = IntStream.range(0, COUNT).map(i -> i * i).toArray();
    try (var context = CudaContext.open(0);
        Stream stream = context.newStream();
        PinnedBlock host = context.allocatePinned(BYTES);
        DeviceBlock first = context.allocate(BYTES);
        DeviceBlock second = context.allocate(BYTES)) {
      host.segment().copyFrom(MemorySegment.ofArray(numbers));
      stream.upload(first.pointer(), host.segment());
      stream.copy(second.pointer(), first.pointer());
      stream.synchronize();

      host.segment().fill((byte) 0);
      stream.download(host.segment(), second.pointer());
      stream.synchronize();
      assertArrayEquals(numbers, host.segment().toArray(JAVA_INT));
    }
  }

  @Test
  void memoryOfTheStreamIsFilledByWordsAndBytes() {
    try (var context = CudaContext.open(0); Stream stream = context.newStream();
        PinnedBlock host = context.allocatePinned(BYTES)) {
      DevicePtr memory = stream.allocate(BYTES);
      stream.fill(memory, 7);
      stream.fillBytes(memory.slice(4, 4), 1);
      stream.download(host.segment(), memory);
      stream.free(memory);
      stream.synchronize();

      int[] expected = new int[COUNT];
      Arrays.fill(expected, 7);
      expected[1] = 0x01010101;
      assertArrayEquals(expected, host.segment().toArray(JAVA_INT));
      assertEquals(true, stream.isDone());
    }
  }
}
