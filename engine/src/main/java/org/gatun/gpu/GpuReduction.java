package org.gatun.gpu;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.gatun.cuda.DevicePtr;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Sums and extremes in F32. What is long is cut into pieces by shape alone, which a second launch brings together, so that
 * results do not depend on the card.
 */
final class GpuReduction implements Kernels.Reduction {
  private static final int WARP = 32;

  /** Elements up to which a warp is enough for an output. */
  private static final int SHORT = 1024;

  /** Elements that make a piece worth a block. */
  private static final int ROW_PIECE = 8192;

  private static final int COLUMN_PIECE = 256;

  /** Blocks that keep any card busy: no more pieces are made than lead to these. */
  private static final long ENOUGH_BLOCKS = 1024;

  private final CudaDevice device;

  GpuReduction(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void reduce(Sink y, Combine combine, Tensor x, int... axes) {
    int[] others =
        IntStream.range(0, x.shape().rank()).filter(axis -> Arrays.binarySearch(axes, axis) < 0).toArray();
    Walk kept = Walk.along(others, x);
    Walk reduced = Walk.along(axes, x);
    if (kept.size() == 0) {
      return;
    }
    boolean columns = reduced.size() > 1 && kept.size() > 1 && isFastest(kept, reduced);
    long worth = columns ? COLUMN_PIECE : ROW_PIECE;
    long blocks = columns ? Math.ceilDiv(kept.size(), WARP) : kept.size();
    long most = Math.clamp(Math.ceilDiv(reduced.size(), worth), 1, Math.max(1, ENOUGH_BLOCKS / blocks));
    long piece = Math.max(1, Math.ceilDiv(reduced.size(), most));
    long pieces = Math.max(1, Math.ceilDiv(reduced.size(), piece));
    if (pieces == 1) {
      launch(columns, combine, y, kept, reduced, x, piece);
      return;
    }
    DevicePtr partial = device.workspace(pieces * kept.size() * Float.BYTES);
    launch(columns, combine, partial, DType.F32, CudaDevice.pointer(x), x.dtype(), kept, reduced, piece, pieces, false);
    launch(true, combine, CudaDevice.pointer(y.into()), y.into().dtype(), partial, DType.F32, Walk.of(kept.size(), 1),
        Walk.of(pieces, kept.size()), pieces, 1, y.add());
  }

  private void launch(boolean columns, Combine combine, Sink y, Walk kept, Walk reduced, Tensor x, long piece) {
    launch(columns, combine, CudaDevice.pointer(y.into()), y.into().dtype(), CudaDevice.pointer(x), x.dtype(), kept,
        reduced,
        piece, 1, y.add());
  }

  /** Whether neighbours among the outputs lie closer together than those that are brought together. */
  private static boolean isFastest(Walk kept, Walk reduced) {
    long across = kept.stride(0, kept.rank() - 1);
    return across > 0
        && IntStream.range(0, reduced.rank()).mapToLong(axis -> reduced.stride(0, axis))
            .allMatch(s -> s == 0 || s > across);
  }

  private void launch(
      boolean columns, Combine combine, DevicePtr y, DType yType, DevicePtr x, DType xType, Walk kept, Walk reduced,
      long piece, long pieces, boolean add) {
    String name = (columns ? "columns_" : "rows_") + combine.name().toLowerCase(Locale.ROOT);
    long tasks = (columns ? Math.ceilDiv(kept.size(), WARP) : kept.size()) * pieces;
    int threads = columns || piece > SHORT ? CudaDevice.THREADS : WARP;
    device.kernel("reduction.cu", name, Map.of("TX", CudaDevice.cType(xType), "TY", CudaDevice.cType(yType)))
        .with()
        .pointer(y).pointer(x).structure(kept.argument()).structure(reduced.argument()).int64(piece).int64(pieces)
        .int32(add ? 1 : 0)
        .over(device.stream(), device.blocks(tasks), threads);
  }

  @Override
  public void argMax(Tensor y, Tensor x) {
    long rows = y.shape().size();
    int columns = x.shape().dim(-1);
    if (rows == 0) {
      return;
    }
    device.kernel("argmax.cu", "argmax", Map.of("TX", CudaDevice.cType(x.dtype())))
        .with()
        .pointer(CudaDevice.pointer(y)).pointer(CudaDevice.pointer(x)).int64(rows).int32(columns)
        .over(device.stream(), device.blocks(rows), columns > SHORT ? CudaDevice.THREADS : WARP);
  }
}
