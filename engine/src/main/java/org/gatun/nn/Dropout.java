package org.gatun.nn;

import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** Drops elements while training, which is to say on a {@link Tape}; does nothing elsewhere. */
public record Dropout(float p) implements Layer {
  @Override
  public Tensor forward(Tensor x) {
    return p > 0 && x.scope() instanceof Tape tape ? x.dropout(p, tape.nextSeed(), tape.salt()) : x;
  }
}
