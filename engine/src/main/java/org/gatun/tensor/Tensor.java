package org.gatun.tensor;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Kernels.Reduction.Combine;

/**
 * An n-dimensional array on a device. Its contents belong to a {@link Scope} or to {@link
 * Parameters}; a tensor may be a view of another's memory, with strides of its own.
 *
 * <p>Operations return new tensors of the arguments' scope. Floating arguments of one operation have
 * one dtype ({@link #cast} changes it). Axes may be negative to count from the innermost.
 */
public final class Tensor {
  private final Shape shape;
  private final DType dtype;
  private final Storage storage;
  private final long offset;
  private final long[] strides;
  private final Device device;
  private final Scope scope;
  private final boolean view;
  private Parameter parameter;
  private boolean tracked;

  /** A contiguous tensor that owns its storage. */
  Tensor(Shape shape, DType dtype, Storage storage, Device device, Scope scope) {
    this(shape, dtype, storage, 0, shape.strides(), device, scope, false);
  }

  private Tensor(Shape shape, DType dtype, Storage storage, long offset, long[] strides, Device device,
      Scope scope, boolean view) {
    this.shape = shape;
    this.dtype = dtype;
    this.storage = storage;
    this.offset = offset;
    this.strides = strides;
    this.device = device;
    this.scope = scope;
    this.view = view;
  }

  // What it is.

  /** The dimensions. */
  public Shape shape() {
    return shape;
  }

  /** The type of the elements. */
  public DType dtype() {
    return dtype;
  }

  /** Where it lives. */
  public Device device() {
    return device;
  }

  /** The scope results of operations on this tensor belong to; null for a parameter's value. */
  public Scope scope() {
    return scope;
  }

  /** The parameter whose value this is; null for any other tensor. */
  public Parameter parameter() {
    return parameter;
  }

  /** Whether a gradient would flow through this tensor to a parameter. */
  public boolean isTracked() {
    return tracked;
  }

  /** How many recorded operations read this tensor's memory in their backward pass, through whichever view. */
  public int uses() {
    return storage.uses();
  }

  // For kernels.

  /**
   * The memory, for kernels.
   *
   * @throws IllegalStateException if it was given back already
   */
  public Memory memory() {
    if (storage.isReleased()) {
      if (scope != null) {
        scope.requireOpen();
      }
      throw new IllegalStateException(this + " was given back, by backward() or with its owner; read it before");
    }
    return storage.memory();
  }

  /** The position of the first element in the memory, in elements. */
  public long offset() {
    return offset;
  }

  /** The distance between neighbours along a dimension, in elements. */
  public long stride(int axis) {
    return strides[shape.axis(axis)];
  }

  /** Whether the elements lie side by side in row-major order. */
  public boolean isContiguous() {
    long expected = 1;
    for (int axis = strides.length - 1; axis >= 0; axis--) {
      if (shape.dim(axis) != 1) {
        if (strides[axis] != expected) {
          return false;
        }
        expected *= shape.dim(axis);
      }
    }
    return true;
  }

  /** Whether the memory belongs to another tensor. */
  public boolean isView() {
    return view;
  }

  /** The kernels of this tensor's device. */
  public Kernels kernels() {
    return device.kernels();
  }

  /** The same memory seen with other dimensions and strides; not recorded. For kernels and nodes. */
  Tensor viewAs(Shape shape, long offset, long[] strides) {
    return new Tensor(shape, dtype, storage, offset, strides, device, scope, true);
  }

  /** A contiguous tensor's elements from a position on, seen in another shape; not recorded. */
  Tensor slice(long start, Shape shape) {
    return viewAs(shape, offset + start, shape.strides());
  }

  Tensor seenFrom(Scope other) {
    var seen = new Tensor(shape, dtype, storage, offset, strides, device, other, true);
    seen.parameter = parameter;
    seen.tracked = parameter != null;
    return seen;
  }

  Storage storage() {
    return storage;
  }

  long[] strides() {
    return strides;
  }

  void makeValueOf(Parameter owner) {
    parameter = owner;
    tracked = true;
  }

  void track() {
    tracked = true;
  }

  void countUse() {
    storage.countUse();
  }

  // Element by element.

  /** -x. */
  public Tensor neg() {
    return Unary.apply(UnaryOp.NEG, this);
  }

  /** |x|. */
  public Tensor abs() {
    return Unary.apply(UnaryOp.ABS, this);
  }

  /** x². */
  public Tensor square() {
    return Unary.apply(UnaryOp.SQUARE, this);
  }

  /** √x. */
  public Tensor sqrt() {
    return Unary.apply(UnaryOp.SQRT, this);
  }

  /** 1 / √x. */
  public Tensor rsqrt() {
    return Unary.apply(UnaryOp.RSQRT, this);
  }

  /** eˣ. */
  public Tensor exp() {
    return Unary.apply(UnaryOp.EXP, this);
  }

  /** ln x. */
  public Tensor log() {
    return Unary.apply(UnaryOp.LOG, this);
  }

  /** tanh x. */
  public Tensor tanh() {
    return Unary.apply(UnaryOp.TANH, this);
  }

  /** 1 / (1 + e⁻ˣ). */
  public Tensor sigmoid() {
    return Unary.apply(UnaryOp.SIGMOID, this);
  }

  /** max(x, 0). */
  public Tensor relu() {
    return Unary.apply(UnaryOp.RELU, this);
  }

  /** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-2's form. */
  public Tensor gelu() {
    return Unary.apply(UnaryOp.GELU, this);
  }

  /** 0.5 x (1 + erf(x / √2)). */
  public Tensor geluErf() {
    return Unary.apply(UnaryOp.GELU_ERF, this);
  }

  /** x / (1 + e⁻ˣ). */
  public Tensor silu() {
    return Unary.apply(UnaryOp.SILU, this);
  }

  /** min(max(x, low), high). */
  public Tensor clamp(float low, float high) {
    if (!(low <= high)) {
      throw new IllegalArgumentException("clamp: low " + low + " is above high " + high);
    }
    return Unary.apply(UnaryOp.CLAMP, this, low, high);
  }

  /** a + b; shapes broadcast. */
  public Tensor plus(Tensor other) {
    return Binary.apply(BinaryOp.PLUS, this, other);
  }

  /** a + b, with a number for b. */
  public Tensor plus(float scalar) {
    return Unary.apply(UnaryOp.PLUS, this, scalar);
  }

  /** a - b; shapes broadcast. */
  public Tensor minus(Tensor other) {
    return Binary.apply(BinaryOp.MINUS, this, other);
  }

  /** a - b, with a number for b. */
  public Tensor minus(float scalar) {
    return Unary.apply(UnaryOp.PLUS, this, -scalar);
  }

  /** a · b; shapes broadcast. */
  public Tensor times(Tensor other) {
    return Binary.apply(BinaryOp.TIMES, this, other);
  }

  /** a · b, with a number for b. */
  public Tensor times(float scalar) {
    return Unary.apply(UnaryOp.TIMES, this, scalar);
  }

  /** a / b; shapes broadcast. */
  public Tensor dividedBy(Tensor other) {
    return Binary.apply(BinaryOp.DIVIDED_BY, this, other);
  }

  /** a / b, with a number for b. */
  public Tensor dividedBy(float scalar) {
    return Unary.apply(UnaryOp.DIVIDED_BY, this, scalar);
  }

  /** aᵇ; shapes broadcast. */
  public Tensor pow(Tensor other) {
    return Binary.apply(BinaryOp.POW, this, other);
  }

  /** aᵇ, with a number for b. */
  public Tensor pow(float scalar) {
    return Unary.apply(UnaryOp.POW, this, scalar);
  }

  /** The larger; shapes broadcast. */
  public Tensor maximum(Tensor other) {
    return Binary.apply(BinaryOp.MAXIMUM, this, other);
  }

  /** The larger, with a number for b. */
  public Tensor maximum(float scalar) {
    return Unary.apply(UnaryOp.MAXIMUM, this, scalar);
  }

  /** The smaller; shapes broadcast. */
  public Tensor minimum(Tensor other) {
    return Binary.apply(BinaryOp.MINIMUM, this, other);
  }

  /** The smaller, with a number for b. */
  public Tensor minimum(float scalar) {
    return Unary.apply(UnaryOp.MINIMUM, this, scalar);
  }

  /** 1 where a < b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor lessThan(Tensor other) {
    return Binary.apply(BinaryOp.LESS, this, other);
  }

  /** 1 where a ≤ b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor atMost(Tensor other) {
    return Binary.apply(BinaryOp.LESS_OR_EQUAL, this, other);
  }

  /** 1 where a > b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor greaterThan(Tensor other) {
    return Binary.apply(BinaryOp.GREATER, this, other);
  }

  /** 1 where a ≥ b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor atLeast(Tensor other) {
    return Binary.apply(BinaryOp.GREATER_OR_EQUAL, this, other);
  }

  /** 1 where a = b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor equalTo(Tensor other) {
    return Binary.apply(BinaryOp.EQUAL, this, other);
  }

  /** 1 where a ≠ b, else 0, in the operands' dtype; shapes broadcast; no derivative. */
  public Tensor notEqualTo(Tensor other) {
    return Binary.apply(BinaryOp.NOT_EQUAL, this, other);
  }

  /** {@code a} where this is not zero, else {@code b}; all three broadcast; no gradient for this. */
  public Tensor where(Tensor a, Tensor b) {
    return Where.apply(this, a, b);
  }

  /** The same values in another dtype: rounded to nearest even, to I32 by truncation. */
  public Tensor cast(DType to) {
    return dtype == to ? this : Views.Copy.apply(this, to);
  }

  /** Zero with probability p, else x / (1 - p); the same seed drops the same elements. */
  public Tensor dropout(float p, long seed) {
    return dropout(p, seed, null);
  }

  /**
   * As {@link #dropout(float, long)} with a seed that is combined, by exclusive or, with the number whose lower and upper
   * half {@code salt} I32 [2] holds when the operation runs; null for none. See {@link Tape#on(Device, Tensor)}.
   */
  public Tensor dropout(float p, long seed, Tensor salt) {
    return Dropout.apply(this, p, seed, salt);
  }

  /** The same values as a constant: no gradient flows back through it. */
  public Tensor detach() {
    return viewAs(shape, offset, strides);
  }

  // Reductions: over the named axes, or over all where none is named; the axes vanish.

  /** The sum. */
  public Tensor sum(int... axes) {
    return Reduce.apply(Combine.SUM, this, false, axes);
  }

  /** The sum; the axes stay as dimensions of one. */
  public Tensor sumKeep(int... axes) {
    return Reduce.apply(Combine.SUM, this, true, axes);
  }

  /** The mean. */
  public Tensor mean(int... axes) {
    return sum(axes).dividedBy(count(axes));
  }

  /** The mean; the axes stay as dimensions of one. */
  public Tensor meanKeep(int... axes) {
    return sumKeep(axes).dividedBy(count(axes));
  }

  /** The largest element; equal ones share the gradient. */
  public Tensor max(int... axes) {
    return Reduce.apply(Combine.MAX, this, false, axes);
  }

  /** The largest element; the axes stay as dimensions of one. */
  public Tensor maxKeep(int... axes) {
    return Reduce.apply(Combine.MAX, this, true, axes);
  }

  /** The smallest element; equal ones share the gradient. */
  public Tensor min(int... axes) {
    return Reduce.apply(Combine.MIN, this, false, axes);
  }

  /** The smallest element; the axes stay as dimensions of one. */
  public Tensor minKeep(int... axes) {
    return Reduce.apply(Combine.MIN, this, true, axes);
  }

  /** The population variance: the mean squared distance from the mean. */
  public Tensor variance(int... axes) {
    return minus(meanKeep(axes)).square().mean(axes);
  }

  /** ln Σ eˣ, without overflow. */
  public Tensor logSumExp(int... axes) {
    Tensor largest = maxKeep(axes).detach();
    Tensor sum = minus(largest).exp().sum(axes).log();
    return sum.plus(largest.reshape(sum.shape().toArray()));
  }

  /** The position I32 of the first largest element along the innermost dimension; no derivative. */
  public Tensor argMax() {
    Checks.floating("argMax", this);
    Checks.atLeast("argMax", 1, this);
    Tensor rows = contiguous();
    Tensor y = Scope.of(rows).allocate(shape.rowShape(), DType.I32);
    kernels().reduction().argMax(y, rows);
    return y;
  }

  private float count(int... axes) {
    float count = 1;
    for (int axis : Reduce.axes(this, axes)) {
      count *= shape.dim(axis);
    }
    return count;
  }

  // Linear algebra.

  /** [.., m, k] by [.., k, n]; the dimensions before the last two broadcast. */
  public Tensor matmul(Tensor other) {
    return Matmul.apply(this, other);
  }

  /** x Wᵀ + b over the innermost dimension; the weight is [out, in], the bias [out] or null. */
  public Tensor linear(Tensor weight, Tensor bias) {
    return Linear.apply(this, weight, bias);
  }

  /** gelu(x Wᵀ + b), fused. */
  public Tensor linearGelu(Tensor weight, Tensor bias, Gelu form) {
    return LinearGelu.apply(this, weight, bias, form);
  }

  /** gelu(x W₁ᵀ + b₁) W₂ᵀ + b₂, fused; biases may be null. */
  public Tensor mlp(Tensor w1, Tensor b1, Tensor w2, Tensor b2, Gelu form) {
    return Mlp.apply(this, w1, b1, w2, b2, form);
  }

  // Shape: views where strides allow.

  /** The same elements in another shape; one dimension may be -1. Copies if not contiguous. */
  public Tensor reshape(int... dims) {
    return Views.Reshape.apply(this, dims);
  }

  /** The axes in another order, as a view: axis j of the result is axis order[j] of this. */
  public Tensor permute(int... order) {
    return Views.Permute.apply(this, order);
  }

  /** Two axes exchanged, as a view. */
  public Tensor transpose(int a, int b) {
    int[] order = IntStream.range(0, shape.rank()).toArray();
    order[shape.axis(a)] = shape.axis(b);
    order[shape.axis(b)] = shape.axis(a);
    return permute(order);
  }

  /** Elements {@code start} to before {@code end} along an axis, as a view. */
  public Tensor slice(int axis, int start, int end) {
    return Views.Slice.apply(this, axis, start, end);
  }

  /** Parts of these sizes along an axis, as views. */
  public List<Tensor> split(int axis, int... sizes) {
    if (IntStream.of(sizes).sum() != shape.dim(axis)) {
      throw new IllegalArgumentException(
          "split: sizes " + Arrays.toString(sizes) + " do not add up to axis " + axis + " of " + this);
    }
    var parts = new ArrayList<Tensor>();
    int start = 0;
    for (int size : sizes) {
      parts.add(slice(axis, start, start + size));
      start += size;
    }
    return parts;
  }

  /** Stretched to a larger shape by NumPy's rule, as a view. */
  public Tensor expand(int... dims) {
    return Views.Expand.apply(this, dims);
  }

  /** Tensors one behind the other along an axis they may differ in. */
  public static Tensor concat(int axis, List<Tensor> parts) {
    return Views.Concat.apply(axis, parts);
  }

  /** Tensors of one shape side by side along a new axis. */
  public static Tensor stack(int axis, List<Tensor> parts) {
    return concat(axis, parts.stream().map(part -> part.unsqueeze(axis)).toList());
  }

  /** A new dimension of one at this place; -1 makes it the innermost. */
  public Tensor unsqueeze(int axis) {
    int at = axis < 0 ? axis + shape.rank() + 1 : axis;
    if (at < 0 || at > shape.rank()) {
      throw new IllegalArgumentException("unsqueeze: no place " + axis + " in " + this);
    }
    int[] dims = new int[shape.rank() + 1];
    Arrays.setAll(dims, i -> i == at ? 1 : shape.dim(i < at ? i : i - 1));
    return reshape(dims);
  }

  /** This tensor if its elements lie in row-major order, else a copy whose do. */
  public Tensor contiguous() {
    return isContiguous() ? this : Views.Copy.apply(this, dtype);
  }

  // Look-ups.

  /** Rows of this table [rows, C] by index I32 [..]: [.., C]. */
  public Tensor embedding(Tensor indices) {
    return embedding(indices, shape.dim(0));
  }

  /** As {@link #embedding(Tensor)}, where only the first {@code rows} may be named: the rest is padding. */
  public Tensor embedding(Tensor indices, int rows) {
    return Embedding.apply(this, indices, rows);
  }

  /** Elements of each row: y[.., j] = x[.., indices[.., j]]. */
  public Tensor gather(Tensor indices) {
    return Gather.apply(this, indices);
  }

  /** The slices along an axis that indices I32 [n] name, in their order. */
  public Tensor indexSelect(int axis, Tensor indices) {
    Tensor first = transpose(0, axis).contiguous();
    int[] dims = first.shape().with(0, indices.shape().dim(0)).toArray();
    int row = Math.toIntExact(shape.size() / Math.max(1, shape.dim(axis)));
    return first.reshape(shape.dim(axis), row).embedding(indices).reshape(dims).transpose(0, axis);
  }

  /** Indices I32 [..] as F32 [.., classes]: 1 at the index, else 0. */
  public Tensor oneHot(int classes) {
    Checks.indices("oneHot", this);
    Tensor packed = contiguous();
    int[] dims = Arrays.copyOf(shape.toArray(), shape.rank() + 1);
    dims[shape.rank()] = classes;
    Tensor y = Scope.of(packed).allocate(Shape.of(dims), DType.F32);
    kernels().index().oneHot(y, packed);
    return y;
  }

  // Rows.

  /** Softmax over the innermost dimension. */
  public Tensor softmax() {
    return Softmax.apply(this, false);
  }

  /** The logarithm of the softmax over the innermost dimension. */
  public Tensor logSoftmax() {
    return Softmax.apply(this, true);
  }

  /** Layer normalisation over the innermost dimension [C]; weight [C], bias [C] or null. */
  public Tensor layerNorm(Tensor weight, Tensor bias, float eps) {
    return LayerNorm.apply(this, weight, bias, eps);
  }

  /** The sum with another tensor, and that sum layer-normalised, in one pass. */
  public Residual addLayerNorm(Tensor other, Tensor weight, Tensor bias, float eps) {
    return AddLayerNorm.apply(this, other, weight, bias, eps);
  }

  /** Root-mean-square normalisation over the innermost dimension [C]; weight [C]. */
  public Tensor rmsNorm(Tensor weight, float eps) {
    return RmsNorm.apply(this, weight, eps);
  }

  // Attention: this holds the queries.

  /** Causal self-attention on a packed projection [B, T, 3C]: [B, T, C]. */
  public Tensor causalAttention(int heads) {
    return CausalAttention.apply(this, heads);
  }

  /**
   * softmax(q kᵀ / √HS + mask) v for q [B, NH, Tq, HS], k and v [B, NH, Tk, HS]. The mask stretches to
   * [B, NH, Tq, Tk], has no gradient, and may be null. Causal: query i sees keys up to i + Tk - Tq.
   */
  public Tensor scaledDotProductAttention(Tensor k, Tensor v, Tensor mask, boolean causal) {
    return Attention.apply(this, k, v, mask, causal);
  }

  // Losses: means over all rows or elements, F32 [] for logits of any dtype.

  /** The mean negative log-likelihood of target classes I32 [..] under these logits [.., V]. */
  public Tensor crossEntropy(Tensor targets) {
    return crossEntropy(targets, shape.dim(-1), -1);
  }

  /**
   * As {@link #crossEntropy(Tensor)}, over the first {@code classes} columns alone (the rest are
   * padding), without the rows whose target is {@code ignored}.
   */
  public Tensor crossEntropy(Tensor targets, int classes, int ignored) {
    return CrossEntropy.apply(this, targets, classes, ignored);
  }

  /**
   * {@code linear(weight, null).crossEntropy(targets, classes, ignored)} for rows [.., C] and a weight [V, C], with at most {@code byteSize}
   * bytes of logits at a time, or one row. What is more is computed once again in the backward pass.
   */
  public Tensor linearCrossEntropy(Tensor weight, Tensor targets, int classes, int ignored, long byteSize) {
    return LinearCrossEntropy.apply(this, weight, targets, classes, ignored, byteSize);
  }

  /** The mean of (x - target)². */
  public Tensor meanSquaredError(Tensor target) {
    return minus(target).square().mean();
  }

  /** The mean of -t ln σ(x) - (1 - t) ln(1 - σ(x)) for targets t in [0, 1], without overflow. */
  public Tensor binaryCrossEntropyWithLogits(Tensor targets) {
    Tensor softplus = abs().neg().exp().plus(1f).log();
    return relu().minus(times(targets)).plus(softplus).mean();
  }

  // Reading.

  /** The value of a one-element tensor. Waits for the device. */
  public float item() {
    if (shape.size() != 1) {
      throw new IllegalArgumentException("item: needs one element, got " + this);
    }
    return dtype == DType.I32 ? toIntArray()[0] : toArray()[0];
  }

  /** All elements as floats, row-major. Waits for the device. */
  public float[] toArray() {
    if (dtype == DType.F32 && isContiguous()) {
      float[] values = new float[Math.toIntExact(shape.size())];
      device.download(MemorySegment.ofArray(values), this);
      return values;
    }
    try (var scratch = Scope.on(device)) {
      return Views.Copy.apply(scratch.borrow(this), DType.F32).toArray();
    }
  }

  /** All elements of an I32 tensor, row-major. Waits for the device. */
  public int[] toIntArray() {
    Checks.indices("toIntArray", this);
    if (!isContiguous()) {
      try (var scratch = Scope.on(device)) {
        return Views.Copy.apply(scratch.borrow(this), DType.I32).toIntArray();
      }
    }
    int[] values = new int[Math.toIntExact(shape.size())];
    device.download(MemorySegment.ofArray(values), this);
    return values;
  }

  /** The dtype, the shape and a parameter's name, such as {@code F32[768, 768] h.0.attn.c_proj.weight}. */
  @Override
  public String toString() {
    return dtype + shape.toString() + (parameter == null ? "" : " " + parameter.name());
  }
}
