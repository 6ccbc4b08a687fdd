package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DevicePtrTest {
  private final DevicePtr block = new DevicePtr(0x7f0000000000L, 1024);

  @Test
  void sliceLiesInside() {
    assertEquals(new DevicePtr(0x7f0000000100L, 768), block.slice(256, 768));
    assertEquals(new DevicePtr(0x7f0000000400L, 0), block.slice(1024, 0));
  }

  @ParameterizedTest
  @CsvSource({"-1,1", "0,1025", "1,1024", "1024,1", "0,-1", "9223372036854775807,1", "1,9223372036854775807"})
  void sliceBeyondTheBlockIsRefused(long offset, long byteSize) {
    var refused = assertThrows(IndexOutOfBoundsException.class, () -> block.slice(offset, byteSize));
    assertEquals("slice of " + byteSize + " bytes at " + offset
        + " of 1024 bytes at 0x7f0000000000 on the device; it must lie inside", refused.getMessage());
  }

  @Test
  void negativeSizeIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new DevicePtr(0, -1));
  }
}
