package org.gatun.cuda;

import org.gatun.cuda.ffi.HandleOwner;

/**
 * A device in use: its primary context, which all libraries of the process share. The thread that opened it owns it and all that is made
 * from it; a call from another throws {@code IllegalStateException}. Closing it ends what is still open, the latest first.
 */
public final class CudaContext implements AutoCloseable {
  /** The driver's own notion of a current context is one for each thread; this saves asking it before every call. */
  private static final ThreadLocal<CudaContext> CURRENT = new ThreadLocal<>();

  private final GpuProperties properties;
  private final int device;
  private final long handle;
  private final long pool;
  private final HandleOwner handles;
  private boolean closed;

  private CudaContext(int ordinal) {
    properties = GpuProperties.of(ordinal);
    device = Driver.device(ordinal);
    handle = Driver.retainPrimaryContext(device);
    handles = new HandleOwner("device " + ordinal, this::setCurrent);
    setCurrent();
    pool = poolOrNone();
  }

  /**
   * Opens device {@code ordinal}, from 0; throws {@code UnsupportedOperationException} where there is no CUDA, and
   * {@code IllegalArgumentException} where there is no such device.
   */
  public static CudaContext open(int ordinal) {
    Cuda.require();
    int count = Driver.deviceCount();
    if (ordinal < 0 || ordinal >= count) {
      throw new IllegalArgumentException("device " + ordinal + ": this machine shows " + count
          + (count == 1 ? " device" : " devices") + "; expected 0 to " + (count - 1));
    }
    return new CudaContext(ordinal);
  }

  /** Keeps all that the pool ever mapped: a step of training asks for the same again. */
  private long poolOrNone() {
    if (Driver.deviceAttribute(DeviceAttribute.MEMORY_POOLS_SUPPORTED, device) == 0) {
      return 0;
    }
    long defaultPool = DriverMemory.defaultPool(device);
    DriverMemory.keepInPool(defaultPool, Long.MAX_VALUE);
    return defaultPool;
  }

  public int ordinal() {
    return properties.ordinal();
  }

  public String name() {
    return properties.name();
  }

  /** 90 for 9.0. */
  public int computeCapability() {
    return properties.computeCapability();
  }

  public int multiprocessors() {
    return properties.multiprocessors();
  }

  /** Bytes of the L2 cache. */
  public long l2Bytes() {
    return properties.l2Bytes();
  }

  /** Bytes of the device. */
  public long totalMemory() {
    return properties.totalMemory();
  }

  /** Bytes of dynamic shared memory that a kernel may have after {@link Kernel#allowSharedBytes}. */
  public int sharedMemoryPerBlockOptin() {
    return properties.sharedMemoryPerBlockOptin();
  }

  public GpuProperties properties() {
    return properties;
  }

  /** Bytes that no process holds now. */
  public long freeMemory() {
    makeCurrent();
    return DriverMemory.free();
  }

  /** A stream of work that waits for no other but by an {@link Event}. */
  public Stream newStream() {
    makeCurrent();
    return new Stream(this);
  }

  /** An event for order alone, cheaper than a timed one. */
  public Event newEvent() {
    makeCurrent();
    return new Event(this, false);
  }

  /** An event that also takes the time. */
  public Event newTimedEvent() {
    makeCurrent();
    return new Event(this, true);
  }

  /** Device memory until closed; throws {@link OutOfDeviceMemoryException}. Its content is whatever was there. */
  public DeviceBlock allocate(long bytes) {
    makeCurrent();
    return new DeviceBlock(this, bytes);
  }

  /** Page-locked host memory, from which copies are asynchronous and at full speed; its content is whatever was there. */
  public PinnedBlock allocatePinned(long bytes) {
    makeCurrent();
    return new PinnedBlock(this, bytes);
  }

  /** Loads compiled kernels. */
  public KernelModule load(byte[] cubin) {
    makeCurrent();
    return new KernelModule(this, cubin);
  }

  /** Waits for all streams of the device, and throws what went wrong on any. */
  public void synchronize() {
    makeCurrent();
    Driver.synchronizeContext();
  }

  /** Gives back to the driver what {@link Stream#free} has left in the pool. */
  public void trimPool() {
    makeCurrent();
    if (pool != 0) {
      DriverMemory.trimPool(pool, 0);
    }
  }

  /** True if this device can read and write the memory of device {@code other}. */
  public boolean canAccessPeer(int other) {
    makeCurrent();
    return Driver.canAccessPeer(device, Driver.device(other));
  }

  /** Lets this device's kernels touch the memory of {@code peer}; needs {@link #canAccessPeer}. */
  public void enablePeerAccess(CudaContext peer) {
    makeCurrent();
    Driver.enablePeerAccess(peer.handle);
  }

  /**
   * Makes this the calling thread's context for whatever is called next, after checking that the thread owns it; throws the failure of an
   * earlier {@code close()} of something made from it, which had nobody to tell.
   */
  public void makeCurrent() {
    handles.enter();
  }

  /** What owns the handles made on this device; for the bridge's own packages. */
  @SuppressWarnings("exports") // called by packages of this module alone
  public HandleOwner handles() {
    return handles;
  }

  private void setCurrent() {
    if (CURRENT.get() != this) {
      Driver.setCurrentContext(handle);
      CURRENT.set(this);
    }
  }

  /** Ends all that is still open and lets go of the device; a second call does nothing. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    handles.requireOwner();
    closed = true;
    try {
      handles.close();
    } finally {
      if (CURRENT.get() == this) {
        CURRENT.remove();
      }
      Driver.releasePrimaryContext(device);
    }
  }

  @Override
  public String toString() {
    return "device " + ordinal() + ", " + name();
  }
}
