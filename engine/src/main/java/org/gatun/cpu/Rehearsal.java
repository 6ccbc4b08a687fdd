package org.gatun.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Tensor;

/**
 * A device that computes nothing and has no memory, but counts what {@link HostPool} would have taken:
 * running a step on it tells what the step will need, without a formula that could be forgotten.
 */
final class Rehearsal implements Device {
  private final Kernels kernels = idle(Kernels.class);
  private final Map<Long, Integer> free = new HashMap<>();
  private long blocks;
  private long bytesReserved;
  private long bytesInUse;

  /** An implementation whose methods do nothing; those that return another interface return such a one. */
  private static <T> T idle(Class<T> type) {
    Map<Class<?>, Object> families = new HashMap<>();
    Object proxy = Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[]{type}, (_, method, _) -> {
      Class<?> result = method.getReturnType();
      return result.isInterface() ? families.computeIfAbsent(result, Rehearsal::idle) : null;
    });
    return type.cast(proxy);
  }

  @Override
  public String name() {
    return "rehearsal";
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  /** The block's address is a number of its own and stands for no memory. */
  @Override
  public synchronized Memory take(long byteSize) {
    long size = Memory.rounded(byteSize);
    if (free.getOrDefault(size, 0) > 0) {
      free.merge(size, -1, Integer::sum);
    } else {
      bytesReserved += size;
    }
    bytesInUse += size;
    return new Memory.OnDevice(++blocks, size);
  }

  @Override
  public synchronized void give(Memory memory) {
    free.merge(memory.byteSize(), 1, Integer::sum);
    bytesInUse -= memory.byteSize();
  }

  @Override
  public void upload(Tensor target, MemorySegment source) {}

  /** Leaves the target as it is. */
  @Override
  public void download(MemorySegment target, Tensor source) {}

  @Override
  public Reading readLater(Tensor source) {
    return () -> new float[(int) source.shape().size()];
  }

  @Override
  public Moment mark() {
    return _ -> 0;
  }

  @Override
  public Captured capture(Runnable work) {
    return new Captured() {
      @Override
      public void run() {
        work.run();
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public synchronized long bytesReserved() {
    return bytesReserved;
  }

  @Override
  public synchronized long bytesInUse() {
    return bytesInUse;
  }

  @Override
  public void close() {}
}
