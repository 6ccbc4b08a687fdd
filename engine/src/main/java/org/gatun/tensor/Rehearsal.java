package org.gatun.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;

/**
 * A device that computes nothing and takes no memory, but counts as if it did: after a step on it, {@link #bytesReserved}
 * is what the same step will take from a real one, without a formula that could be forgotten. Values read from it mean
 * nothing.
 */
public final class Rehearsal implements Device {
  private final boolean recomputesGelu;
  private final Kernels kernels = idle(Kernels.class);
  private final Map<Long, Integer> free = new HashMap<>();
  private long blocks;
  private long bytesReserved;
  private long bytesInUse;

  /** Of a device that computes the GELU again, or keeps it; see {@link Device#recomputesGelu}. */
  public Rehearsal(boolean recomputesGelu) {
    this.recomputesGelu = recomputesGelu;
  }

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

  @Override
  public boolean recomputesGelu() {
    return recomputesGelu;
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
    return Captured.byHost(work);
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
