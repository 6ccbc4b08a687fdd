package org.gatun.gpu;

import java.util.Map;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** A copy between views that are each dense along another axis: what transpose.cu is for. */
final class Transposition {
  /** Elements along an axis below which a tile would be mostly empty. */
  private static final int LEAST = 8;

  private Transposition() {}

  /** Copies if this is a transposition; false if it is none, and nothing is done. */
  static boolean run(CudaDevice device, Sink y, Tensor x) {
    Tensor into = y.into();
    Walk walk = Walk.of(into, x);
    int column = dense(walk, 0);
    int row = dense(walk, 1);
    if (row < 0 || column < 0 || row == column || walk.dim(row) < LEAST || walk.dim(column) < LEAST
        || into.dtype() == DType.I32 || x.dtype() == DType.I32) {
      return false;
    }
    Walk outer = walk.without(row, column);
    long tiles = Math.ceilDiv(walk.dim(row), 32L) * Math.ceilDiv(walk.dim(column), 32L) * outer.size();
    device.kernel("transpose.cu", "transpose",
        Map.of("TX", CudaDevice.cType(x.dtype()), "TY", CudaDevice.cType(into.dtype())))
        .with()
        .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(x)).structure(outer.argument())
        .int64(walk.dim(row)).int64(walk.dim(column)).int64(walk.stride(0, row)).int64(walk.stride(1, column))
        .int32(y.add() ? 1 : 0)
        .over(device.stream(), device.blocks(tiles), CudaDevice.THREADS);
    return true;
  }

  /** The axis along which a tensor's elements lie side by side; -1 if there is none. */
  private static int dense(Walk walk, int tensor) {
    int axis = walk.rank() - 1;
    while (axis >= 0 && walk.stride(tensor, axis) != 1) {
      axis--;
    }
    return axis;
  }
}
