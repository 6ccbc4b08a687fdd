package org.gatun.gpu;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Kernel;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/** Element by element: a kernel for each formula and its types, written and compiled when it is first met. */
final class GpuPointwise implements Kernels.Pointwise {
  private static final Formula IDENTITY = Formula.operand(0);
  private static final Formula UNIFORM = Formula.scalar(0);

  /** More formulas than the engine has; made anew by a caller each time, they must not pile up. */
  private static final int MAX_FORMULAS = 1024;

  private final CudaDevice device;
  private final Map<Formula, Compiled> formulas = new IdentityHashMap<>();

  GpuPointwise(CudaDevice device) {
    this.device = device;
  }

  /** The two kernels of a formula for some types. */
  private record MapKernels(Kernel flat, Kernel strided, int vector) {}

  /** A formula's source and the kernels made from it so far, by types. */
  private record Compiled(FormulaSource source, Map<List<DType>, MapKernels> kernels) {}

  @Override
  public void fill(Tensor y, float value) {
    if (y.shape().size() == 0) {
      return;
    }
    DevicePtr to = CudaDevice.pointer(y);
    int bits = switch (y.dtype()) {
      case F32 -> Float.floatToRawIntBits(value);
      case BF16 -> -1;
      case I32 -> (int) value;
    };
    if (!y.isContiguous() || y.dtype() == DType.BF16 && Float.floatToRawIntBits(value) != 0) {
      run(Sink.of(y), UNIFORM, List.of(y.dtype()), List.of(), value);
    } else if (y.dtype() == DType.BF16) {
      device.stream().fillBytes(to, 0);
    } else {
      device.stream().fill(to, bits);
    }
  }

  @Override
  public void copy(Sink y, Tensor x) {
    Tensor into = y.into();
    if (into.shape().size() == 0) {
      return;
    }
    if (!y.add() && into.dtype() == x.dtype() && into.isContiguous() && x.isContiguous()) {
      device.stream().copy(CudaDevice.pointer(into), CudaDevice.pointer(x));
    } else if (!Transposition.run(device, y, x)) {
      // Integers are moved as bits: a float holds no more than 24 of them.
      boolean bits = !y.add() && into.dtype() == DType.I32 && x.dtype() == DType.I32;
      run(y, IDENTITY, bits ? List.of(DType.F32, DType.F32) : List.of(into.dtype(), x.dtype()), List.of(x));
    }
  }

  @Override
  public void map(Sink y, Formula formula, List<Tensor> operands, float... scalars) {
    if (y.into().shape().size() == 0) {
      return;
    }
    List<Tensor> used = compiled(formula).source.operands().stream().map(operands::get).toList();
    var types = new ArrayList<DType>(List.of(y.into().dtype()));
    used.forEach(x -> types.add(x.dtype()));
    run(y, formula, types, used, scalars);
  }

  /** With the operands the formula uses, and the types that the result's and their bits are taken for. */
  private void run(Sink y, Formula formula, List<DType> types, List<Tensor> used, float... scalars) {
    Compiled compiled = compiled(formula);
    FormulaSource source = compiled.source;
    Tensor[] tensors = Stream.concat(Stream.of(y.into()), used.stream()).toArray(Tensor[]::new);
    MapKernels kernels = kernels(compiled, types);
    Walk walk = Walk.of(tensors);
    boolean flat = walk.isFlat() && Stream.of(tensors).allMatch(CudaDevice::isAligned);
    Kernel.Launch launch = (flat ? kernels.flat : kernels.strided).with();
    for (Tensor tensor : tensors) {
      launch.pointer(CudaDevice.pointer(tensor));
    }
    for (int scalar : source.scalars()) {
      launch.float32(scalars[scalar]);
    }
    int threads = CudaDevice.THREADS;
    if (flat) {
      launch.int64(walk.size()).int32(y.add() ? 1 : 0)
          .over(device.stream(), device.blocks(Math.ceilDiv(walk.size(), kernels.vector), threads), threads);
    } else {
      launch.structure(walk.argument()).int32(y.add() ? 1 : 0)
          .over(device.stream(), device.blocks(walk.size(), threads), threads);
    }
  }

  private Compiled compiled(Formula formula) {
    Compiled known = formulas.get(formula);
    if (known != null) {
      return known;
    }
    if (formulas.size() == MAX_FORMULAS) {
      formulas.clear();
    }
    var compiled = new Compiled(new FormulaSource(formula), new HashMap<>());
    formulas.put(formula, compiled);
    return compiled;
  }

  private MapKernels kernels(Compiled compiled, List<DType> types) {
    MapKernels known = compiled.kernels.get(types);
    if (known != null) {
      return known;
    }
    String text = compiled.source.text(types);
    var kernels = new MapKernels(device.sources().text("formula.cu", text, "map_flat"),
        device.sources().text("formula.cu", text, "map_strided"), FormulaSource.vector(types));
    compiled.kernels.put(types, kernels);
    return kernels;
  }

  @Override
  public void dropout(Sink y, Tensor x, float p, long seed, Tensor salt) {
    Tensor into = y.into();
    if (into.shape().size() == 0) {
      return;
    }
    var types = Map.of("TX", CudaDevice.cType(x.dtype()), "TY", CudaDevice.cType(into.dtype()));
    Walk walk = Walk.of(into, x);
    boolean flat = walk.isFlat() && CudaDevice.isAligned(into) && CudaDevice.isAligned(x);
    Kernel.Launch launch = device.kernel("dropout.cu", flat ? "dropout_flat" : "dropout_strided", types).with()
        .pointer(CudaDevice.pointer(into)).pointer(CudaDevice.pointer(x));
    int threads = CudaDevice.THREADS;
    long tasks = flat ? Math.ceilDiv(walk.size(), 8) : walk.size();
    (flat ? launch.int64(walk.size()) : launch.structure(walk.argument()))
        .float32(p).float32(1 - p).int64(seed).pointer(salt == null ? 0 : CudaDevice.pointer(salt).address())
        .int32(y.add() ? 1 : 0)
        .over(device.stream(), device.blocks(tasks, threads), threads);
  }
}
