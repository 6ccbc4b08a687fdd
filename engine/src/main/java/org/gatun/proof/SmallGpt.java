package org.gatun.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Device;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** A GPT of one block between an embedding and a head that share a table: every fused operation in a few lines. */
public final class SmallGpt implements AutoCloseable {
  /** Tokens it knows. */
  public static final int VOCABULARY = 67;

  private static final int CHANNELS = 48;
  private static final int HEADS = 4;

  private final Parameters parameters;
  private final List<Parameter> p = new ArrayList<>();

  /** With weights drawn from one seed: the same on every device. */
  public SmallGpt(Device device, Precision precision) {
    parameters = new Parameters(device, precision);
    int c = CHANNELS;
    int[][] shapes =
        {{VOCABULARY, c}, {c}, {c}, {3 * c, c}, {3 * c}, {c, c}, {c}, {c}, {c}, {4 * c, c}, {4 * c}, {c, 4 * c}, {c}};
    for (int i = 0; i < shapes.length; i++) {
      p.add(parameters.add("p" + i, Initializer.normal(0.2f), shapes[i]));
    }
    parameters.initialize(1);
  }

  private Tensor value(int i) {
    return p.get(i).value();
  }

  /** Scores [B, T, V] of the token after each of tokens [B, T]. */
  public Tensor logits(Tensor tokens, float dropout, long seed) {
    Tensor x = value(0).embedding(tokens).dropout(dropout, seed);
    Tensor qkv = x.layerNorm(value(1), value(2), 1e-5f).linear(value(3), value(4));
    Tensor branch = qkv.causalAttention(HEADS).linear(value(5), value(6));
    Residual r = x.addLayerNorm(branch, value(7), value(8), 1e-5f);
    Tensor y = r.stream().plus(r.normed().mlp(value(9), value(10), value(11), value(12), Gelu.TANH));
    return y.linear(value(0), null);
  }

  /** Tokens drawn from a seed. */
  public static int[] tokens(int seed, Shape shape) {
    var tokens = new int[Math.toIntExact(shape.size())];
    Arrays.setAll(tokens, i -> Integer.remainderUnsigned(Philox.bits(seed, i), VOCABULARY));
    return tokens;
  }

  /** Its weights after so many steps of AdamW with dropout on random tokens of this shape [B, T]. */
  public float[] train(Shape shape, int steps) {
    try (var clip = new GradientClip(parameters, 0.5f); var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
      for (int step = 0; step < steps; step++) {
        try (var tape = Tape.on(parameters.device(), step)) {
          Tensor x = tape.tensor(tokens(step, shape), shape);
          Tensor targets = tape.tensor(tokens(step + 100, shape), shape);
          tape.backward(logits(x, 0.1f, tape.nextSeed()).crossEntropy(targets));
          adamw.step(1e-2f, clip.measure());
        }
      }
      return parameters.masters().toArray();
    }
  }

  @Override
  public void close() {
    parameters.close();
  }
}
