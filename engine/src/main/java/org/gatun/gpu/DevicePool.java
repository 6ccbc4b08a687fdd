package org.gatun.gpu;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.OutOfDeviceMemoryException;
import org.gatun.cuda.Stream;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Memory.OnDevice;

/**
 * Blocks of device memory for reuse in the order of one stream: one free list a rounded size, last in first out, so that
 * a step finds the addresses of the step before. Used by the device's thread; only {@link #give} may come from others.
 *
 * <p>Captured work keeps what it touches: blocks taken or given back while work is captured go to a reserve, from which
 * only captures take, until no captured work is left. All captured work of a device runs in one stream and so can share
 * the reserve.
 */
final class DevicePool {
  private static final int HOLDERS_SHOWN = 5;

  private final CudaContext context;
  private final Stream stream;
  private final Map<Long, ArrayDeque<OnDevice>> free = new HashMap<>();
  private final Map<Long, ArrayDeque<OnDevice>> reserve = new HashMap<>();
  private final Set<Long> reserved = new HashSet<>();
  private final TreeMap<Long, Integer> held = new TreeMap<>(Comparator.reverseOrder());
  private final Queue<OnDevice> returned = new ConcurrentLinkedQueue<>();
  private final Thread owner = Thread.currentThread();
  private long bytesReserved;
  private long bytesInUse;
  private int captured;
  private boolean capturing;
  private volatile boolean closed;

  DevicePool(CudaContext context, Stream stream) {
    this.context = context;
    this.stream = stream;
  }

  /**
   * A block of at least this many bytes, with whatever was in it before.
   *
   * @throws OutOfDeviceMemoryException if the card has no room for it even after the free lists were given back
   */
  OnDevice take(long byteSize) {
    drain();
    long size = Memory.rounded(byteSize);
    OnDevice block = capturing ? forCapture(size) : poll(free, size);
    if (block == null) {
      block = allocate(size, byteSize);
      bytesReserved += size;
    }
    bytesInUse += size;
    held.merge(size, 1, Integer::sum);
    return block;
  }

  private static OnDevice poll(Map<Long, ArrayDeque<OnDevice>> lists, long size) {
    ArrayDeque<OnDevice> list = lists.get(size);
    return list == null ? null : list.pollLast();
  }

  private OnDevice forCapture(long size) {
    OnDevice block = poll(reserve, size);
    if (block == null) {
      block = poll(free, size);
    }
    if (block == null) {
      throw new IllegalStateException(
          "capture: no block of " + size(size) + " is free, and none can be made while work is"
              + " captured; run the same work once before it is captured");
    }
    reserved.add(block.address());
    return block;
  }

  private OnDevice allocate(long size, long wanted) {
    try {
      return new OnDevice(stream.allocate(size).address(), size);
    } catch (OutOfDeviceMemoryException first) {
      giveFreeBlocksBack();
      try {
        return new OnDevice(stream.allocate(size).address(), size);
      } catch (OutOfDeviceMemoryException second) {
        var report =
            new OutOfDeviceMemoryException(second.call(), second.status(), second.statusName(), report(wanted));
        report.addSuppressed(second);
        throw report;
      }
    }
  }

  private void giveFreeBlocksBack() {
    for (ArrayDeque<OnDevice> list : free.values()) {
      for (OnDevice block : list) {
        stream.free(new DevicePtr(block.address(), block.byteSize()));
        bytesReserved -= block.byteSize();
      }
    }
    free.clear();
    // What the stream has freed is the driver's to give only once the stream has come past.
    stream.synchronize();
    context.trimPool();
  }

  private String report(long wanted) {
    String holders = held.entrySet().stream()
        .sorted(Comparator.comparing((Map.Entry<Long, Integer> e) -> e.getKey() * e.getValue()).reversed())
        .limit(HOLDERS_SHOWN)
        .map(e -> e.getValue() + " x " + size(e.getKey()))
        .collect(Collectors.joining(", "));
    return size(wanted) + " wanted; tensors hold " + size(bytesInUse) + " of " + size(bytesReserved)
        + " taken from the card,"
        + " which has " + size(context.freeMemory()) + " of " + size(context.totalMemory())
        + " free; the largest holders are "
        + (holders.isEmpty() ? "none" : holders)
        + "; use a smaller --micro-batch, or --recompute to keep fewer activations";
  }

  private static String size(long bytes) {
    return bytes < 1 << 20
        ? String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0)
        : String.format(Locale.ROOT, "%.1f MiB", bytes / (1024.0 * 1024.0));
  }

  /** Takes a block back; from another thread than the device's it waits in a queue. After close it does nothing. */
  void give(OnDevice block) {
    if (closed) {
      return;
    }
    if (Thread.currentThread() == owner) {
      putBack(block);
    } else {
      returned.add(block);
    }
  }

  private void drain() {
    for (OnDevice block = returned.poll(); block != null; block = returned.poll()) {
      putBack(block);
    }
  }

  private void putBack(OnDevice block) {
    if (capturing) {
      // It may be named in the captured work whoever took it.
      reserved.add(block.address());
    }
    var lists = reserved.contains(block.address()) ? reserve : free;
    lists.computeIfAbsent(block.byteSize(), _ -> new ArrayDeque<>()).addLast(block);
    bytesInUse -= block.byteSize();
    held.computeIfPresent(block.byteSize(), (_, count) -> count == 1 ? null : count - 1);
  }

  /** Begins a capture: what is taken and given from now on stays with captured work. */
  void beginCapture() {
    drain();
    capturing = true;
    captured++;
  }

  /** Ends it; {@link #releaseCaptured} must follow when the captured work is closed, or was none. */
  void endCapture() {
    capturing = false;
  }

  /** One captured piece of work less; with the last the reserve is everybody's again. */
  void releaseCaptured() {
    if (--captured == 0 && !closed) {
      reserve.forEach((size, list) -> free.computeIfAbsent(size, _ -> new ArrayDeque<>()).addAll(list));
      reserve.clear();
      reserved.clear();
    }
  }

  /** Whether captured work exists that may name any block ever taken. */
  boolean isCaptured() {
    return captured > 0;
  }

  long bytesReserved() {
    return bytesReserved;
  }

  long bytesInUse() {
    if (!closed) {
      drain();
    }
    return bytesInUse;
  }

  /** Gives what is free back to the driver and forgets the rest: the context takes it with itself. */
  void close() {
    if (!closed) {
      drain();
      releaseAll();
      closed = true;
    }
  }

  private void releaseAll() {
    captured = 1;
    releaseCaptured();
    giveFreeBlocksBack();
    bytesReserved = 0;
    bytesInUse = 0;
  }
}
