package org.gatun.cuda.cudnn;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Stream;

/**
 * A graph compiled for one kind of device. To run it, each of its tensors is {@linkplain #bind bound} to device memory;
 * bindings hold for one run. Made from a description it can be examined without a device.
 */
public final class CudnnPlan implements AutoCloseable {
  private final Descriptors descriptors;
  private final long plan;
  private final long configuration;
  private final int candidates;
  private final long workspaceBytes;

  // Tensors first, scalars behind them: the order of uids and pointers in the variant pack.
  private final List<CudnnGraph.Tensor> tensors;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment uids;
  private final MemorySegment pointers;
  private final MemorySegment workspaceCell = arena.allocate(JAVA_LONG);
  private final int entries;
  private boolean closed;

  CudnnPlan(Descriptors descriptors, long plan, long configuration, int candidates,
      Map<Long, CudnnGraph.Tensor> tensors, Map<Long, Float> scalars) {
    this.descriptors = descriptors;
    this.plan = plan;
    this.configuration = configuration;
    this.candidates = candidates;
    this.tensors = List.copyOf(tensors.values());
    this.workspaceBytes = descriptors.number(plan, Attribute.PLAN_WORKSPACE_BYTES);
    entries = tensors.size() + scalars.size();
    uids = arena.allocate(JAVA_LONG, entries);
    pointers = arena.allocate(JAVA_LONG, entries);
    int at = 0;
    for (CudnnGraph.Tensor x : this.tensors) {
      uids.setAtIndex(JAVA_LONG, at++, x.uid());
    }
    for (var scalar : scalars.entrySet()) {
      pointers.setAtIndex(JAVA_LONG, at, arena.allocateFrom(JAVA_FLOAT, scalar.getValue()).address());
      uids.setAtIndex(JAVA_LONG, at++, scalar.getKey());
    }
  }

  /** Bytes of device memory that a run needs beside the tensors. */
  public long workspaceBytes() {
    return workspaceBytes;
  }

  /** Kernels that the heuristics proposed for the graph. */
  public int candidates() {
    return candidates;
  }

  /** The number by which cuDNN knows the chosen kernel family of this graph. */
  public long engine() {
    checkOpen();
    long engine = descriptors.descriptors(configuration, Attribute.CONFIGURATION_ENGINE, Descriptors.Kind.ENGINE)
        .getFirst();
    return descriptors.number(engine, Attribute.ENGINE_INDEX);
  }

  /** Says where a tensor lies for the next run; the memory must hold it and be aligned to 16 bytes. */
  public CudnnPlan bind(long uid, DevicePtr memory) {
    int at = indexOf(uid);
    CudnnGraph.Tensor x = tensors.get(at);
    long bytes = Math.multiplyExact(x.layout().extent(), x.type().byteSize());
    if (memory.byteSize() < bytes || memory.address() == 0 || memory.address() % CudnnGraph.ALIGNMENT != 0) {
      throw new IllegalArgumentException("attention: " + x + " needs " + bytes + " bytes at a multiple of "
          + CudnnGraph.ALIGNMENT + ", but was given " + memory);
    }
    pointers.setAtIndex(JAVA_LONG, at, memory.address());
    return this;
  }

  /** Queues the kernel on {@code stream}; all tensors must be bound. {@code workspace} may be {@code null} if none is needed. */
  public void run(Cudnn cudnn, Stream stream, DevicePtr workspace) {
    checkOpen();
    checkBound();
    if (workspaceBytes > 0 && (workspace == null || workspace.byteSize() < workspaceBytes)) {
      throw new IllegalArgumentException("the plan needs a workspace of " + workspaceBytes + " bytes, but was given "
          + (workspace == null ? "none" : workspace));
    }
    workspaceCell.set(JAVA_LONG, 0, workspaceBytes > 0 ? workspace.address() : 0);
    long handle = cudnn.on(stream);
    long pack = CudnnLibrary.createDescriptor(Descriptors.Kind.VARIANT_PACK);
    try {
      CudnnLibrary.setAttribute(pack, Attribute.PACK_UIDS, entries, uids.address());
      CudnnLibrary.setAttribute(pack, Attribute.PACK_POINTERS, entries, pointers.address());
      CudnnLibrary.setAttribute(pack, Attribute.PACK_WORKSPACE, 1, workspaceCell.address());
      CudnnLibrary.finalizeDescriptor(pack, "variant pack");
      CudnnLibrary.execute(handle, plan, pack);
    } finally {
      CudnnLibrary.destroyDescriptor(pack);
      pointers.asSlice(0, tensors.size() * JAVA_LONG.byteSize()).fill((byte) 0);
    }
  }

  /** Ends the plan; runs that were queued must have ended. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      descriptors.close();
      arena.close();
    }
  }

  private int indexOf(long uid) {
    for (int i = 0; i < tensors.size(); i++) {
      if (tensors.get(i).uid() == uid) {
        return i;
      }
    }
    throw new IllegalArgumentException("the plan has no tensor " + uid + ", only " + tensors);
  }

  private void checkBound() {
    for (int i = 0; i < tensors.size(); i++) {
      if (pointers.getAtIndex(JAVA_LONG, i) == 0) {
        throw new IllegalStateException(tensors.get(i) + " is not bound; bind each tensor before each run");
      }
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the plan is closed; make a new one");
    }
  }
}
