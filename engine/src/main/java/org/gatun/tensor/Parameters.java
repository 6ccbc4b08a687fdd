package org.gatun.tensor;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.gatun.tensor.Kernels.Sink;

/**
 * The parameters of a model under dotted names, in the order its layers asked for them. Values,
 * masters and gradients each lie in one flat buffer, which this object owns.
 *
 * <p>Layers {@link #add} their parameters first; {@link #initialize} then takes the memory, but that of
 * gradients only when there is one: a model that is not trained has none.
 */
public final class Parameters implements AutoCloseable {
  /** Every parameter starts at a multiple of this: 256 bytes of the smallest type. */
  private static final int ALIGNMENT = 128;

  private static final int CHUNK = 1 << 16;

  private final Registry registry;
  private final String prefix;

  /** Parameters on a device, in a precision. */
  public Parameters(Device device, Precision precision) {
    this(new Registry(device, precision), "");
  }

  private Parameters(Registry registry, String prefix) {
    this.registry = registry;
    this.prefix = prefix;
  }

  /** The same collection seen from one level deeper: names get {@code name.} in front. */
  public Parameters in(String name) {
    return new Parameters(registry, prefix + name + ".");
  }

  /**
   * A new parameter; its memory comes with {@link #initialize}.
   *
   * @throws IllegalArgumentException if the name is taken
   * @throws IllegalStateException if the parameters are initialised already
   */
  public Parameter add(String name, Initializer initializer, int... dims) {
    return registry.add(prefix + name, Shape.of(dims), initializer);
  }

  /** Takes the memory and leaves every parameter zero: for values that come from a file. */
  public void initializeToZero() {
    registry.allocate();
  }

  /** Takes the memory and gives every parameter its initial value: the same for the same seed. */
  public void initialize(long seed) {
    registry.allocate();
    int number = 0;
    for (Parameter parameter : all()) {
      fill(parameter, Philox.derive(seed, number++));
    }
    mastersChanged();
  }

  private static void fill(Parameter parameter, long seed) {
    long size = parameter.shape().size();
    var values = new float[Math.toIntExact(Math.min(size, 64L * CHUNK))];
    for (long from = 0; from < size; from += values.length) {
      int length = (int) Math.min(values.length, size - from);
      long base = from;
      IntStream.range(0, (length + CHUNK - 1) / CHUNK).parallel().forEach(chunk -> {
        for (int i = chunk * CHUNK; i < Math.min(length, (chunk + 1) * CHUNK); i++) {
          values[i] = parameter.initializer().at(seed, base + i);
        }
      });
      Tensor part = parameter.master().slice(from, Shape.of(length));
      part.device().upload(part, MemorySegment.ofArray(values).asSlice(0, 4L * length));
    }
  }

  /** Rounds the masters to the values layers compute with; call it after writing a master. */
  public void mastersChanged() {
    if (masters() != values()) {
      registry.device.kernels().pointwise().copy(Sink.of(values()), masters());
    }
  }

  /** All parameters, in the order they were added. */
  public List<Parameter> all() {
    return Collections.unmodifiableList(registry.list);
  }

  /** The parameter of this full name. */
  public Parameter get(String name) {
    Parameter parameter = registry.byName.get(prefix + name);
    if (parameter == null) {
      throw new IllegalArgumentException("no parameter is named " + prefix + name);
    }
    return parameter;
  }

  /** The number of learned elements. */
  public long size() {
    return registry.list.stream().mapToLong(parameter -> parameter.shape().size()).sum();
  }

  /** The next gradients overwrite these; costs nothing. */
  public void forgetGradients() {
    registry.list.forEach(Parameter::forgetGradient);
  }

  /** Takes the gradients as they lie, all of them: after a recorded step has written them behind {@link #forgetGradients}. */
  public void recallGradients() {
    registry.list.forEach(Parameter::recallGradient);
  }

  /** Where the parameters live. */
  public Device device() {
    return registry.device;
  }

  /** The type they compute in. */
  public Precision precision() {
    return registry.precision;
  }

  /** All values, flat, in the type of the precision; what lies between parameters is zero. */
  public Tensor values() {
    return registry.initialized().values;
  }

  /** All masters, flat, F32; the same tensor as {@link #values} in precision F32. */
  public Tensor masters() {
    return registry.initialized().masters;
  }

  /** All gradients, flat, F32; those of parameters that took no part are zero. */
  public Tensor gradients() {
    registry.list.forEach(Parameter::settleGradient);
    return registry.initialized().gradients();
  }

  /**
   * The gradients from one parameter to a later one, both included, flat, F32: a view of {@link #gradients}. Those of parameters that took no
   * part are zero, as is what lies between parameters.
   */
  public Tensor gradients(Parameter first, Parameter last) {
    List<Parameter> range = registry.list.subList(registry.list.indexOf(first), registry.list.indexOf(last) + 1);
    range.forEach(Parameter::settleGradient);
    long size = last.start() + last.shape().size() - first.start();
    return registry.initialized().gradients.slice(first.start(), Shape.of(Math.toIntExact(size)));
  }

  /** Gives the memory back; a second call does nothing. */
  @Override
  public void close() {
    if (registry.scope != null) {
      registry.scope.close();
    }
  }

  /** What all views of one collection share. */
  private static final class Registry {
    private final Device device;
    private final Precision precision;
    private final List<Parameter> list = new ArrayList<>();
    private final Map<String, Parameter> byName = new LinkedHashMap<>();
    private long end;
    private Scope scope;
    private Tensor values;
    private Tensor masters;
    private Tensor gradients;

    Registry(Device device, Precision precision) {
      this.device = device;
      this.precision = precision;
    }

    Parameter add(String name, Shape shape, Initializer initializer) {
      if (scope != null) {
        throw new IllegalStateException("parameter " + name + " comes too late: the parameters are"
            + " initialised; build all layers before initialize(seed)");
      }
      var parameter = new Parameter(name, shape, initializer, end);
      if (byName.putIfAbsent(name, parameter) != null) {
        throw new IllegalArgumentException("two parameters are named " + name);
      }
      list.add(parameter);
      end += (shape.size() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      return parameter;
    }

    void allocate() {
      if (scope != null) {
        throw new IllegalStateException("the parameters are initialised already");
      }
      scope = Scope.on(device);
      Shape flat = Shape.of(Math.toIntExact(end));
      masters = scope.full(0f, flat);
      values = masters;
      if (precision.compute() != DType.F32) {
        values = scope.allocate(flat, precision.compute());
        device.kernels().pointwise().fill(values, 0f);
      }
      list.forEach(parameter -> parameter.bind(values, masters, this::gradients));
    }

    Tensor gradients() {
      if (gradients == null) {
        gradients = scope.full(0f, masters.shape());
      }
      return gradients;
    }

    Registry initialized() {
      if (scope == null) {
        throw new IllegalStateException("the parameters have no memory yet; call initialize(seed)");
      }
      return this;
    }
  }
}
