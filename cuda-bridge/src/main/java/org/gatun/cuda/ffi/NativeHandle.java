package org.gatun.cuda.ffi;

import java.lang.ref.Cleaner;
import java.util.function.LongConsumer;

/**
 * A native object and the function that ends it. {@link #close} ends it once; a failure on that way is kept and raised by the owner's next
 * call. One that was forgotten is noticed by a Cleaner, whose thread calls no native code but hands the object to its {@link HandleOwner}.
 */
public final class NativeHandle implements AutoCloseable {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Resource resource;

  /** {@code guarded}: noticed by the Cleaner if it is forgotten. */
  NativeHandle(Resource resource, boolean guarded) {
    this.resource = resource;
    if (guarded) {
      CLEANER.register(this, resource::abandon);
    }
  }

  /** The native value; throws {@code IllegalStateException} from a thread that does not own it, or after {@link #close}. */
  public long value() {
    resource.owner.enter();
    return unchecked();
  }

  /** As {@link #value}, for calls whose thread was checked already. */
  public long unchecked() {
    if (resource.closed) {
      throw new IllegalStateException("the " + resource.what + " is closed; nothing may use it any more");
    }
    return resource.value;
  }

  /** Ends the native object; a second call does nothing. */
  @Override
  public void close() {
    if (!resource.closed) {
      resource.owner.activate();
      resource.end();
    }
  }

  /** What outlives the {@link NativeHandle}: it must not refer to it, or the Cleaner would wait for ever. */
  static final class Resource {
    private final HandleOwner owner;
    private final String what;
    private final long value;
    private final LongConsumer destroy;
    private volatile boolean closed;

    Resource(HandleOwner owner, String what, long value, LongConsumer destroy) {
      this.owner = owner;
      this.what = what;
      this.value = value;
      this.destroy = destroy;
    }

    /** On the owner's thread. */
    void end() {
      if (closed) {
        return;
      }
      closed = true;
      owner.forget(this);
      try {
        destroy.accept(value);
      } catch (RuntimeException e) {
        owner.defer(e);
      }
    }

    /** On the Cleaner's thread. */
    private void abandon() {
      if (!closed) {
        owner.abandoned(this);
      }
    }
  }
}
