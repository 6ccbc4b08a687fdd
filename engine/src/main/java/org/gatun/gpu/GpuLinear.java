package org.gatun.gpu;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.Kernel;
import org.gatun.cuda.cublaslt.Matmul;
import org.gatun.cuda.cublaslt.MatmulEpilogue;
import org.gatun.cuda.cublaslt.MatmulProblem;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tensor;

/**
 * Matrix products by cuBLASLt: a plan a problem, made when it is first met. Factors of two types, or in BF16 where F32 is
 * wanted of BF16 by F32, are converted first; what the library has no epilogue for, kernels of ours do behind the product.
 *
 * <p>Bytes that kernels of ours must move for GPT-2's 16 · 1024 rows in bf16, and the time at 4.8 TB/s: GELU behind the
 * product 201 MB, 42 µs, its derivative 302 MB, 63 µs (3072 columns, 12 times a pass); a bias gradient by itself 25 MB a 768
 * columns, 5 µs.
 */
final class GpuLinear implements Kernels.Linear {
  /** cublasStatus_t CUBLAS_STATUS_NOT_SUPPORTED. */
  private static final int NOT_SUPPORTED = 15;

  /** Addresses are multiples of this, or the matrix is copied: kernels for less are slow where they exist. */
  private static final int ALIGNMENT = 16;

  private final CudaDevice device;
  private final ColumnSums columnSums;
  private final Scope scratch;
  private final Map<MatmulProblem, Optional<Matmul>> plans = new HashMap<>();

  GpuLinear(CudaDevice device) {
    this.device = device;
    columnSums = new ColumnSums(device);
    scratch = Scope.on(device);
  }

  @Override
  public void forward(Tensor y, Tensor x, Tensor weight, Epilogue epilogue) {
    product(Sink.of(y), Factor.rows(x), Factor.rows(weight).transposed(), epilogue);
  }

  @Override
  public void backwardInput(Sink dx, Tensor dy, Tensor weight, Epilogue epilogue) {
    product(dx, Factor.rows(dy), Factor.rows(weight), epilogue);
  }

  @Override
  public void backwardWeight(Sink dweight, Sink dbias, Tensor dy, Tensor x) {
    // The library overwrites a bias gradient, in the type of the weight's.
    boolean fuses = dweight != null && dbias != null && !dbias.add()
        && dweight.into().dtype() == dbias.into().dtype();
    boolean fused = fuses
        && multiply(dweight, Factor.rows(dy).transposed(), Factor.rows(x), MatmulEpilogue.BGRADB, dbias.into(), null);
    if (dweight != null && !fused) {
      product(dweight, Factor.rows(dy).transposed(), Factor.rows(x), new Epilogue.None());
    }
    if (dbias != null && !fused) {
      columnSums.sum(dbias, dy);
    }
  }

  @Override
  public void matmul(Sink y, Tensor a, Tensor b) {
    product(y, Factor.batched(a), Factor.batched(b), new Epilogue.None());
  }

  private void product(Sink y, Factor a, Factor b, Epilogue epilogue) {
    Tensor into = y.into();
    switch (epilogue) {
      case Epilogue.None() -> plain(y, a, b);
      case Epilogue.Bias(Tensor bias) -> {
        if (bias.dtype() != into.dtype() || !multiply(y, a, b, MatmulEpilogue.BIAS, bias, null)) {
          behind(a, b, into, product -> finish("add_bias", into, into, product, bias, Gelu.TANH).with()
              .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(product)).pointer(CudaDevice.pointer(bias))
              .int64(size(into)).int64(columns(into)).int32(Pieces.aligned(columns(into), into, product, bias)));
        }
      }
      case Epilogue.BiasGelu(Tensor bias, Tensor z, Gelu form) -> {
        boolean fits = fuses(form, into, z) && (bias == null || bias.dtype() == into.dtype());
        MatmulEpilogue fused = bias == null ? MatmulEpilogue.GELU_AUX : MatmulEpilogue.GELU_AUX_BIAS;
        if (!fits || !multiply(y, a, b, fused, bias, z)) {
          behind(a, b, into, product -> finish("gelu_forward", into, z, product, bias, form).with()
              .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(z)).pointer(CudaDevice.pointer(product))
              .pointer(Pieces.pointer(bias)).int64(size(into)).int64(columns(into))
              .int32(Pieces.aligned(columns(into), into, z, product, bias)));
        }
      }
      case Epilogue.GeluGradient(Tensor z, Gelu form, Tensor gelu) -> {
        if (gelu != null) {
          throw new UnsupportedOperationException("linear: a GPU keeps its GELU; see Device.recomputesGelu");
        }
        if (!fuses(form, into, z) || !multiply(y, a, b, MatmulEpilogue.DGELU, null, z)) {
          behind(a, b, into, product -> finish("gelu_backward", into, z, product, null, form).with()
              .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(product)).pointer(CudaDevice.pointer(z))
              .int64(size(into)).int32(Pieces.aligned(columns(into), into, z, product)));
        }
      }
    }
  }

  /**
   * Whether the library's GELU may be asked for: it has the form with tanh, and keeps its argument in the
   * result's type. Its tanh is short of F32's accuracy (4e-6 off on an H200), so only where results are rounded to BF16.
   */
  private boolean fuses(Gelu form, Tensor y, Tensor z) {
    return device.options().fuseGelu() && form == Gelu.TANH && y.dtype() == DType.BF16 && z.dtype() == DType.BF16;
  }

  private interface Behind {
    Kernel.Launch on(Tensor product);
  }

  /** The product alone, in F32 so that it is rounded once, and what follows as a kernel of its own. */
  private void behind(Factor a, Factor b, Tensor into, Behind kernel) {
    if (size(into) == 0) {
      return;
    }
    Tensor product = into.dtype() == DType.F32 ? into : scratch.allocate(into.shape(), DType.F32);
    plain(Sink.of(product), a, b);
    int blocks = device.blocks(Math.ceilDiv(size(into), Pieces.SIZE), CudaDevice.THREADS);
    kernel.on(product).over(device.stream(), blocks, CudaDevice.THREADS);
    if (product != into) {
      scratch.release(product);
    }
  }

  private Kernel finish(String name, Tensor y, Tensor z, Tensor product, Tensor bias, Gelu form) {
    return device.kernel("linear.cu", name, Map.of(
        "TY", Pieces.type(y), "TZ", Pieces.type(z), "TS", Pieces.type(product), "TBIAS", Pieces.type(bias),
        "GELU_TANH", form == Gelu.TANH ? "1" : "0"));
  }

  private void plain(Sink y, Factor a, Factor b) {
    if (!multiply(y, a, b, MatmulEpilogue.NONE, null, null)) {
      throw new IllegalStateException(
          "linear: cuBLASLt has no kernel for " + a.x() + " by " + b.x() + " into " + y.into()
              + "; please report this");
    }
  }

  /** y (+)= a b with an epilogue of the library's; false, with nothing done, where it has no kernel for that. */
  private boolean multiply(Sink y, Factor a, Factor b, MatmulEpilogue epilogue, Tensor bias, Tensor aux) {
    if (a.rows() == 0 || b.columns() == 0 || a.columns() == 0 || a.batch() == 0) {
      return epilogue == MatmulEpilogue.NONE && nothing(y);
    }
    DType type = a.x().dtype() == DType.BF16 && b.x().dtype() == DType.BF16 ? DType.BF16 : DType.F32;
    Factor into = Factor.batchedOrRows(y.into(), a.batched());
    boolean direct = into.fits() && (type == DType.BF16 || y.into().dtype() == DType.F32);
    if (!direct && epilogue != MatmulEpilogue.NONE) {
      return false;
    }
    Tensor result = direct ? y.into() : scratch.allocate(y.into().shape(), DType.F32);
    Factor left = fitted(a, type);
    Factor right = fitted(b, type);
    Factor d = direct ? into : Factor.batchedOrRows(result, a.batched());
    boolean done = run(d, left, right, epilogue, direct && y.add(), bias, aux);
    if (left != a) {
      scratch.release(left.x());
    }
    if (right != b) {
      scratch.release(right.x());
    }
    if (!direct) {
      device.kernels().pointwise().copy(y, result);
      scratch.release(result);
    }
    return done;
  }

  /** A sum of no products is zero. */
  private boolean nothing(Sink y) {
    if (!y.add() && size(y.into()) > 0) {
      device.kernels().pointwise().fill(y.into(), 0f);
    }
    return true;
  }

  private boolean run(
      Factor d, Factor a, Factor b, MatmulEpilogue epilogue, boolean add, Tensor bias, Tensor aux) {
    // Column-major, row-major matrices are transposed, and so is their product: d' = b' a'.
    boolean tf32 = device.options().tf32() && a.x().dtype() == DType.F32;
    var problem = new MatmulProblem(b.matrix(), b.isTransposed(), a.matrix(), a.isTransposed(), d.matrix(), epilogue,
        tf32, a.batch(), alignment(bias, aux));
    Optional<Matmul> plan = plans.computeIfAbsent(problem, this::plan);
    if (plan.isEmpty()) {
      return false;
    }
    DevicePtr to = CudaDevice.pointer(d.x());
    long bytes = plan.get().workspaceBytes();
    plan.get().run(device.stream(), 1, CudaDevice.pointer(b.x()), CudaDevice.pointer(a.x()), add ? 1 : 0, to, to,
        bias == null ? null : CudaDevice.pointer(bias), aux == null ? null : CudaDevice.pointer(aux),
        bytes == 0 ? null : device.workspace(bytes));
    return true;
  }

  private Optional<Matmul> plan(MatmulProblem problem) {
    try {
      return Optional.of(device.blas().plan(problem, device.tuning()));
    } catch (CudaException e) {
      if (e.status() != NOT_SUPPORTED) {
        throw e;
      }
      return Optional.empty();
    }
  }

  private static int alignment(Tensor bias, Tensor aux) {
    return bias != null && !CudaDevice.isAligned(bias) || aux != null && !CudaDevice.isAligned(aux)
        ? Float.BYTES
        : ALIGNMENT;
  }

  /** The factor itself where the library takes it, else a packed copy in the type, to be released. */
  private Factor fitted(Factor factor, DType type) {
    if (factor.x().dtype() == type && factor.fits()) {
      return factor;
    }
    Tensor copy = scratch.allocate(factor.x().shape(), type);
    device.kernels().pointwise().copy(Sink.of(copy), factor.x());
    Factor packed = Factor.batchedOrRows(copy, factor.batched());
    return factor.swapped() ? packed.transposed() : packed;
  }

  private static long size(Tensor x) {
    return x.shape().size();
  }

  private static int columns(Tensor x) {
    return x.shape().dim(-1);
  }

  /** The element type as the bridge names it. */
  static ElementType elementType(DType type) {
    return switch (type) {
      case F32 -> ElementType.F32;
      case BF16 -> ElementType.BF16;
      case I32 -> throw new IllegalArgumentException("a matrix product is of floating numbers, not of I32");
    };
  }
}
