package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.DType;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;

class CpuDeviceTest {
  @Test
  void elementsComeBackAsTheyWentIn() {
    try (var device = new CpuDevice();
        var scope = Scope.on(device)) {
      Tensor x = scope.allocate(Shape.of(2, 3), DType.F32);
      float[] values = {1, 2, 3, 4, 5, 6};
      float[] back = new float[6];
      device.upload(x, MemorySegment.ofArray(values));
      device.download(MemorySegment.ofArray(back), x);
      assertArrayEquals(values, back);
    }
  }

  @Test
  void whatLoopsAreMadeOfIsTold() {
    try (var device = new CpuDevice(1)) {
      String loops = device.loops();
      boolean known = loops.matches("in machine code for AVX(2|-512)|by the Vector API: \\S.*");
      assertTrue(known, loops);
      assertEquals(X86Kernels.orNull() != null, loops.startsWith("in machine code"));
    }
  }

  @Test
  void wrongNumberOfBytesIsRefused() {
    try (var device = new CpuDevice(1);
        var scope = Scope.on(device)) {
      Tensor x = scope.allocate(Shape.of(2, 3), DType.F32);
      var refusal =
          assertThrows(
              IllegalArgumentException.class,
              () -> device.upload(x, MemorySegment.ofArray(new float[5])));
      assertTrue(refusal.getMessage().startsWith("upload: 20 bytes, but "), refusal.getMessage());
    }
  }

  @Test
  void scopesGiveTheirMemoryBack() {
    try (var device = new CpuDevice(1)) {
      for (int i = 0; i < 3; i++) {
        try (var scope = Scope.on(device)) {
          scope.full(1, Shape.of(1000));
          assertEquals(4096, device.bytesInUse());
        }
        assertEquals(0, device.bytesInUse());
        assertEquals(4096, device.bytesReserved());
      }
    }
  }

  @Test
  void useAfterCloseIsRefused() {
    var device = new CpuDevice(2);
    device.close();
    device.close();
    var refusal = assertThrows(IllegalStateException.class, device::kernels);
    assertTrue(refusal.getMessage().startsWith("this CpuDevice is closed"));
    assertThrows(IllegalStateException.class, () -> device.take(1));
  }
}
