package org.gatun.gpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Event;
import org.gatun.cuda.PinnedBlock;
import org.gatun.cuda.Stream;
import org.gatun.tensor.Device.Reading;

/**
 * The way between memory of the host, wherever it is, and the device: through page-locked blocks taken in turns, so that
 * one is filled or emptied while the other is copied.
 */
final class Staging {
  /** Long enough that the cost of a copy is its bytes, not its start (some 10 µs, or 0.5 MB at 50 GB/s). */
  private static final int SLOT_BYTES = 4 << 20;

  /** A micro-batch brings three or four tensors: enough for the host to be two of them ahead of the device. */
  private static final int SLOTS = 8;

  private record Slot(MemorySegment segment, Event copied) {}

  private final CudaContext context;
  private final Stream stream;
  /** Blocks for {@link #read}, by size: those of which nothing is under way. */
  private final Map<Long, ArrayDeque<Slot>> spare = new HashMap<>();

  private final Slot[] slots = new Slot[SLOTS];
  private int next;

  Staging(CudaContext context, Stream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** A block of which nothing is under way; they live as long as the context. */
  private Slot take() {
    int taken = next;
    next = (next + 1) % SLOTS;
    if (slots[taken] == null) {
      PinnedBlock block = context.allocatePinned(SLOT_BYTES);
      slots[taken] = new Slot(block.segment(), context.newEvent());
    } else {
      slots[taken].copied.synchronize();
    }
    return slots[taken];
  }

  /** Copies to the device in the stream's order; {@code from} may be changed when this returns. */
  void upload(DevicePtr to, MemorySegment from) {
    for (long at = 0; at < from.byteSize(); at += SLOT_BYTES) {
      long bytes = Math.min(SLOT_BYTES, from.byteSize() - at);
      Slot slot = take();
      MemorySegment piece = slot.segment.asSlice(0, bytes);
      MemorySegment.copy(from, at, piece, 0, bytes);
      stream.upload(to.slice(at, bytes), piece);
      stream.record(slot.copied);
    }
  }

  /** Begins to copy floats from the device, in the stream's order. */
  Reading read(DevicePtr from) {
    Slot slot = spare.computeIfAbsent(from.byteSize(), _ -> new ArrayDeque<>()).poll();
    if (slot == null) {
      slot = new Slot(context.allocatePinned(from.byteSize()).segment(), context.newEvent());
    }
    stream.download(slot.segment, from);
    stream.record(slot.copied);
    return new SlotReading(slot);
  }

  /** A block whose elements are on their way; it is spare again once they were read. */
  private final class SlotReading implements Reading {
    private final Slot slot;
    private float[] elements;

    SlotReading(Slot slot) {
      this.slot = slot;
    }

    @Override
    public float[] floats() {
      if (elements == null) {
        slot.copied.synchronize();
        elements = slot.segment.toArray(ValueLayout.JAVA_FLOAT);
        spare.get(slot.segment.byteSize()).add(slot);
      }
      return elements;
    }
  }

  /** Copies from the device; waits until all is there. */
  void download(MemorySegment to, DevicePtr from) {
    Slot before = null;
    for (long at = 0; at < to.byteSize(); at += SLOT_BYTES) {
      long bytes = Math.min(SLOT_BYTES, to.byteSize() - at);
      Slot slot = take();
      stream.download(slot.segment.asSlice(0, bytes), from.slice(at, bytes));
      stream.record(slot.copied);
      if (before != null) {
        finish(to, before, at - SLOT_BYTES, SLOT_BYTES);
      }
      before = slot;
    }
    if (before != null) {
      long last = (to.byteSize() - 1) / SLOT_BYTES * SLOT_BYTES;
      finish(to, before, last, to.byteSize() - last);
    }
  }

  private static void finish(MemorySegment to, Slot slot, long at, long bytes) {
    slot.copied.synchronize();
    MemorySegment.copy(slot.segment, 0, to, at, bytes);
  }
}
