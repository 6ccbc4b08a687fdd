package org.gatun.train;

import org.gatun.cpu.CpuDevice;
import org.gatun.model.Gpt2;
import org.gatun.optim.AdamW;
import org.gatun.tensor.Device;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tensor;

/** A copy of weights and moments in the host's memory, taken again and again into the same place. */
final class Snapshot implements AutoCloseable {
  private final Device host = new CpuDevice(1);
  private final Scope scope = Scope.on(host);
  private final Gpt2 original;
  private final AdamW adamw;
  private final Gpt2 model;
  private final Tensor first;
  private final Tensor second;
  private long updates;

  Snapshot(Gpt2 original, AdamW adamw) {
    this.original = original;
    this.adamw = adamw;
    this.model = new Gpt2(new Parameters(host, Precision.F32), original.config());
    model.parameters().initializeToZero();
    this.first = scope.allocate(adamw.firstMoment().shape(), adamw.firstMoment().dtype());
    this.second = scope.allocate(adamw.secondMoment().shape(), adamw.secondMoment().dtype());
  }

  /** Copies what there is now over what was copied before; nobody may be reading that. */
  void take() {
    copy(original.parameters().masters(), model.parameters().masters());
    copy(adamw.firstMoment(), first);
    copy(adamw.secondMoment(), second);
    updates = adamw.steps();
  }

  private static void copy(Tensor from, Tensor to) {
    long bytes = to.shape().size() * to.dtype().byteSize();
    switch (to.memory()) {
      case Memory.Host(var segment) -> from.device().download(segment.asSlice(0, bytes), from);
      case Memory.OnDevice _ -> throw new IllegalStateException("a snapshot lies in the host's memory");
    }
  }

  /** The copied model. */
  Gpt2 model() {
    return model;
  }

  /** The copied moments. */
  Checkpoint.Moments moments() {
    return new Checkpoint.Moments(first, second, updates);
  }

  @Override
  public void close() {
    model.close();
    scope.close();
    host.close();
  }
}
