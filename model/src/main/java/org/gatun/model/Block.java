package org.gatun.model;

import java.util.List;
import java.util.function.UnaryOperator;
import org.gatun.nn.Dropout;
import org.gatun.nn.LayerNorm;
import org.gatun.nn.Linear;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Tensor;

/**
 * One block of GPT-2: x + attention(ln_1(x)), then x + mlp(ln_2(x)).
 *
 * <p>Adding a branch to the stream and normalising the sum for what comes next is one operation, so a
 * block hands on both, and is given the norm that follows it.
 */
final class Block {
  private final LayerNorm ln1;
  private final Linear qkv;
  private final Linear attentionProjection;
  private final LayerNorm ln2;
  private final Linear up;
  private final Linear down;
  private final Gelu gelu;
  private final Dropout dropout;

  /** Both projections that end a branch start smaller, so that L blocks do not widen the stream. */
  Block(Parameters parameters, Gpt2Config config) {
    int c = config.channels();
    Initializer weight = Initializer.normal(Gpt2.DEVIATION);
    Initializer branchEnd = Initializer.normal((float) (Gpt2.DEVIATION / Math.sqrt(2.0 * config.layers())));
    Initializer bias = config.bias() ? Initializer.constant(0f) : null;
    ln1 = new LayerNorm(parameters.in("ln_1"), c, config.bias(), config.layerNormEps());
    Parameters attention = parameters.in("attn");
    qkv = new Linear(attention.in("c_attn"), c, 3 * c, weight, bias);
    attentionProjection = new Linear(attention.in("c_proj"), c, c, branchEnd, bias);
    ln2 = new LayerNorm(parameters.in("ln_2"), c, config.bias(), config.layerNormEps());
    Parameters mlp = parameters.in("mlp");
    up = new Linear(mlp.in("c_fc"), c, 4 * c, weight, bias);
    down = new Linear(mlp.in("c_proj"), 4 * c, c, branchEnd, bias);
    gelu = config.gelu();
    dropout = new Dropout(config.dropout());
  }

  /** {@code attend} maps the packed projection [B, T, 3C] to [B, T, C]. */
  Residual forward(Residual x, LayerNorm next, UnaryOperator<Tensor> attend, Recompute recompute) {
    UnaryOperator<Residual> first = in -> ln2.forward(in.stream(), attention(in.normed(), attend));
    UnaryOperator<Residual> second = in -> next.forward(in.stream(), mlp(in.normed()));
    return switch (recompute) {
      case NONE -> second.apply(first.apply(x));
      case ATTENTION_MLP -> recomputed(second, recomputed(first, x));
      case BLOCK -> recomputed(in -> second.apply(first.apply(in)), x);
    };
  }

  private static Residual recomputed(UnaryOperator<Residual> half, Residual x) {
    List<Tensor> results = x.stream().scope().recomputed(() -> {
      Residual y = half.apply(x);
      return List.of(y.stream(), y.normed());
    });
    return new Residual(results.get(0), results.get(1));
  }

  private Tensor attention(Tensor x, UnaryOperator<Tensor> attend) {
    return dropout.forward(attentionProjection.forward(attend.apply(qkv.forward(x))));
  }

  private Tensor mlp(Tensor x) {
    return dropout.forward(up.forwardMlp(x, gelu, down));
  }

  /** The norm to be applied to the stream before this block. */
  LayerNorm ln1() {
    return ln1;
  }
}
