package org.gatun.tensor;

import java.util.List;

/**
 * The closed list of computations a device must provide, by family.
 *
 * <p>Arguments are validated by the caller and on this device; outputs come first. Tensors are
 * contiguous unless a method says that it takes views. Each tensor may be F32 or BF16 whatever the
 * others are, unless a type is named; arithmetic is F32. Shapes in letters: B batch, T time, C
 * channels, NH heads, HS head size, V vocabulary, N rows.
 */
public interface Kernels {
  /** Matrix products. */
  Linear linear();

  /** Element by element. */
  Pointwise pointwise();

  /** Sums and extremes over dimensions. */
  Reduction reduction();

  /** Row normalisations. */
  Norm norm();

  /** Softmax over rows. */
  Softmax softmax();

  /** Scaled dot-product attention. */
  Attention attention();

  /** Look-ups by index and their transposes. */
  Index index();

  /** Fused losses. */
  Loss loss();

  /** Optimizer steps over flat buffers. */
  Update update();

  /** Where a result goes; {@code add} asks to add to what {@code into} holds already. */
  record Sink(Tensor into, boolean add) {
    /** Overwrites the whole of {@code into}. */
    public static Sink of(Tensor into) {
      return new Sink(into, false);
    }
  }

  /** The two forms of the Gaussian error linear unit (Hendrycks and Gimpel, 2016). */
  enum Gelu {
    /** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-2's. */
    TANH,
    /** 0.5 x (1 + erf(x / √2)). */
    ERF
  }

  /** What a matrix product does to its result z before it is stored. */
  sealed interface Epilogue {
    /** Stores z. */
    record None() implements Epilogue {}

    /** Stores z + bias; bias is [out]. */
    record Bias(Tensor bias) implements Epilogue {}

    /**
     * Keeps z + bias in {@code preActivation} (shaped like the result), stores its GELU; bias is
     * [out] or null for none.
     */
    record BiasGelu(Tensor bias, Tensor preActivation, Gelu form) implements Epilogue {}

    /**
     * Stores z · gelu'(preActivation), and in {@code gelu} the GELU itself; both are
     * shaped like the result. {@code gelu} is null for no need of it, and on a device that does not
     * {@linkplain Device#recomputesGelu compute it again}.
     */
    record GeluGradient(Tensor preActivation, Gelu form, Tensor gelu) implements Epilogue {}
  }

  /** Matrix products; the weight of a linear layer is [out, in]. */
  interface Linear {
    /** y[n,o] = epilogue(Σ_i x[n,i] weight[o,i]); x is [.., in], y is [.., out]. */
    void forward(Tensor y, Tensor x, Tensor weight, Epilogue epilogue);

    /** dx[n,i] = epilogue(Σ_o dy[n,o] weight[o,i]); with an epilogue dx is not added to. */
    void backwardInput(Sink dx, Tensor dy, Tensor weight, Epilogue epilogue);

    /** dweight[o,i] = Σ_n dy[n,o] x[n,i] and dbias[o] = Σ_n dy[n,o]; either may be null for none. */
    void backwardWeight(Sink dweight, Sink dbias, Tensor dy, Tensor x);

    /**
     * y[.., m, n] = Σ_k a[.., m, k] b[.., k, n], batch by batch. All three are views of rank 3
     * whose batch stride may be anything (zero where a matrix serves every batch) and of which one
     * of the two inner strides is one; y's innermost is.
     */
    void matmul(Sink y, Tensor a, Tensor b);
  }

  /** Element by element; every tensor may be a view of any strides, all of y's shape. */
  interface Pointwise {
    /** y = value. */
    void fill(Tensor y, float value);

    /** y = x, converted to y's type (to I32 by truncation); I32 allowed on both sides. */
    void copy(Sink y, Tensor x);

    /** y = formula(operands, scalars), element by element; an operand of type I32 is converted. */
    void map(Sink y, Formula formula, List<Tensor> operands, float... scalars);

    /**
     * y = x / (1 - p) where the element's random number is at least p, else 0. Element i (row-major)
     * uses {@link Philox#uniform}(seed, i), so the same call on dy is the derivative. salt, where not null, is
     * I32 [2], the lower and the upper half of a number that the seed is combined with by exclusive or. It is
     * read where it lies, so that a recorded step may be run again with other numbers in it.
     */
    void dropout(Sink y, Tensor x, float p, long seed, Tensor salt);
  }

  /** Over any dimensions of a view. */
  interface Reduction {
    /** How elements are brought together. */
    enum Combine {
      /** Their sum. */
      SUM,
      /** The largest; NaN if any is. */
      MAX,
      /** The smallest; NaN if any is. */
      MIN
    }

    /**
     * y = x combined over {@code axes} (sorted, counted from the front). y is contiguous and has the
     * elements of x's other dimensions in order. The order of summation depends on shapes alone.
     */
    void reduce(Sink y, Combine combine, Tensor x, int... axes);

    /** y[..] = the position of the first largest element along the innermost dimension; y is I32. */
    void argMax(Tensor y, Tensor x);
  }

  /** Normalisation of rows x [N, C]; weight and bias are [C], statistics F32 [N]. */
  interface Norm {
    /**
     * y = (x - mean) · rstd · weight + bias with the population variance (Ba et al., 2016). bias may
     * be null for none.
     */
    void layerNorm(Tensor y, Tensor mean, Tensor rstd, Tensor x, Tensor weight, Tensor bias, float eps);

    /** sum = a + b, and y = layerNorm(sum as stored), in one pass over the rows. */
    void addLayerNorm(
        Tensor sum, Tensor y, Tensor mean, Tensor rstd, Tensor a, Tensor b, Tensor weight, Tensor bias, float eps);

    /**
     * dx = (g - mean(g) - x̂ · mean(g · x̂)) · rstd for g = dy · weight; dweight = Σ dy · x̂, dbias = Σ
     * dy over rows. dy may be shared: it is not written. Each sink may be null for none. {@code
     * carried}, where not null, is added to dx: the gradient that reaches the sum of {@link
     * #addLayerNorm} by its other way.
     */
    void layerNormBackward(
        Sink dx, Sink dweight, Sink dbias, Tensor dy, Tensor carried, Tensor x, Tensor weight, Tensor mean,
        Tensor rstd);

    /** y = x · rstd · weight, rstd = 1 / √(mean(x²) + eps) (Zhang and Sennrich, 2019). */
    void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps);

    /** dx = (g - x̂ · mean(g · x̂)) · rstd for g = dy · weight, x̂ = x · rstd; dweight = Σ dy · x̂. */
    void rmsNormBackward(Sink dx, Sink dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd);
  }

  /** Over the innermost dimension; rows of minus infinity alone give NaN. */
  interface Softmax {
    /** y = exp(x - max) / Σ exp(x - max). */
    void softmax(Tensor y, Tensor x);

    /** dx = (dy - Σ dy · y) · y. */
    void softmaxBackward(Sink dx, Tensor dy, Tensor y);

    /** y = x - logSumExp(x). */
    void logSoftmax(Tensor y, Tensor x);

    /** dx = dy - exp(y) Σ dy. */
    void logSoftmaxBackward(Sink dx, Tensor dy, Tensor y);
  }

  /**
   * y = softmax(scale · q kᵀ + mask) v without ever holding [T, T] (Dao et al., 2022). q and y are
   * [B, NH, Tq, HS], k and v [B, NH, Tk, HS]: views whose innermost stride is one, so that they may
   * lie packed in one projection [B, T, 3C]. lse is F32 [B, NH, Tq]. mask, null for none, is a view
   * [B, NH, Tq, Tk] of any strides, added to the scores. Causal: query i sees keys up to i + Tk - Tq. A
   * query that sees no key gives zeros, lse minus infinity and no gradient.
   */
  interface Attention {
    /** Also writes the log-sum-exp of each row of scores. */
    void forward(Tensor y, Tensor lse, Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale);

    /** The gradients of q, k and v (views like theirs, all three wanted), from scores computed again. */
    void backward(
        Sink dq, Sink dk, Sink dv, Tensor dy, Tensor y, Tensor lse,
        Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale);
  }

  /** Indices are I32, within bounds: kernels check them and throw before anything is written. */
  interface Index {
    /** y[n, :] = table[indices[n], :]; table is [rows, C]. */
    void embedding(Tensor y, Tensor table, Tensor indices);

    /** dtable[indices[n], :] += dy[n, :], in the order of n; rows not named are zero unless added to. */
    void embeddingBackward(Sink dtable, Tensor dy, Tensor indices);

    /** y[n, j] = x[n, indices[n, j]]: along the innermost dimension, row by row. */
    void gather(Tensor y, Tensor x, Tensor indices);

    /** dx[n, indices[n, j]] += dy[n, j], in the order of j. */
    void gatherBackward(Sink dx, Tensor dy, Tensor indices);

    /** y[n, c] = 1 where c = indices[n], else 0. */
    void oneHot(Tensor y, Tensor indices);
  }

  /** Softmax and cross-entropy in one. */
  interface Loss {
    /**
     * losses[n] = logSumExp(logits[n, :classes]) - logits[n, targets[n]], zero where the target is
     * {@code ignored}; lse is F32 [N], logits [N, V], targets I32 [N]. Columns from {@code classes} on
     * are padding and take no part. {@code count} F32 [] is the number of targets not ignored.
     */
    void crossEntropy(
        Tensor losses, Tensor lse, Tensor count, Tensor logits, Tensor targets, int classes, int ignored);

    /**
     * dlogits = dloss / count · (softmax(logits) - oneHot(targets)); zero in padding and in ignored
     * rows. dloss is F32 []. dlogits may be the logits themselves.
     */
    void crossEntropyBackward(
        Sink dlogits, Tensor dloss, Tensor count, Tensor logits, Tensor lse, Tensor targets, int classes, int ignored);
  }

  /** Over flat buffers, F32 unless said otherwise; {@code value} receives master in its own type. */
  interface Update {
    /** Elements from {@code start} to before {@code end} of the flat buffers, and their weight decay. */
    record Range(long start, long end, float weightDecay) {}

    /** What stays the same from step to step of AdamW. */
    record AdamW(float beta1, float beta2, float eps) {}

    /** norm[] = √Σ x², summed in double in an order that depends on the size alone. */
    void norm(Tensor norm, Tensor x);

    /**
     * g = gradient · scale[]; p -= lr · decay · p; m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; p
     * -= lr / correction1 · m / (√(v / correction2) + eps) (Loshchilov and Hutter, 2019). scale is F32 [],
     * schedule F32 [3]: lr, and the corrections 1 - βᵗ of both moments. They are read where they lie, so
     * that a recorded step may be run again with other numbers in them. m and v are both F32 or both BF16;
     * p is stepped by what they were before they were rounded. Where scale is NaN, nothing is changed.
     */
    void adamw(
        Tensor value, Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, Tensor schedule,
        AdamW constants, List<Range> ranges);

    /**
     * g = gradient · scale[] + decay · p; velocity = momentum · velocity + g; p -= lr · velocity.
     * velocity is null where momentum is zero. Where scale is NaN, nothing is changed.
     */
    void sgd(
        Tensor value, Tensor master, Tensor gradient, Tensor velocity, Tensor scale,
        float learningRate, float momentum, List<Range> ranges);
  }
}
