package org.gatun.cuda;

import org.gatun.cuda.ffi.NativeHandle;

/**
 * Device memory that is held until closed. Hold on to the block as long as its pointer is in use: a block that was forgotten is freed when
 * the device is next called.
 */
public final class DeviceBlock implements AutoCloseable {
  private final NativeHandle handle;
  private final long byteSize;

  DeviceBlock(CudaContext context, long byteSize) {
    if (byteSize <= 0) {
      throw new IllegalArgumentException("allocate " + byteSize + " bytes; expected at least one");
    }
    this.byteSize = byteSize;
    this.handle = context.handles().own("block of device memory", DriverMemory.allocate(byteSize), DriverMemory::free);
  }

  /** All of it; throws {@code IllegalStateException} after {@link #close}. */
  public DevicePtr pointer() {
    return new DevicePtr(handle.unchecked(), byteSize);
  }

  public long byteSize() {
    return byteSize;
  }

  /** Frees it, after waiting until the device is done with it. */
  @Override
  public void close() {
    handle.close();
  }
}
