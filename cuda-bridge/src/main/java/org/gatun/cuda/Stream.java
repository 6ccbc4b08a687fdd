package org.gatun.cuda;

import java.lang.foreign.MemorySegment;
import org.gatun.cuda.ffi.NativeHandle;

/**
 * Work for the device, done in the order of the calls, which return before it is done. Host memory named in a copy must stay as it is until
 * the stream has come past: keep it open and unchanged until {@link #synchronize} or an {@link Event} says so.
 */
public final class Stream implements AutoCloseable {
  private final CudaContext context;
  private final NativeHandle handle;
  private boolean capturing;

  Stream(CudaContext context) {
    this.context = context;
    this.handle = context.handles().own("stream", DriverStreams.createStream(), DriverStreams::destroyStream);
  }

  /** The {@code CUstream}, for a library that is given one; checks the thread. */
  public long handle() {
    return handle.value();
  }

  public CudaContext context() {
    return context;
  }

  /** Waits until all is done, and throws what went wrong on the way. */
  public void synchronize() {
    long stream = handle.value();
    refuseWhileCapturing("synchronize", "wait after the capture");
    DriverStreams.synchronizeStream(stream);
  }

  /** True if nothing is left to do; throws what went wrong on the way. */
  public boolean isDone() {
    return DriverStreams.streamIsDone(handle.value());
  }

  /** Marks this place in the stream's order. */
  public void record(Event event) {
    DriverStreams.record(event.handle(), handle.value());
  }

  /** Lets what follows wait for the place where {@code event} was last recorded, in this or another stream. */
  public void await(Event event) {
    DriverStreams.await(handle.value(), event.handle());
  }

  /**
   * Memory from the device's pool, good for what follows in this stream; throws {@link OutOfDeviceMemoryException}. Belongs to the caller
   * until {@link #free}.
   */
  public DevicePtr allocate(long bytes) {
    long stream = handle.value();
    refuseWhileCapturing("allocate", "take memory before the capture");
    if (bytes <= 0) {
      throw new IllegalArgumentException("allocate " + bytes + " bytes; expected at least one");
    }
    return new DevicePtr(DriverMemory.allocate(bytes, stream), bytes);
  }

  /** Gives {@link #allocate}d memory back once what came before in this stream is done with it. */
  public void free(DevicePtr memory) {
    long stream = handle.value();
    refuseWhileCapturing("free", "give memory back after the capture");
    DriverMemory.free(memory.address(), stream);
  }

  /** Copies {@code from}, off-heap memory of the same size, to the device. */
  public void upload(DevicePtr to, MemorySegment from) {
    requireSameSize("upload", to.byteSize(), from.byteSize());
    long source = nativeAddress("upload", from);
    DriverMemory.upload(to.address(), source, to.byteSize(), handle.value());
  }

  /** Copies {@code from} to {@code to}, off-heap memory of the same size, which is written at some time before {@link #synchronize} returns. */
  public void download(MemorySegment to, DevicePtr from) {
    requireSameSize("download", to.byteSize(), from.byteSize());
    if (to.isReadOnly()) {
      throw new IllegalArgumentException("download: the memory to write is read-only");
    }
    DriverMemory.download(nativeAddress("download", to), from.address(), from.byteSize(), handle.value());
  }

  /** Copies on the device, or from one to another; the two must not overlap. */
  public void copy(DevicePtr to, DevicePtr from) {
    requireSameSize("copy", to.byteSize(), from.byteSize());
    DriverMemory.copy(to.address(), from.address(), to.byteSize(), handle.value());
  }

  /** Fills {@code to}, of whole 4-byte words, with {@code value}. */
  public void fill(DevicePtr to, int value) {
    if (to.byteSize() % Integer.BYTES != 0 || to.address() % Integer.BYTES != 0) {
      throw new IllegalArgumentException("fill: " + to + "; expected whole words of 4 bytes");
    }
    DriverMemory.fill32(to.address(), value, to.byteSize() / Integer.BYTES, handle.value());
  }

  /** Fills {@code to} with the lowest 8 bits of {@code value}. */
  public void fillBytes(DevicePtr to, int value) {
    DriverMemory.fill8(to.address(), (byte) value, to.byteSize(), handle.value());
  }

  /**
   * What {@code work} puts on this stream, and on others that join it by events and are joined back, as a graph to {@link #launch};
   * nothing is done yet. A failure inside ends the capture and is rethrown.
   */
  public CudaGraph capture(Runnable work) {
    long stream = handle.value();
    refuseWhileCapturing("capture", "captures do not nest");
    DriverStreams.beginCapture(stream);
    setCapturing(true);
    try {
      work.run();
    } catch (RuntimeException | Error failure) {
      abandonCapture(stream, failure);
      throw failure;
    } finally {
      setCapturing(false);
    }
    return new CudaGraph(context, DriverStreams.endCapture(stream));
  }

  private void setCapturing(boolean capturing) {
    this.capturing = capturing;
    context.handles().setCapturing(capturing);
  }

  private static void abandonCapture(long stream, Throwable failure) {
    try {
      long graph = DriverStreams.endCapture(stream);
      if (graph != 0) {
        DriverStreams.destroyGraph(graph);
      }
    } catch (CudaException alsoFailed) {
      failure.addSuppressed(alsoFailed);
    }
  }

  /** Does all that {@code graph} holds, in this stream's order. */
  public void launch(CudaGraph graph) {
    DriverStreams.launch(graph.handle(), handle.value());
  }

  /** True inside of {@link #capture}, also on a stream that joined it. */
  public boolean isCapturing() {
    return DriverStreams.isCapturing(handle.value());
  }

  private void refuseWhileCapturing(String operation, String instead) {
    if (capturing) {
      throw new IllegalStateException(operation + " while this stream is captured into a graph; " + instead);
    }
  }

  private static void requireSameSize(String operation, long to, long from) {
    if (to != from) {
      throw new IllegalArgumentException(operation + ": " + from + " bytes into " + to + "; expected the same number");
    }
  }

  private static long nativeAddress(String operation, MemorySegment memory) {
    if (!memory.isNative()) {
      throw new IllegalArgumentException(
          operation + ": memory of the Java heap may move; use a PinnedBlock or memory of an Arena");
    }
    return memory.address();
  }

  /** Ends the stream; what is on it is still done. */
  @Override
  public void close() {
    handle.close();
  }
}
