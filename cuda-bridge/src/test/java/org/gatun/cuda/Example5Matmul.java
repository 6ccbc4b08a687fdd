package org.gatun.cuda;

import static org.gatun.cuda.ElementType.BF16;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.gatun.cuda.cublaslt.CublasLt;
import org.gatun.cuda.cublaslt.Matmul;
import org.gatun.cuda.cublaslt.MatmulEpilogue;
import org.gatun.cuda.cublaslt.MatmulProblem;
import org.gatun.cuda.cublaslt.Matrix;
import org.gatun.cuda.cublaslt.Tuning;
import org.gatun.cuda.testing.DeviceArrays;
import org.gatun.cuda.testing.EmulatorTest;
import org.junit.jupiter.api.Test;

/** A linear layer with its GELU in one call: y = gelu(x Wᵀ + b), where the pre-activation is kept for the way back. */
@EmulatorTest
class Example5Matmul {
  private static final int ROWS = 32;
  private static final int INPUTS = 24;
  private static final int OUTPUTS = 40;

  @Test
  void linearLayerWithGelu() {
    var random = new Random(1);
    float[] x = DeviceArrays.random(random, ROWS * INPUTS, 1);
    float[] weight = DeviceArrays.random(random, OUTPUTS * INPUTS, 0.2);
    float[] bias = DeviceArrays.random(random, OUTPUTS, 0.2);

    // cuBLASLt counts by columns: the row-major x [ROWS, INPUTS] is its matrix of INPUTS rows.
    var problem = new MatmulProblem(
        Matrix.packed(BF16, INPUTS, OUTPUTS), true, Matrix.packed(BF16, INPUTS, ROWS), false,
        Matrix.packed(BF16, OUTPUTS, ROWS), MatmulEpilogue.GELU_AUX_BIAS, false, 1);
    float[] y;
    try (CudaContext context = CudaContext.open(0);
        Stream stream = context.newStream();
        var arrays = new DeviceArrays(context, stream);
        CublasLt blas = CublasLt.open(context);
        Matmul linear = blas.plan(problem, Tuning.none())) {
      DevicePtr result = arrays.allocate(BF16, ROWS * OUTPUTS);
      DevicePtr preActivation = arrays.allocate(BF16, ROWS * OUTPUTS);
      linear.run(stream, 1, arrays.upload(BF16, weight), arrays.upload(BF16, x), 0, null, result,
          arrays.upload(BF16, bias), preActivation, arrays.scratch(linear.workspaceBytes()));
      y = arrays.download(BF16, result);
    }

    for (int row = 0; row < ROWS; row++) {
      for (int output = 0; output < OUTPUTS; output++) {
        double z = bias[output];
        for (int i = 0; i < INPUTS; i++) {
          z += (double) x[row * INPUTS + i] * weight[output * INPUTS + i];
        }
        double gelu = 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)));
        // Rounding takes 2^-8 at most of the result, and of the pre-activation if that comes first.
        assertEquals(gelu, y[row * OUTPUTS + output], 0x1p-8 * (Math.abs(z) + Math.abs(gelu)) + 1e-6);
      }
    }
  }
}
