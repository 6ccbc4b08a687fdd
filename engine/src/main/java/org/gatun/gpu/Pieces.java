package org.gatun.gpu;

import org.gatun.cuda.DevicePtr;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** How tensors, some of them null for none, are told to kernels that go eight elements at a time. */
final class Pieces {
  /** Elements a thread reads together: 16 or 32 bytes. */
  static final int SIZE = 8;

  private static final DevicePtr NOTHING = new DevicePtr(0, 0);

  private Pieces() {}

  /** 1 where contiguous rows of so many elements can be read 16 bytes at a time, else 0. */
  static int aligned(long columns, Tensor... tensors) {
    if (columns % SIZE != 0) {
      return 0;
    }
    for (Tensor x : tensors) {
      if (x != null && !CudaDevice.isAligned(x)) {
        return 0;
      }
    }
    return 1;
  }

  static DevicePtr pointer(Tensor x) {
    return x == null ? NOTHING : CudaDevice.pointer(x);
  }

  static DevicePtr pointer(Sink sink) {
    return pointer(into(sink));
  }

  static int add(Sink sink) {
    return sink != null && sink.add() ? 1 : 0;
  }

  static Tensor into(Sink sink) {
    return sink == null ? null : sink.into();
  }

  /** What kernels call the elements' type; anything where there are none. */
  static String type(Tensor x) {
    return x == null ? "float" : CudaDevice.cType(x.dtype());
  }

  static String type(Sink sink) {
    return type(into(sink));
  }
}
