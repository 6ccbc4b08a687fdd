package org.gatun.cuda.cudnn;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.gatun.cuda.CudaException;

/**
 * A small graph of operations in the making. Each method adds one operation and returns its result; results are
 * <em>virtual</em>, that is never written to memory, unless a tensor of the caller's is given for them. All arithmetic is in
 * single precision. Ends as a {@link CudnnPlan}, to which it hands all it owns.
 */
public final class CudnnGraph implements AutoCloseable {
  /** Every address of a tensor must be a multiple of so many bytes: the widest load of the kernels. */
  static final int ALIGNMENT = 16;

  // cudnnBackendHeurMode_t: CUDNN_HEUR_MODE_A, the one that knows fused attention
  private static final int HEURISTICS_MODE_A = 3;

  private static final long FIRST_VIRTUAL_UID = 1000;

  /** A tensor of the graph. Its {@code uid} names it when the plan runs. */
  public record Tensor(long uid, GraphType type, Layout layout, long descriptor) {
    @Override
    public String toString() {
      return "tensor " + uid + " " + type + layout;
    }
  }

  private final Descriptors descriptors = new Descriptors();
  private final List<Long> operations = new ArrayList<>();
  private final Map<Long, Tensor> real = new HashMap<>();
  private final Map<Long, Float> scalars = new HashMap<>();
  private long nextVirtual = FIRST_VIRTUAL_UID;
  private boolean planned;

  /** An empty graph; throws {@code UnsupportedOperationException} if cuDNN is missing or too old. */
  public CudnnGraph() {
    Cudnn.requireUsable();
  }

  /** A tensor in device memory, which the plan reads or writes. */
  public Tensor tensor(long uid, GraphType type, Layout layout) {
    checkNew(uid);
    Tensor x = describe(uid, type, layout, null);
    real.put(uid, x);
    return x;
  }

  /** A number that is handed to the kernel by value, of as many dimensions as attention's tensors have. */
  public Tensor scalar(long uid, float value) {
    checkNew(uid);
    scalars.put(uid, value);
    return describe(uid, GraphType.FLOAT, Layout.packed(1, 1, 1, 1), Attribute.TENSOR_IS_BY_VALUE);
  }

  /** A result that only the next operations see. */
  public Tensor virtual(GraphType type, Layout layout) {
    return describe(nextVirtual++, type, layout, Attribute.TENSOR_IS_VIRTUAL);
  }

  /** c = a b over the last two dimensions, virtual and FLOAT. */
  public Tensor matmul(Tensor a, Tensor b) {
    return matmul(a, b, virtual(GraphType.FLOAT, a.layout().withLast(last(b))));
  }

  /** c = a b over the last two dimensions: [.., M, K] by [.., K, N]. */
  public Tensor matmul(Tensor a, Tensor b, Tensor c) {
    long precision = descriptors.make(Descriptors.Kind.MATMUL);
    descriptors.set(precision, Attribute.MATMUL_PRECISION, GraphType.FLOAT.code());
    descriptors.finish(precision, "matmul");
    long operation = descriptors.make(Descriptors.Kind.OP_MATMUL);
    descriptors.set(operation, Attribute.OP_MATMUL_A, a.descriptor());
    descriptors.set(operation, Attribute.OP_MATMUL_B, b.descriptor());
    descriptors.set(operation, Attribute.OP_MATMUL_C, c.descriptor());
    descriptors.set(operation, Attribute.OP_MATMUL, precision);
    return add(operation, c, "matmul of " + a + " by " + b + " into " + c);
  }

  /** f(x), virtual and FLOAT, with x's layout. */
  public Tensor pointwise(Pointwise function, Tensor x) {
    return pointwise(function, GraphType.FLOAT, x, null, null, likeOf(GraphType.FLOAT, x), -1);
  }

  /** f(x, b), virtual and FLOAT, with x's layout; dimensions of b that are 1 are repeated. */
  public Tensor pointwise(Pointwise function, Tensor x, Tensor b) {
    return pointwise(function, x, b, likeOf(GraphType.FLOAT, x));
  }

  /** y = f(x, b); {@code b} is {@code null} for a function of one. */
  public Tensor pointwise(Pointwise function, Tensor x, Tensor b, Tensor y) {
    return pointwise(function, GraphType.FLOAT, x, b, null, y, -1);
  }

  /** x at and below the diagonal of its last two dimensions, {@code other} above it. */
  public Tensor belowDiagonal(Tensor x, Tensor other) {
    int last = x.layout().dims().size() - 1;
    Tensor row = index(x, last - 1);
    Tensor column = index(x, last);
    Tensor keep = pointwise(Pointwise.AT_LEAST, GraphType.BOOLEAN, row, column, null, likeOf(GraphType.BOOLEAN, x), -1);
    return pointwise(Pointwise.SELECT, GraphType.FLOAT, x, other, keep, likeOf(GraphType.FLOAT, x), -1);
  }

  /** The last dimension reduced to 1, virtual and FLOAT. */
  public Tensor reduce(Reduction reduction, Tensor x) {
    Tensor y = virtual(GraphType.FLOAT, x.layout().withLast(1));
    long operator = descriptors.make(Descriptors.Kind.REDUCTION);
    descriptors.set(operator, Attribute.REDUCTION_OPERATOR, reduction.code());
    descriptors.set(operator, Attribute.REDUCTION_PRECISION, GraphType.FLOAT.code());
    descriptors.finish(operator, "reduction " + reduction);
    long operation = descriptors.make(Descriptors.Kind.OP_REDUCTION);
    descriptors.set(operation, Attribute.OP_REDUCTION_X, x.descriptor());
    descriptors.set(operation, Attribute.OP_REDUCTION_Y, y.descriptor());
    descriptors.set(operation, Attribute.OP_REDUCTION, operator);
    return add(operation, y, reduction + " of " + x);
  }

  /** The same elements seen through another layout, virtual, rounded to {@code type}. */
  public Tensor reshape(Tensor x, GraphType type, Layout layout) {
    Tensor y = virtual(type, layout);
    long operation = descriptors.make(Descriptors.Kind.OP_RESHAPE);
    descriptors.set(operation, Attribute.OP_RESHAPE_X, x.descriptor());
    descriptors.set(operation, Attribute.OP_RESHAPE_Y, y.descriptor());
    return add(operation, y, "reshape of " + x + " to " + y);
  }

  /** Operations so far. */
  public int size() {
    return operations.size();
  }

  /**
   * The first kernel for {@code device} that the library's heuristics propose and can build: takes from a tenth of a second
   * to a second. Ends this graph. Throws {@code CudaException} if there is none.
   */
  public CudnnPlan plan(DeviceProperties device) {
    checkOpen();
    planned = true;
    try {
      long description = device.describe(descriptors);
      long graph = descriptors.make(Descriptors.Kind.GRAPH);
      // No handle and no mode are set: from cuDNN 9.8 the device's description takes the handle's place, and the library finds the
      // mode that fits by itself, where others' experience is that naming one loses engines (JuliaGPU/CUDA.jl pull 3191).
      descriptors.set(graph, Attribute.GRAPH_OPERATIONS, operations.stream().mapToLong(Long::longValue).toArray());
      descriptors.finish(graph, "graph of " + operations.size() + " operations");
      List<Long> candidates = candidates(graph, description);
      CudaException refusal = null;
      for (long candidate : candidates) {
        try {
          return new CudnnPlan(descriptors, plan(candidate, description), candidate, candidates.size(), real, scalars);
        } catch (CudaException e) {
          refusal = refusal == null ? e : refusal;
        }
      }
      throw refusal != null ? refusal : CudnnLibrary.noEngine(operations.size(), device);
    } catch (RuntimeException e) {
      descriptors.close();
      throw e;
    }
  }

  /** Forgets a graph that was not planned. */
  @Override
  public void close() {
    if (!planned) {
      planned = true;
      descriptors.close();
    }
  }

  private List<Long> candidates(long graph, long device) {
    long heuristics = descriptors.make(Descriptors.Kind.HEURISTICS);
    descriptors.set(heuristics, Attribute.HEURISTICS_GRAPH, graph);
    descriptors.set(heuristics, Attribute.HEURISTICS_MODE, HEURISTICS_MODE_A);
    descriptors.set(heuristics, Attribute.HEURISTICS_DEVICE, device);
    descriptors.finish(heuristics, "heuristics of mode A");
    return descriptors.descriptors(heuristics, Attribute.HEURISTICS_RESULTS, Descriptors.Kind.CONFIGURATION);
  }

  private long plan(long configuration, long device) {
    long plan = descriptors.make(Descriptors.Kind.PLAN);
    descriptors.set(plan, Attribute.PLAN_CONFIGURATION, configuration);
    descriptors.set(plan, Attribute.PLAN_DEVICE, device);
    return descriptors.finish(plan, "execution plan");
  }

  private Tensor index(Tensor x, int axis) {
    return pointwise(Pointwise.INDEX, GraphType.FLOAT, x, null, null, likeOf(GraphType.INT32, x), axis);
  }

  private Tensor pointwise(Pointwise function, GraphType precision, Tensor x, Tensor b, Tensor t, Tensor y, int axis) {
    long mode = descriptors.make(Descriptors.Kind.POINTWISE);
    descriptors.set(mode, Attribute.POINTWISE_MODE, function.code());
    descriptors.set(mode, Attribute.POINTWISE_PRECISION, precision.code());
    if (axis >= 0) {
      descriptors.set(mode, Attribute.POINTWISE_AXIS, axis);
    }
    descriptors.finish(mode, "pointwise " + function);
    long operation = descriptors.make(Descriptors.Kind.OP_POINTWISE);
    descriptors.set(operation, Attribute.OP_POINTWISE, mode);
    descriptors.set(operation, Attribute.OP_POINTWISE_X, x.descriptor());
    if (b != null) {
      descriptors.set(operation, Attribute.OP_POINTWISE_B, b.descriptor());
    }
    if (t != null) {
      descriptors.set(operation, Attribute.OP_POINTWISE_T, t.descriptor());
    }
    descriptors.set(operation, Attribute.OP_POINTWISE_Y, y.descriptor());
    return add(operation, y, function + " of " + x + (b == null ? "" : " and " + b) + " into " + y);
  }

  private Tensor likeOf(GraphType type, Tensor x) {
    return virtual(type, Layout.packed(x.layout().sizes()));
  }

  private static long last(Tensor x) {
    return x.layout().dims().getLast();
  }

  private Tensor add(long operation, Tensor result, String what) {
    descriptors.finish(operation, what);
    operations.add(operation);
    return result;
  }

  private Tensor describe(long uid, GraphType type, Layout layout, Attribute flag) {
    checkOpen();
    long x = descriptors.make(Descriptors.Kind.TENSOR);
    descriptors.set(x, Attribute.TENSOR_TYPE, type.code());
    descriptors.set(x, Attribute.TENSOR_DIMS, layout.sizes());
    descriptors.set(x, Attribute.TENSOR_STRIDES, layout.steps());
    descriptors.set(x, Attribute.TENSOR_UID, uid);
    descriptors.set(x, Attribute.TENSOR_ALIGNMENT, ALIGNMENT);
    if (flag != null) {
      descriptors.set(x, flag, 1);
    }
    descriptors.finish(x, "tensor " + uid + " " + type + layout);
    return new Tensor(uid, type, layout, x);
  }

  /** The library takes two tensors of one uid without a word and then mixes up their addresses. */
  private void checkNew(long uid) {
    if (uid < 1 || uid >= FIRST_VIRTUAL_UID || real.containsKey(uid) || scalars.containsKey(uid)) {
      throw new IllegalArgumentException("graph: uid " + uid + " is taken or not from 1 to " + (FIRST_VIRTUAL_UID - 1)
          + "; give each tensor one of its own");
    }
  }

  private void checkOpen() {
    if (planned) {
      throw new IllegalStateException("the graph was planned or closed; make a new one");
    }
  }
}
