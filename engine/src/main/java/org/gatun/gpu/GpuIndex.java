package org.gatun.gpu;

import java.util.Map;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Kernel;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Look-ups by index and their transposes. An index out of bounds changes nothing in memory and is told by the next
 * download. Sums are formed in F32 in the order the contract names, with one rounding at the end.
 */
final class GpuIndex implements Kernels.Index {
  private static final String TABLE = ": index %d at position %d is outside of the table's %d rows";
  private static final String ROW = ": index %d at position %d is outside of the rows' %d elements";
  private static final String CLASSES = ": index %d at position %d is outside of the %d classes";

  /** Columns of a table a block adds to. */
  private static final int COLUMNS = 128;

  private final CudaDevice device;

  GpuIndex(CudaDevice device) {
    this.device = device;
  }

  private Kernel kernel(String name, DType x, DType y) {
    return device.kernel("index.cu", name, Map.of("TX", CudaDevice.cType(x), "TY", CudaDevice.cType(y)));
  }

  @Override
  public void embedding(Tensor y, Tensor table, Tensor indices) {
    int rows = table.shape().dim(0);
    int columns = table.shape().dim(1);
    device.checkIndices("embedding" + TABLE, indices, rows, null);
    if (y.shape().size() == 0) {
      return;
    }
    int width = 16 / Math.min(table.dtype().byteSize(), y.dtype().byteSize());
    boolean vector = columns % width == 0 && CudaDevice.isAligned(table) && CudaDevice.isAligned(y);
    int threads = Math.clamp(Math.ceilDiv(vector ? columns / width : columns, 32) * 32L, 32, CudaDevice.THREADS);
    long count = indices.shape().size();
    kernel("embedding_forward", table.dtype(), y.dtype()).with()
        .pointer(CudaDevice.pointer(y)).pointer(CudaDevice.pointer(table)).pointer(CudaDevice.pointer(indices))
        .int64(count)
        .int32(columns).int32(rows).int32(vector ? 1 : 0)
        .over(device.stream(), device.blocks(count), threads);
  }

  @Override
  public void embeddingBackward(Sink dtable, Tensor dy, Tensor indices) {
    Tensor into = dtable.into();
    int rows = into.shape().dim(0);
    int columns = into.shape().dim(1);
    device.checkIndices("embeddingBackward" + TABLE, indices, rows, null);
    clearUnlessAdded(dtable);
    if (dy.shape().size() == 0) {
      return;
    }
    int count = Math.toIntExact(indices.shape().size());
    DevicePtr order = device.workspace((long) count * Integer.BYTES);
    device.kernel("order.cu", "rank_indices").with()
        .pointer(order).pointer(CudaDevice.pointer(indices)).int32(count)
        .over(device.stream(), device.blocks(count, CudaDevice.THREADS), CudaDevice.THREADS);
    kernel("embedding_backward", dy.dtype(), into.dtype()).with()
        .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(dy)).pointer(CudaDevice.pointer(indices))
        .pointer(order)
        .int64(count).int32(columns).int32(rows).int32(dtable.add() ? 1 : 0)
        .over(device.stream(), count, Math.ceilDiv(columns, COLUMNS), 1, COLUMNS, 0);
  }

  @Override
  public void gather(Tensor y, Tensor x, Tensor indices) {
    int columns = x.shape().dim(-1);
    device.checkIndices("gather" + ROW, indices, columns, null);
    long count = y.shape().size();
    if (count > 0) {
      kernel("gather_forward", x.dtype(), y.dtype()).with()
          .pointer(CudaDevice.pointer(y)).pointer(CudaDevice.pointer(x)).pointer(CudaDevice.pointer(indices))
          .int64(count)
          .int32(y.shape().dim(-1)).int32(columns)
          .over(device.stream(), device.blocks(count, CudaDevice.THREADS), CudaDevice.THREADS);
    }
  }

  @Override
  public void gatherBackward(Sink dx, Tensor dy, Tensor indices) {
    Tensor into = dx.into();
    int columns = into.shape().dim(-1);
    device.checkIndices("gatherBackward" + ROW, indices, columns, null);
    clearUnlessAdded(dx);
    long count = dy.shape().size();
    if (count > 0) {
      kernel("gather_backward", dy.dtype(), into.dtype()).with()
          .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(dy)).pointer(CudaDevice.pointer(indices))
          .int64(count)
          .int32(dy.shape().dim(-1)).int32(columns)
          .over(device.stream(), device.blocks(count, CudaDevice.THREADS), CudaDevice.THREADS);
    }
  }

  @Override
  public void oneHot(Tensor y, Tensor indices) {
    int columns = y.shape().dim(-1);
    device.checkIndices("oneHot" + CLASSES, indices, columns, null);
    long size = y.shape().size();
    if (size > 0) {
      kernel("one_hot", DType.F32, y.dtype()).with()
          .pointer(CudaDevice.pointer(y)).pointer(CudaDevice.pointer(indices)).int64(size).int32(columns)
          .over(device.stream(), device.blocks(size, CudaDevice.THREADS), CudaDevice.THREADS);
    }
  }

  private void clearUnlessAdded(Sink sink) {
    if (!sink.add()) {
      device.kernels().pointwise().fill(sink.into(), 0f);
    }
  }
}
