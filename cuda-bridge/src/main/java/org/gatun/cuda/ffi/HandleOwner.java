package org.gatun.cuda.ffi;

import java.util.LinkedHashSet;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.LongConsumer;

/**
 * The thread that owns a device, and every native handle made on it. All calls come from that thread; handles still open at the end are
 * ended in the reverse of the order in which they were made.
 */
public final class HandleOwner implements AutoCloseable {
  private final String what;
  private final Runnable makeCurrent;
  private final Thread thread = Thread.currentThread();
  private final LinkedHashSet<NativeHandle.Resource> open = new LinkedHashSet<>();
  private final Queue<NativeHandle.Resource> abandoned = new ConcurrentLinkedQueue<>();
  private RuntimeException deferred;
  private boolean capturing;
  private boolean closed;

  /** For {@code what} ("device 0"), owned by the calling thread; {@code makeCurrent} runs before any native call. */
  public HandleOwner(String what, Runnable makeCurrent) {
    this.what = what;
    this.makeCurrent = makeCurrent;
  }

  /** Takes charge of {@code value}, a native {@code what}, which {@code destroy} ends; it must not refer to the object that holds it. */
  public NativeHandle own(String what, long value, LongConsumer destroy) {
    return new NativeHandle(register(what, value, destroy), true);
  }

  /** As {@link #own}, for what must not be ended when its Java object is forgotten, but with its owner. */
  public NativeHandle ownUntilClosed(String what, long value, LongConsumer destroy) {
    return new NativeHandle(register(what, value, destroy), false);
  }

  private NativeHandle.Resource register(String what, long value, LongConsumer destroy) {
    var resource = new NativeHandle.Resource(this, what, value, destroy);
    open.add(resource);
    return resource;
  }

  /**
   * Before each native call: checks the thread, ends what was forgotten, and raises a failure of an earlier {@link NativeHandle#close}.
   */
  public void enter() {
    activate();
    if (!capturing) {
      endForgotten();
      raise();
    }
  }

  /** While work is captured into a graph nothing forgotten is ended: most of what ends something would spoil the capture. */
  public void setCapturing(boolean capturing) {
    this.capturing = capturing;
  }

  private void endForgotten() {
    for (var resource = abandoned.poll(); resource != null; resource = abandoned.poll()) {
      resource.end();
    }
  }

  /** Checks the thread and makes the device current. */
  void activate() {
    requireOwner();
    if (closed) {
      throw new IllegalStateException(what + " is closed; open it again before using it");
    }
    makeCurrent.run();
  }

  /** Throws {@code IllegalStateException} on any thread but the owner. */
  public void requireOwner() {
    if (Thread.currentThread() != thread) {
      throw new IllegalStateException(what + " belongs to thread \"" + thread.getName() + "\", and thread \""
          + Thread.currentThread().getName()
          + "\" called it; use it and all made from it on the thread that opened it");
    }
  }

  /** Handles that are open. */
  public int openHandles() {
    return open.size();
  }

  /** Ends all open handles, the latest first; throws the first failure of any that ended since the last call. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    activate();
    while (!open.isEmpty()) {
      open.getLast().end();
    }
    abandoned.clear();
    closed = true;
    raise();
  }

  void forget(NativeHandle.Resource resource) {
    open.remove(resource);
  }

  /** From the Cleaner's thread. */
  void abandoned(NativeHandle.Resource resource) {
    abandoned.add(resource);
  }

  /** Keeps the first failure: the ones that follow mostly repeat it. */
  void defer(RuntimeException failure) {
    if (deferred == null) {
      deferred = failure;
    }
  }

  private void raise() {
    if (deferred != null) {
      RuntimeException failure = deferred;
      deferred = null;
      throw failure;
    }
  }
}
