package org.gatun.cuda;

import org.gatun.cuda.ffi.NativeHandle;

/** A place in a stream's order that others can wait for, and the time at which the device came past it. */
public final class Event implements AutoCloseable {
  private final NativeHandle handle;
  private final boolean timed;

  Event(CudaContext context, boolean timed) {
    this.timed = timed;
    this.handle = context.handles().own("event", DriverStreams.createEvent(timed), DriverStreams::destroyEvent);
  }

  /** The {@code CUevent}. */
  long handle() {
    return handle.value();
  }

  /** True if the device came past the place where this was last recorded, and before it was recorded at all. */
  public boolean isDone() {
    return DriverStreams.eventIsDone(handle.value());
  }

  /** Waits until {@link #isDone}. */
  public void synchronize() {
    DriverStreams.synchronizeEvent(handle.value());
  }

  /** Milliseconds from {@code earlier} to this, by the device's clock, to about half a microsecond; both timed, recorded and done. */
  public float millisecondsSince(Event earlier) {
    if (!timed || !earlier.timed) {
      throw new IllegalStateException("these events take no time; use CudaContext.newTimedEvent() for both");
    }
    return DriverStreams.elapsedMilliseconds(earlier.handle(), handle.value());
  }

  @Override
  public void close() {
    handle.close();
  }
}
