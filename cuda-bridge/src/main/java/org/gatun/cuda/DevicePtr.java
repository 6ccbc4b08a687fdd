package org.gatun.cuda;

import java.util.Locale;

/** An address on a device and the bytes that may be touched from there. Not a {@code MemorySegment}: Java must not read through it. */
public record DevicePtr(long address, long byteSize) {
  public DevicePtr {
    if (byteSize < 0) {
      throw new IllegalArgumentException("device memory of " + byteSize + " bytes; expected none or more");
    }
  }

  /** The {@code byteSize} bytes from {@code offset} on; throws {@code IndexOutOfBoundsException} where they reach beyond this. */
  public DevicePtr slice(long offset, long byteSize) {
    if (offset < 0 || byteSize < 0 || offset > this.byteSize - byteSize) {
      throw new IndexOutOfBoundsException(
          "slice of " + byteSize + " bytes at " + offset + " of " + this + "; it must lie inside");
    }
    return new DevicePtr(address + offset, byteSize);
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%d bytes at 0x%x on the device", byteSize, address);
  }
}
