package org.gatun.cuda.testing;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DeviceBlock;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.Stream;

/** Numbers of the host on a device and back, for tests; all memory goes with it. */
public final class DeviceArrays implements AutoCloseable {
  private final CudaContext context;
  private final Stream stream;
  private final List<DeviceBlock> blocks = new ArrayList<>();

  public DeviceArrays(CudaContext context, Stream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** Memory for {@code count} elements. */
  public DevicePtr allocate(ElementType type, int count) {
    DeviceBlock block = context.allocate((long) count * type.byteSize());
    blocks.add(block);
    return block.pointer();
  }

  /** Memory of {@code bytes}; {@code null} for none. */
  public DevicePtr scratch(long bytes) {
    if (bytes == 0) {
      return null;
    }
    DeviceBlock block = context.allocate(bytes);
    blocks.add(block);
    return block.pointer();
  }

  /** The numbers on the device, rounded to {@code type}. */
  public DevicePtr upload(ElementType type, float[] numbers) {
    DevicePtr memory = allocate(type, numbers.length);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(memory.byteSize(), 16);
      for (int i = 0; i < numbers.length; i++) {
        switch (type) {
          case F32 -> host.setAtIndex(JAVA_FLOAT, i, numbers[i]);
          case BF16 -> host.setAtIndex(JAVA_SHORT, i, bf16(numbers[i]));
        }
      }
      stream.upload(memory, host);
      stream.synchronize();
    }
    return memory;
  }

  /** What is in {@code memory} after all that was queued. */
  public float[] download(ElementType type, DevicePtr memory) {
    float[] numbers = new float[Math.toIntExact(memory.byteSize() / type.byteSize())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(memory.byteSize(), 16);
      stream.download(host, memory);
      stream.synchronize();
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = switch (type) {
          case F32 -> host.getAtIndex(JAVA_FLOAT, i);
          case BF16 -> Float.intBitsToFloat(host.getAtIndex(JAVA_SHORT, i) << 16);
        };
      }
    }
    return numbers;
  }

  /** Normally distributed numbers that BF16 can hold, so that they are the same on both sides. */
  public static float[] random(Random random, int count, double deviation) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = Float.intBitsToFloat(bf16((float) (deviation * random.nextGaussian())) << 16);
    }
    return numbers;
  }

  /** To nearest, ties to even. */
  private static short bf16(float number) {
    int bits = Float.floatToRawIntBits(number);
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }

  @Override
  public void close() {
    blocks.reversed().forEach(DeviceBlock::close);
  }
}
