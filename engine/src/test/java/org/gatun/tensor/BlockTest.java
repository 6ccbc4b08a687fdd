package org.gatun.tensor;

import static org.gatun.tensor.GradientCheck.Array.normal;

import java.util.Arrays;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Oracle;
import org.gatun.tensor.GradientCheck.Array;
import org.gatun.tensor.Kernels.Gelu;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A whole GPT-2 block: its operations together carry the right gradient to every parameter. */
class BlockTest {
  private static final int BATCH = 2;
  private static final int TIME = 9;
  private static final int HEADS = 2;
  private static final int CHANNELS = 24;
  private static final float EPS = 1e-5f;

  @ParameterizedTest
  @EnumSource(Precision.class)
  void blockMatchesOracle(Precision precision) {
    onCpu(precision, BlockTest::block);
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void blockWithFusedResidualMatchesOracle(Precision precision) {
    onCpu(precision, BlockTest::fusedBlock);
  }

  private static void onCpu(Precision precision, GradientCheck.Operation block) {
    try (var device = new CpuDevice(2)) {
      check(device, precision, block);
    }
  }

  static void check(Device device, Precision precision, GradientCheck.Operation block) {
    // Fourteen stored results lie between x and the sum it ends in, the longest way.
    GradientCheck.of(p -> Oracle.block(p[0], HEADS, Arrays.copyOfRange(p, 1, p.length)), block)
        .named("block")
        .inputs(normal(1, BATCH, TIME, CHANNELS))
        .inputs(parameters())
        .precision(precision)
        .roundings(14)
        .run(device);
  }

  private static Array[] parameters() {
    return new Array[]{
      scaled(2, 1, CHANNELS), scaled(3, 1, CHANNELS),
      scaled(4, 0.2, 3 * CHANNELS, CHANNELS), scaled(5, 1, 3 * CHANNELS),
      scaled(6, 0.2, CHANNELS, CHANNELS), scaled(7, 1, CHANNELS),
      scaled(8, 1, CHANNELS), scaled(9, 1, CHANNELS),
      scaled(10, 0.2, 4 * CHANNELS, CHANNELS), scaled(11, 1, 4 * CHANNELS),
      scaled(12, 0.1, CHANNELS, 4 * CHANNELS), scaled(13, 1, CHANNELS)};
  }

  private static Array scaled(long seed, double size, int... dims) {
    return Oracle.map(normal(seed, dims), x -> size * x);
  }

  static Tensor block(Tensor... p) {
    Tensor x = p[0];
    Tensor qkv = x.layerNorm(p[1], p[2], EPS).linear(p[3], p[4]);
    Tensor stream = x.plus(qkv.causalAttention(HEADS).linear(p[5], p[6]));
    return stream.plus(stream.layerNorm(p[7], p[8], EPS).mlp(p[9], p[10], p[11], p[12], Gelu.TANH));
  }

  static Tensor fusedBlock(Tensor... p) {
    Tensor qkv = p[0].layerNorm(p[1], p[2], EPS).linear(p[3], p[4]);
    Residual residual = p[0].addLayerNorm(qkv.causalAttention(HEADS).linear(p[5], p[6]), p[7], p[8], EPS);
    return residual.stream().plus(residual.normed().mlp(p[9], p[10], p[11], p[12], Gelu.TANH));
  }
}
