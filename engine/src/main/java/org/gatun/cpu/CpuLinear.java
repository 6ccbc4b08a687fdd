package org.gatun.cpu;

import java.util.Arrays;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Reduction;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Tensor;

/** Matrix products of tensors: each is one call of {@link Gemm} on the right views. */
final class CpuLinear implements Kernels.Linear {
  private final Gemm gemm;
  private final Reduction reduction;

  CpuLinear(Gemm gemm, Reduction reduction) {
    this.gemm = gemm;
    this.reduction = reduction;
  }

  @Override
  public void forward(Tensor y, Tensor x, Tensor weight, Epilogue epilogue) {
    gemm.multiply(rows(y), rows(x), rows(weight).transposed(), 1, false, finish(epilogue));
  }

  @Override
  public void backwardInput(Sink dx, Tensor dy, Tensor weight, Epilogue epilogue) {
    gemm.multiply(rows(dx.into()), rows(dy), rows(weight), 1, dx.add(), finish(epilogue));
  }

  @Override
  public void backwardWeight(Sink dweight, Sink dbias, Tensor dy, Tensor x) {
    Matrix columns = rows(dy).transposed();
    boolean summed = false;
    if (dweight != null && dbias != null) {
      summed =
          gemm.multiplyAndSum(
              rows(dweight.into()), columns, rows(x), dweight.add(), sums -> store(dbias, sums));
    } else if (dweight != null) {
      gemm.multiply(rows(dweight.into()), columns, rows(x), dweight.add());
    }
    if (dbias != null && !summed) {
      int[] outer = new int[dy.shape().rank() - 1];
      Arrays.setAll(outer, axis -> axis);
      reduction.reduce(dbias, Reduction.Combine.SUM, dy, outer);
    }
  }

  private static void store(Sink dbias, double[] sums) {
    Tensor into = dbias.into();
    float[] values = new float[into.shape().dim(0)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) sums[i];
    }
    Lanes.store(dbias.add(), CpuDevice.bytes(into), into.dtype(), into.offset(), values, 0, values.length);
  }

  @Override
  public void matmul(Sink y, Tensor a, Tensor b) {
    int batch = y.into().shape().dim(0);
    gemm.multiply(batched(y.into()), batched(a), batched(b), batch, y.add(), Finish.NONE);
  }

  private static Finish finish(Epilogue epilogue) {
    return switch (epilogue) {
      case Epilogue.None() -> Finish.NONE;
      case Epilogue.Bias(Tensor bias) -> new Finish.Bias(rows(bias));
      case Epilogue.BiasGelu(Tensor bias, Tensor preActivation, Kernels.Gelu form) ->
          new Finish.BiasGelu(bias == null ? null : rows(bias), rows(preActivation), form);
      case Epilogue.GeluGradient(Tensor preActivation, Kernels.Gelu form, Tensor gelu) ->
          new Finish.GeluGradient(rows(preActivation), form, gelu == null ? null : rows(gelu));
    };
  }

  /** A contiguous tensor [.., C] as one matrix. */
  private static Matrix rows(Tensor x) {
    var memory = (Memory.Host) x.memory();
    return Matrix.of(memory.segment(), x.dtype(), x.offset(), x.shape().rows(), x.shape().dim(-1));
  }

  /** A view of rank 3 as a batch of matrices. */
  private static Matrix batched(Tensor x) {
    var memory = (Memory.Host) x.memory();
    return new Matrix(memory.segment(), x.dtype(), x.offset(), x.shape().dim(1), x.shape().dim(2),
        x.stride(1), x.stride(2), x.stride(0));
  }
}
