package org.gatun.gpu;

import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Kernel;
import org.gatun.cuda.cudnn.Cudnn;
import org.gatun.cuda.cudnn.Sdpa;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * Scaled dot-product attention: cuDNN's for BF16 without a mask, at the shapes it takes, on packed projections in place;
 * kernels of ours, in F32 without tensor cores, for all else: F32, masks, causal with other numbers of queries than keys, a
 * few queries, uneven head sizes, gradients that are added.
 */
final class GpuAttention implements Kernels.Attention {
  private static final int WARPS = 4;
  private static final int WARP = 32;
  private static final int LARGEST_HEAD = 512;

  /** Up to so many queries a block each is better than a tile of them. */
  private static final int FEW_QUERIES = 4;

  /** What a block may have of shared memory without asking for more. */
  private static final int SHARED_BYTES = 48 * 1024;

  private final CudaDevice device;
  private final Map<Sdpa.Problem, Optional<Sdpa.Forward>> forwards = new HashMap<>();
  private final Map<Sdpa.Problem, Optional<Sdpa.Backward>> backwards = new HashMap<>();
  private final Set<Kernel> widened = new HashSet<>();

  GpuAttention(CudaDevice device) {
    this.device = device;
  }

  @Override
  public void forward(
      Tensor y, Tensor lse, Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale) {
    if (y.shape().size() == 0) {
      return;
    }
    int queries = q.shape().dim(2);
    boolean few = queries <= FEW_QUERIES;
    if (!few && mask == null && isAll(DType.BF16, y, q, k, v)) {
      Sdpa.Problem problem = problem(y, q, k, v, causal, scale);
      Optional<Sdpa.Forward> plan = forwards.computeIfAbsent(problem, p -> plan(p, Sdpa::forward));
      if (plan.isPresent()) {
        plan.get().run(device.stream(), CudaDevice.pointer(q), CudaDevice.pointer(k), CudaDevice.pointer(v),
            CudaDevice.pointer(y), CudaDevice.pointer(lse), device.workspace(plan.get().workspaceBytes()));
        return;
      }
    }
    int own = ownRows(q);
    int blocks = blocks(q, few ? 1 : WARPS * own);
    Kernel kernel = device.kernel("attention.cu", few ? "attention_one_query" : "attention_forward",
        defines(q, k, v, mask, own, Map.of("TY", Pieces.type(y))));
    int tiles = few ? 0 : sharedBytes(q, own, 1, 1);
    allow(kernel, tiles);
    kernel.with()
        .structure(heads(y)).pointer(CudaDevice.pointer(lse)).structure(heads(q)).structure(heads(k))
        .structure(heads(v)).structure(mask(mask))
        .int32(q.shape().dim(1)).int32(queries).int32(k.shape().dim(2)).int32(causal ? 1 : 0).float32(scale)
        .int32(aligned(q, k, v))
        .over(device.stream(), blocks, 1, 1, WARPS * WARP, tiles);
  }

  @Override
  public void backward(
      Sink dq, Sink dk, Sink dv, Tensor dy, Tensor y, Tensor lse,
      Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale) {
    if (q.shape().size() == 0 && k.shape().size() == 0) {
      return;
    }
    boolean fits = q.shape().dim(2) > FEW_QUERIES && mask == null
        && isAll(DType.BF16, y, q, k, v, dy, dq.into(), dk.into(), dv.into())
        && !dq.add() && !dk.add() && !dv.add()
        && isLike(dy, y) && isLike(dq.into(), q) && isLike(dk.into(), k) && isLike(dv.into(), v);
    if (fits) {
      Sdpa.Problem problem = problem(y, q, k, v, causal, scale);
      Optional<Sdpa.Backward> plan = backwards.computeIfAbsent(problem, p -> plan(p, Sdpa::backward));
      if (plan.isPresent()) {
        run(plan.get(), problem, dq, dk, dv, dy, y, lse, q, k, v);
        return;
      }
    }
    own(dq, dk, dv, dy, y, lse, q, k, v, mask, causal, scale);
  }

  private void run(
      Sdpa.Backward plan, Sdpa.Problem problem, Sink dq, Sink dk, Sink dv, Tensor dy, Tensor y, Tensor lse,
      Tensor q, Tensor k, Tensor v) {
    long sums = aligned(problem.softmaxSumBytes());
    long queries = aligned(problem.dQSumBytes());
    DevicePtr all = device.workspace(sums + queries + plan.workspaceBytes());
    plan.run(device.stream(), CudaDevice.pointer(q), CudaDevice.pointer(k), CudaDevice.pointer(v),
        CudaDevice.pointer(y), CudaDevice.pointer(lse), CudaDevice.pointer(dy),
        Pieces.pointer(dq), Pieces.pointer(dk), Pieces.pointer(dv),
        all.slice(0, problem.softmaxSumBytes()), all.slice(sums, problem.dQSumBytes()),
        all.slice(sums + queries, plan.workspaceBytes()));
  }

  /**
   * Empty where cuDNN does not take the problem, or finds no kernel for it. Where it is not installed at all, that is an
   * error and no reason to train slowly.
   */
  private <P> Optional<P> plan(Sdpa.Problem problem, BiFunction<Cudnn, Sdpa.Problem, P> maker) {
    Cudnn library = device.dnn();
    if (Sdpa.whyNotSupported(problem).isPresent()) {
      return Optional.empty();
    }
    try {
      return Optional.of(maker.apply(library, problem));
    } catch (CudaException e) {
      if (!e.statusName().contains("NOT_SUPPORTED")) {
        throw e;
      }
      return Optional.empty();
    }
  }

  private Sdpa.Problem problem(Tensor y, Tensor q, Tensor k, Tensor v, boolean causal, float scale) {
    return new Sdpa.Problem(q.shape().dim(0), q.shape().dim(1), q.shape().dim(2), k.shape().dim(2), q.shape().dim(3),
        GpuLinear.elementType(q.dtype()), causal, scale, strides(q), strides(k), strides(v), strides(y),
        device.options().deterministic());
  }

  private static Sdpa.Strides strides(Tensor x) {
    return new Sdpa.Strides(x.stride(0), x.stride(1), x.stride(2));
  }

  private void own(
      Sink dq, Sink dk, Sink dv, Tensor dy, Tensor y, Tensor lse,
      Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale) {
    int heads = q.shape().dim(1);
    int queries = q.shape().dim(2);
    int keys = k.shape().dim(2);
    int own = ownRows(q);
    Map<String, String> defines = defines(q, k, v, mask, own, Map.of("TY", Pieces.type(y), "TDY", Pieces.type(dy),
        "TDQ", Pieces.type(dq), "TDK", Pieces.type(dk), "TDV", Pieces.type(dv)));
    long rows = (long) q.shape().dim(0) * heads * queries;
    DevicePtr dots = device.workspace(Math.max(1, rows * Float.BYTES));
    int tiles = sharedBytes(q, own, 2, 2);
    if (rows > 0) {
      device.kernel("attention_backward.cu", "attention_dots", defines).with()
          .pointer(dots).structure(heads(dy)).structure(heads(y)).int32(heads).int32(queries).int64(rows)
          .over(device.stream(), Math.toIntExact(Math.ceilDiv(rows, WARPS)), WARPS * WARP);
      Kernel kernel = device.kernel("attention_backward.cu", "attention_backward_queries", defines);
      allow(kernel, tiles);
      kernel.with()
          .structure(heads(dq.into())).structure(heads(dy)).pointer(dots).pointer(CudaDevice.pointer(lse))
          .structure(heads(q)).structure(heads(k)).structure(heads(v)).structure(mask(mask))
          .int32(heads).int32(queries).int32(keys).int32(causal ? 1 : 0).float32(scale)
          .int32(Pieces.add(dq)).int32(aligned(q, k, v, dy))
          .over(device.stream(), blocks(q, WARPS * own), 1, 1, WARPS * WARP, tiles);
    }
    if (keys > 0) {
      Kernel kernel = device.kernel("attention_backward.cu", "attention_backward_keys", defines);
      allow(kernel, tiles);
      kernel.with()
          .structure(heads(dk.into())).structure(heads(dv.into())).structure(heads(dy)).pointer(dots)
          .pointer(CudaDevice.pointer(lse)).structure(heads(q)).structure(heads(k)).structure(heads(v))
          .structure(mask(mask)).int32(heads).int32(queries).int32(keys).int32(causal ? 1 : 0).float32(scale)
          .int32(Pieces.add(dk)).int32(Pieces.add(dv)).int32(aligned(q, k, v, dy))
          .over(device.stream(), blocks(k, WARPS * own), 1, 1, WARPS * WARP, tiles);
    }
  }

  private static Map<String, String> defines(
      Tensor q, Tensor k, Tensor v, Tensor mask, int own, Map<String, String> others) {
    var defines = new TreeMap<>(others);
    defines.put("TQ", Pieces.type(q));
    defines.put("TK", Pieces.type(k));
    defines.put("TV", Pieces.type(v));
    defines.put("TMASK", Pieces.type(mask));
    defines.put("HEAD", String.valueOf(q.shape().dim(3)));
    defines.put("OWN", String.valueOf(own));
    return defines;
  }

  /** Rows a warp owns: as many as its registers have room for. */
  private static int ownRows(Tensor q) {
    int head = q.shape().dim(3);
    if (head > LARGEST_HEAD) {
      throw new IllegalArgumentException("attention: heads of " + head + " elements are more than the " + LARGEST_HEAD
          + " that the GPU's kernels take; use more and smaller heads");
    }
    return head <= 128 ? 8 : head <= 256 ? 4 : 2;
  }

  /** Tiles of rows owned and of rows that come by, and the weights of the latter for the former. */
  private static int sharedBytes(Tensor q, int own, int owned, int passing) {
    int pitch = Math.ceilDiv(q.shape().dim(3), WARP) * WARP + 4;
    return (pitch * (owned * WARPS * own + passing * WARP) + WARPS * own * WARP) * Float.BYTES;
  }

  private void allow(Kernel kernel, int bytes) {
    if (bytes > SHARED_BYTES && widened.add(kernel)) {
      kernel.allowSharedBytes(bytes);
    }
  }

  private static int blocks(Tensor x, int rows) {
    long heads = (long) x.shape().dim(0) * x.shape().dim(1);
    return Math.toIntExact(heads * Math.ceilDiv(x.shape().dim(2), rows));
  }

  /** The words of {@code Heads} in attention.cuh. */
  private static MemorySegment heads(Tensor x) {
    return MemorySegment.ofArray(
        new long[]{CudaDevice.pointer(x).address(), x.stride(0), x.stride(1), x.stride(2)});
  }

  /** The words of {@code Mask} in attention.cuh. */
  private static MemorySegment mask(Tensor mask) {
    return MemorySegment.ofArray(mask == null
        ? new long[5]
        : new long[]{CudaDevice.pointer(mask).address(), mask.stride(0), mask.stride(1), mask.stride(2),
          mask.stride(3)});
  }

  private static boolean isAll(DType type, Tensor... tensors) {
    for (Tensor x : tensors) {
      if (x.dtype() != type || !CudaDevice.isAligned(x)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isLike(Tensor a, Tensor b) {
    return strides(a).equals(strides(b));
  }

  /** 1 where rows can be read 16 bytes at a time, else 0. */
  private static int aligned(Tensor... views) {
    for (Tensor x : views) {
      if ((x.shape().dim(3) | x.stride(0) | x.stride(1) | x.stride(2)) % Pieces.SIZE != 0) {
        return 0;
      }
    }
    return Pieces.aligned(0, views);
  }

  private static long aligned(long bytes) {
    return Math.ceilDiv(bytes, 256) * 256;
  }
}
