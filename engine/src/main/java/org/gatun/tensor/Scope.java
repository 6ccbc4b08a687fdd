package org.gatun.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Owns the tensors made while it is open and gives their memory back when it closes.
 *
 * <p>A result belongs to the scope of the arguments it was made from. A scope that is never closed
 * gives its memory back when it is collected. One thread uses a scope at a time.
 */
public sealed class Scope implements AutoCloseable permits Tape {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Device device;
  private final Owned owned;
  private final Cleaner.Cleanable cleanable;
  private List<Storage> taken;

  Scope(Device device) {
    this.device = device;
    this.owned = new Owned(device);
    this.cleanable = CLEANER.register(this, owned);
  }

  /** A scope for inference: nothing is recorded, dropout does nothing. */
  public static Scope on(Device device) {
    return new Scope(device);
  }

  /** The device whose memory this scope's tensors live in. */
  public final Device device() {
    return device;
  }

  /** A tensor F32 of these values, row-major. */
  public final Tensor tensor(float[] values, Shape shape) {
    requireLength(values.length, shape);
    Tensor tensor = allocate(shape, DType.F32);
    device.upload(tensor, MemorySegment.ofArray(values));
    return tensor;
  }

  /** A tensor of these values, row-major, rounded to {@code dtype}. */
  public final Tensor tensor(float[] values, Shape shape, DType dtype) {
    Tensor exact = tensor(values, shape);
    if (dtype == DType.F32) {
      return exact;
    }
    Tensor converted = allocate(shape, dtype);
    device.kernels().pointwise().copy(Kernels.Sink.of(converted), exact);
    release(exact);
    return converted;
  }

  /** A tensor I32 of these values, row-major. */
  public final Tensor tensor(int[] values, Shape shape) {
    requireLength(values.length, shape);
    Tensor tensor = allocate(shape, DType.I32);
    device.upload(tensor, MemorySegment.ofArray(values));
    return tensor;
  }

  /** A tensor F32 with every element of this value. */
  public final Tensor full(float value, Shape shape) {
    Tensor tensor = allocate(shape, DType.F32);
    device.kernels().pointwise().fill(tensor, value);
    return tensor;
  }

  /**
   * A tensor of another, longer-lived scope as seen from this one; its memory stays with its owner. A
   * borrowed parameter's value still passes gradients to the parameter; any other tensor is a
   * constant here.
   */
  public final Tensor borrow(Tensor other) {
    requireOpen();
    if (other.device() != device) {
      throw new IllegalArgumentException("borrow: " + other + " is on " + other.device().name()
          + ", this scope on " + device.name());
    }
    return other.seenFrom(this);
  }

  /**
   * An uninitialised tensor of this scope, for an operation to fill.
   *
   * @throws IllegalStateException if the scope is closed
   */
  public final Tensor allocate(Shape shape, DType dtype) {
    requireOpen();
    var storage = new Storage(device.take(shape.size() * dtype.byteSize()));
    owned.storages.add(storage);
    if (taken != null) {
      taken.add(storage);
    }
    return new Tensor(shape, dtype, storage, device, this);
  }

  /**
   * Gives back the memory of a tensor of this scope before the scope closes; reading the tensor or a
   * view of it afterwards is an error. Does nothing for a view, a borrowed tensor, or a second time.
   */
  public final void release(Tensor tensor) {
    if (!tensor.isView()) {
      release(tensor.storage());
    }
  }

  final void release(Storage storage) {
    if (owned.storages.remove(storage)) {
      storage.markReleased();
      device.give(storage.memory());
    }
  }

  /** Keeps an operation for the backward pass; a plain scope keeps none. */
  public void record(Node node) {}

  /**
   * Runs {@code segment} and keeps what it returns; all other memory it takes from this scope is given
   * back. A {@link Tape} can do without it too, for it runs the segment again when it needs it.
   */
  public List<Tensor> recomputed(Supplier<List<Tensor>> segment) {
    requireOpen();
    var results = new ArrayList<Tensor>();
    List<Storage> memory = memoryOf(() -> results.addAll(segment.get()));
    releaseAllBut(results, memory);
    return List.copyOf(results);
  }

  /** Runs some work and returns all memory that it took from this scope. */
  final List<Storage> memoryOf(Runnable work) {
    List<Storage> outer = taken;
    List<Storage> inner = new ArrayList<>();
    taken = inner;
    try {
      work.run();
    } finally {
      taken = outer;
      if (outer != null) {
        outer.addAll(inner);
      }
    }
    return inner;
  }

  final void releaseAllBut(List<Tensor> results, List<Storage> memory) {
    Set<Storage> kept = Collections.newSetFromMap(new IdentityHashMap<>());
    results.forEach(result -> kept.add(result.storage()));
    memory.stream().filter(storage -> !kept.contains(storage)).forEach(this::release);
  }

  /** Whether a segment is being run at present. */
  final boolean isInSegment() {
    return taken != null;
  }

  /** Whether operations are recorded, so that a gradient may be asked for. */
  public boolean isRecording() {
    return false;
  }

  final void requireOpen() {
    if (owned.closed) {
      throw new IllegalStateException("this scope is closed; its tensors are gone");
    }
  }

  /**
   * The scope a result of these arguments belongs to; parameters have none of their own, and null
   * stands for an argument left out.
   *
   * @throws IllegalArgumentException if the arguments belong to two scopes, or to none, or lie on two devices
   */
  public static Scope of(Tensor... arguments) {
    Tensor owner = null;
    for (Tensor argument : arguments) {
      if (argument == null || argument.scope() == null) {
        continue;
      }
      if (owner != null && owner.scope() != argument.scope()) {
        throw new IllegalArgumentException("tensors of two scopes in one operation: " + owner + " and "
            + argument + "; bring the longer-lived one in with borrow()");
      }
      owner = argument;
    }
    if (owner == null) {
      throw new IllegalArgumentException("an operation on parameters alone has no scope to live in;"
          + " bring one in with borrow()");
    }
    for (Tensor argument : arguments) {
      if (argument != null && argument.device() != owner.device()) {
        throw new IllegalArgumentException("tensors of two devices in one operation: " + owner + " on "
            + owner.device().name() + " and " + argument + " on " + argument.device().name() + "; bring both to one");
      }
    }
    owner.scope().requireOpen();
    return owner.scope();
  }

  private static void requireLength(int length, Shape shape) {
    if (length != shape.size()) {
      throw new IllegalArgumentException("tensor: " + length + " values do not fit shape " + shape);
    }
  }

  /** Gives all memory back; a second call does nothing. */
  @Override
  public void close() {
    cleanable.clean();
  }

  /** Holds no reference to the scope, so that the cleaner can run. */
  private static final class Owned implements Runnable {
    private final Device device;
    private final Set<Storage> storages = Collections.newSetFromMap(new IdentityHashMap<>());
    private volatile boolean closed;

    Owned(Device device) {
      this.device = device;
    }

    @Override
    public void run() {
      closed = true;
      for (Storage storage : storages) {
        storage.markReleased();
        device.give(storage.memory());
      }
      storages.clear();
    }
  }
}
