package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.gatun.testing.CudaDevices;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A whole GPT-2 block on a CUDA device: the libraries' products and attention beside kernels of ours. */
@OnCuda
class CudaBlockTest {
  @ParameterizedTest
  @EnumSource(Precision.class)
  void blockMatchesOracle(Precision precision) {
    try (var device = CudaDevices.open()) {
      BlockTest.check(device, precision, BlockTest::block);
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void blockWithFusedResidualMatchesOracle(Precision precision) {
    try (var device = CudaDevices.open()) {
      BlockTest.check(device, precision, BlockTest::fusedBlock);
    }
  }

  @Test
  void gradientsOfTwoLayersHaveTheSameBitsEachTime() {
    assertArrayEquals(gradients(), gradients());
  }

  /** Two layers of products, norm, attention and residuals, and a loss over a padded vocabulary. */
  private static float[] gradients() {
    int channels = 16;
    try (var device = CudaDevices.open(); var parameters = new Parameters(device, Precision.BF16)) {
      Parameter gain = parameters.add("gain", Initializer.constant(1), channels);
      Parameter qkv = parameters.add("qkv", Initializer.normal(0.2f), 3 * channels, channels);
      Parameter head = parameters.add("head", Initializer.normal(0.2f), 40, channels);
      parameters.initialize(1);
      try (var tape = Tape.on(device)) {
        float[] values = new float[2 * 17 * channels];
        for (int i = 0; i < values.length; i++) {
          values[i] = Philox.normal(2, i);
        }
        Tensor x = tape.tensor(values, Shape.of(2, 17, channels), DType.BF16);
        for (int layer = 0; layer < 2; layer++) {
          x = x.plus(x.layerNorm(gain.value(), null, 1e-5f).linear(qkv.value(), null).causalAttention(2));
        }
        Tensor loss = x.linear(head.value(), null).crossEntropy(tape.tensor(new int[34], Shape.of(2, 17)), 33, -1);
        tape.backward(loss);
      }
      try (var scope = Scope.on(device)) {
        return scope.borrow(parameters.gradients()).toArray();
      }
    }
  }
}
