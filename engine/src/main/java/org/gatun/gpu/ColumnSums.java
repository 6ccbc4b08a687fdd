package org.gatun.gpu;

import java.util.Map;
import org.gatun.cuda.DevicePtr;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Sums down the columns of matrices: by groups of rows first, then over the groups, both in an order of shape alone. */
final class ColumnSums {
  private static final int WARP = 32;

  /** Rows that are worth a block, and the most groups that one more launch brings together. */
  private static final int GROUP = 64;

  private static final int MAX_GROUPS = 1024;

  /** Columns of a block: eight a lane. */
  private static final int TILE = 8 * WARP;

  private final CudaDevice device;

  ColumnSums(CudaDevice device) {
    this.device = device;
  }

  /** y[c] = Σ_n x[n, c] for a contiguous x [.., C]. */
  void sum(Sink y, Tensor x) {
    int columns = x.shape().dim(-1);
    if (columns == 0) {
      return;
    }
    long rows = x.shape().size() / columns;
    int groups = (int) Math.min(MAX_GROUPS, Math.ceilDiv(rows, GROUP));
    DevicePtr partial = device.workspace((long) Math.max(1, groups) * columns * Float.BYTES);
    if (groups > 0) {
      device.kernel("columns.cu", "sum_columns", defines(CudaDevice.cType(x.dtype()), y, null)).with()
          .pointer(partial).pointer(CudaDevice.pointer(x)).int64(rows).int64(columns)
          .int32(Pieces.aligned(columns, x))
          .over(device.stream(), Math.ceilDiv(columns, TILE), groups, 1, 8 * WARP, 0);
    }
    combine(y, null, partial, groups, columns);
  }

  /**
   * Adds up partial F32 [groups, columns] into {@code first}, and another such matrix right behind it into {@code second};
   * either may be null for none.
   */
  void combine(Sink first, Sink second, DevicePtr partial, int groups, int columns) {
    device.kernel("columns.cu", "combine_columns", defines("float", first, second)).with()
        .pointer(Pieces.pointer(first)).int32(Pieces.add(first))
        .pointer(Pieces.pointer(second)).int32(Pieces.add(second))
        .pointer(partial).int64(groups).int64(columns)
        .over(device.stream(), Math.ceilDiv(columns, WARP), second == null ? 1 : 2, 1,
            WARP * Math.clamp(groups, 1, WARP), 0);
  }

  private static Map<String, String> defines(String type, Sink first, Sink second) {
    return Map.of("TX", type, "TFIRST", Pieces.type(first), "TSECOND", Pieces.type(second));
  }
}
