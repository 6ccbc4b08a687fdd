package org.gatun.cuda.cudnn;

import java.util.List;
import java.util.Optional;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.Stream;
import org.gatun.cuda.cudnn.CudnnGraph.Tensor;
import org.gatun.cuda.ffi.NativeHandle;

/**
 * Scaled dot-product attention, forward and backward, as the graphs that cuDNN's own front end builds (cudnn-frontend 1.23,
 * scaled_dot_product_flash_attention.h), which cuDNN turns into one or a few flash attention kernels: the T x T scores are
 * never written. Letters: B batch, NH heads, T queries, S keys, HS head size.
 */
public final class Sdpa {
  // Names of the tensors in the graphs.
  static final long Q = 1;
  static final long K = 2;
  static final long V = 3;
  static final long O = 4;
  static final long STATS = 5;
  static final long SCALE = 6;
  static final long MINUS_INFINITY = 7;
  static final long DO = 8;
  static final long DQ = 9;
  static final long DK = 10;
  static final long DV = 11;
  static final long ONE = 12;
  static final long DQ_SUM = 13;
  static final long SOFTMAX_SUM = 14;

  private Sdpa() {}

  /**
   * Where the HS numbers of a head at a time lie: at {@code b * batch + head * nh + time * t} elements. That they lie next
   * to each other cannot be said otherwise, because another stride <em>ends the process</em> inside cuDNN 9.24.
   */
  public record Strides(long batch, long head, long time) {}

  /**
   * One attention. Gradients have the strides of what they are the gradient of.
   *
   * @param scale of the scores before the softmax, usually 1 / sqrt(HS)
   * @param deterministic sums dQ in a fixed order, at B * NH * T * S * 2 bytes more of workspace (cuDNN 9.24 on Hopper)
   */
  public record Problem(long batch, long heads, long queries, long keys, long headSize, ElementType type,
      boolean causal,
      float scale, Strides q, Strides k, Strides v, Strides o, boolean deterministic) {

    /** q, k, v inside one tensor [B, T, 3, NH, HS], o in one [B, T, NH, HS], scale 1 / sqrt(HS). */
    public static Problem packed(long batch, long heads, long time, long headSize, ElementType type, boolean causal,
        boolean deterministic) {
      long channels = heads * headSize;
      var qkv = new Strides(time * 3 * channels, headSize, 3 * channels);
      var o = new Strides(time * channels, headSize, channels);
      return new Problem(batch, heads, time, time, headSize, type, causal, (float) (1 / Math.sqrt(headSize)), qkv, qkv,
          qkv, o, deterministic);
    }

    /** Bytes of the logarithms of the softmax's sums, F32 [B, NH, T] packed, which forward writes for backward. */
    public long statsBytes() {
      return batch * heads * queries * Float.BYTES;
    }

    /** Bytes of the sums of dO * O, F32 [B, NH, T], which backward wants for itself; they need not be cleared. */
    public long softmaxSumBytes() {
      return statsBytes();
    }

    /** Bytes in which backward sums dQ, F32 [B, NH, T, HS], not to be cleared; 0 if deterministic. */
    public long dQSumBytes() {
      return deterministic ? 0 : batch * heads * queries * headSize * Float.BYTES;
    }

    private Layout layout(long rows, Strides strides) {
      return new Layout(List.of(batch, heads, rows, headSize), List.of(strides.batch, strides.head, strides.time, 1L));
    }

    private Layout qLayout() {
      return layout(queries, q);
    }

    private Layout kLayout() {
      return layout(keys, k);
    }

    private Layout vLayout() {
      return layout(keys, v);
    }

    private Layout oLayout() {
      return layout(queries, o);
    }

    /** Other strides than packed ones are taken when the graph is built, and give wrong gradients (JuliaGPU/CUDA.jl pull 3174). */
    private Layout statsLayout() {
      return Layout.packed(batch, heads, queries, 1);
    }

    private Layout transposedScores() {
      return Layout.packed(batch, heads, queries, keys).transposed();
    }
  }

  /** Why cuDNN cannot compute this attention, in one sentence; empty if nothing is known against it. Needs no device. */
  public static Optional<String> whyNotSupported(Problem problem) {
    return SdpaRules.broken(problem).map(rule -> "attention by cuDNN: " + rule);
  }

  /** Compiles the forward kernel: about a second. Throws {@code IllegalArgumentException} where {@link #whyNotSupported} has a reason. */
  public static Forward forward(Cudnn cudnn, Problem problem) {
    return new Forward(cudnn, forwardPlan(problem, DeviceProperties.of(cudnn.context())));
  }

  /** Compiles the backward kernels: about half a second. Throws {@code IllegalArgumentException} as {@link #forward} does. */
  public static Backward backward(Cudnn cudnn, Problem problem) {
    return new Backward(cudnn, backwardPlan(problem, DeviceProperties.of(cudnn.context())), problem.deterministic);
  }

  /** O = softmax(scale * Q Kᵀ, masked) V. */
  public static final class Forward implements AutoCloseable {
    private final Cudnn cudnn;
    private final CudnnPlan plan;
    private final NativeHandle handle;

    private Forward(Cudnn cudnn, CudnnPlan plan) {
      this.cudnn = cudnn;
      this.plan = plan;
      handle = owned(cudnn, plan);
    }

    /** Bytes of device memory that a run needs beside the tensors. */
    public long workspaceBytes() {
      return plan.workspaceBytes();
    }

    /** Queues the kernel: reads q, k, v; writes o and stats, the log-sum-exp of each row of scores. */
    public void run(Stream stream, DevicePtr q, DevicePtr k, DevicePtr v, DevicePtr o, DevicePtr stats,
        DevicePtr workspace) {
      plan.bind(Q, q).bind(K, k).bind(V, v).bind(O, o).bind(STATS, stats).run(cudnn, stream, workspace);
    }

    @Override
    public void close() {
      handle.close();
    }
  }

  /** The gradients dQ, dK, dV of a loss by its gradient dO. */
  public static final class Backward implements AutoCloseable {
    private final Cudnn cudnn;
    private final CudnnPlan plan;
    private final NativeHandle handle;
    private final boolean deterministic;

    private Backward(Cudnn cudnn, CudnnPlan plan, boolean deterministic) {
      this.cudnn = cudnn;
      this.plan = plan;
      this.handle = owned(cudnn, plan);
      this.deterministic = deterministic;
    }

    /** Bytes of device memory that a run needs beside the tensors. */
    public long workspaceBytes() {
      return plan.workspaceBytes();
    }

    /**
     * Queues the kernels: reads q, k, v, o, stats and dO; overwrites dQ, dK, dV. {@code softmaxSum} and {@code dQSum} are
     * memory of {@link Problem#softmaxSumBytes} and {@link Problem#dQSumBytes} for the time of the run; {@code dQSum} may be
     * {@code null} if deterministic.
     */
    public void run(Stream stream, DevicePtr q, DevicePtr k, DevicePtr v, DevicePtr o, DevicePtr stats, DevicePtr dO,
        DevicePtr dQ, DevicePtr dK, DevicePtr dV, DevicePtr softmaxSum, DevicePtr dQSum, DevicePtr workspace) {
      plan.bind(Q, q).bind(K, k).bind(V, v).bind(O, o).bind(STATS, stats).bind(DO, dO);
      plan.bind(DQ, dQ).bind(DK, dK).bind(DV, dV).bind(SOFTMAX_SUM, softmaxSum);
      if (!deterministic) {
        plan.bind(DQ_SUM, dQSum);
      }
      plan.run(cudnn, stream, workspace);
    }

    @Override
    public void close() {
      handle.close();
    }
  }

  /** The plan in the hands of the device's owner, which ends it where nobody else did. */
  private static NativeHandle owned(Cudnn cudnn, CudnnPlan plan) {
    return cudnn.context().handles().own("attention plan", 0, _ -> plan.close());
  }

  static CudnnPlan forwardPlan(Problem problem, DeviceProperties device) {
    check(problem);
    try (var graph = new CudnnGraph()) {
      forward(graph, problem);
      return graph.plan(device);
    }
  }

  static CudnnPlan backwardPlan(Problem problem, DeviceProperties device) {
    check(problem);
    try (var graph = new CudnnGraph()) {
      backward(graph, problem);
      return graph.plan(device);
    }
  }

  private static void check(Problem problem) {
    whyNotSupported(problem).ifPresent(reason -> {
      throw new IllegalArgumentException(reason);
    });
  }

  private static void forward(CudnnGraph graph, Problem p) {
    GraphType type = GraphType.of(p.type);
    Tensor q = graph.tensor(Q, type, p.qLayout());
    Tensor kT = graph.tensor(K, type, p.kLayout().transposed());
    Tensor v = graph.tensor(V, type, p.vLayout());
    Tensor o = graph.tensor(O, type, p.oLayout());
    Tensor stats = graph.tensor(STATS, GraphType.FLOAT, p.statsLayout());

    Tensor scores =
        masked(graph, p, graph.pointwise(Pointwise.MULTIPLY, graph.matmul(q, kT), graph.scalar(SCALE, p.scale)));
    Tensor max = graph.reduce(Reduction.MAX, scores);
    Tensor exp = graph.pointwise(Pointwise.EXP, graph.pointwise(Pointwise.SUBTRACT, scores, max));
    Tensor sum = graph.reduce(Reduction.SUM, exp);
    graph.pointwise(Pointwise.ADD, max, graph.pointwise(Pointwise.LOG, sum), stats);
    Tensor weights = graph.pointwise(Pointwise.DIVIDE, exp, sum, graph.virtual(type, exp.layout()));
    graph.matmul(weights, v, o);
  }

  /** dV = Pᵀ dO; dS = scale * P * (dO Vᵀ - rowsum(dO * O)); dK = dSᵀ Q; dQ = dS K, with P = exp(scores - stats). */
  private static void backward(CudnnGraph graph, Problem p) {
    GraphType type = GraphType.of(p.type);
    Tensor q = graph.tensor(Q, type, p.qLayout());
    Tensor kT = graph.tensor(K, type, p.kLayout().transposed());
    Tensor vT = graph.tensor(V, type, p.vLayout().transposed());
    Tensor o = graph.tensor(O, type, p.oLayout());
    Tensor dO = graph.tensor(DO, type, p.oLayout());
    Tensor stats = graph.tensor(STATS, GraphType.FLOAT, p.statsLayout());
    Tensor scale = graph.scalar(SCALE, p.scale);

    Tensor rowSum = graph.reduce(Reduction.SUM, graph.pointwise(Pointwise.MULTIPLY, dO, o));
    Tensor softmaxSum = graph.pointwise(Pointwise.MULTIPLY, rowSum, graph.scalar(ONE, 1),
        graph.tensor(SOFTMAX_SUM, GraphType.FLOAT, p.statsLayout()));

    Tensor scores = graph.pointwise(Pointwise.MULTIPLY, graph.matmul(q, kT), scale);
    Tensor weights = graph.pointwise(Pointwise.EXP,
        masked(graph, p, graph.pointwise(Pointwise.SUBTRACT, scores, stats)));
    graph.matmul(graph.reshape(weights, type, p.transposedScores()), dO, graph.tensor(DV, type, p.vLayout()));

    Tensor dWeights = graph.pointwise(Pointwise.SUBTRACT, graph.matmul(dO, vT), softmaxSum);
    Tensor dScores = graph.pointwise(Pointwise.MULTIPLY, graph.pointwise(Pointwise.MULTIPLY, dWeights, weights), scale);
    graph.matmul(graph.reshape(dScores, type, p.transposedScores()), q, graph.tensor(DK, type, p.kLayout()));

    Tensor k = graph.reshape(kT, type, p.kLayout());
    Tensor dQ = graph.tensor(DQ, type, p.qLayout());
    if (p.deterministic) {
      graph.matmul(dScores, k, dQ);
    } else {
      Tensor sum = graph.tensor(DQ_SUM, GraphType.FLOAT, Layout.packed(p.batch, p.heads, p.queries, p.headSize));
      graph.pointwise(Pointwise.IDENTITY, graph.matmul(dScores, k, sum), null, dQ);
    }
  }

  private static Tensor masked(CudnnGraph graph, Problem p, Tensor scores) {
    // Before 9.10 cuDNN's own front end gives the least number instead of infinity (attn_score_modifiers.h).
    float never = CudnnLibrary.version() >= 91000 ? Float.NEGATIVE_INFINITY : -Float.MAX_VALUE;
    return p.causal ? graph.belowDiagonal(scores, graph.scalar(MINUS_INFINITY, never)) : scores;
  }
}
