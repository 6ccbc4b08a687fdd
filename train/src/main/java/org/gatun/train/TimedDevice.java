package org.gatun.train;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Kernels.Epilogue;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * A device that notes how long it takes over each kernel, and what the kernel had to do at least: the bytes of its tensors, and the
 * floating-point operations of matrix products and attention. All else passes through to the device behind it, which it does not own.
 */
final class TimedDevice implements Device {
  /** All calls of one kernel. */
  record Work(int calls, double milliseconds, double bytes, double flops) {
    private Work plus(Work other) {
      return new Work(calls + other.calls, milliseconds + other.milliseconds, bytes + other.bytes, flops + other.flops);
    }
  }

  private record Call(String kernel, Moment begin, Moment end, double bytes, double flops) {}

  private final Device device;
  private final Kernels kernels;
  private final List<Call> calls = new ArrayList<>();

  TimedDevice(Device device) {
    this.device = device;
    Kernels own = device.kernels();
    Map<Method, Object> families = new HashMap<>();
    for (Method family : Kernels.class.getDeclaredMethods()) {
      Object kernels = invoke(family, own);
      families.put(family,
          proxy(family.getReturnType(), (_, method, arguments) -> time(family.getName(), kernels, method, arguments)));
    }
    this.kernels = proxy(Kernels.class, (_, method, _) -> families.get(method));
  }

  private static <T> T proxy(Class<T> type, java.lang.reflect.InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[]{type}, handler));
  }

  private Object time(String family, Object kernels, Method method, Object[] arguments) {
    Moment begin = device.mark();
    Object result = invoke(method, kernels, arguments);
    calls.add(new Call(family + "." + method.getName(), begin, device.mark(), bytes(method.getName(), arguments),
        flops(method.getName(), arguments)));
    return result;
  }

  private static Object invoke(Method method, Object target, Object... arguments) {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      switch (e.getCause()) {
        case RuntimeException problem -> throw problem;
        case Error error -> throw error;
        default -> throw new IllegalStateException(e);
      }
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What was done since the last call of this, by kernel; waits for the device. */
  Map<String, Work> take() {
    var work = new TreeMap<String, Work>();
    for (Call call : calls) {
      work.merge(call.kernel, new Work(1, call.end.millisecondsSince(call.begin), call.bytes, call.flops), Work::plus);
    }
    calls.clear();
    return work;
  }

  // What must be done at least.

  private static double bytes(String kernel, Object[] arguments) {
    return switch (kernel) {
      // Rows of the table are read as often as they are asked for, the others not at all.
      case "embedding" -> 2 * bytes((Tensor) arguments[0]) + bytes((Tensor) arguments[2]);
      // Master and both moments are read and written.
      case "adamw" ->
          bytes(arguments) + bytes(Arrays.copyOfRange(arguments, 1, 2)) + bytes(Arrays.copyOfRange(arguments, 3, 5));
      default -> bytes(arguments);
    };
  }

  private static double bytes(Object[] arguments) {
    double bytes = 0;
    for (Object argument : arguments) {
      bytes += switch (argument) {
        case Tensor tensor -> bytes(tensor);
        case Sink sink -> bytes(sink.into()) * (sink.add() ? 2 : 1);
        case Epilogue.Bias epilogue -> bytes(epilogue.bias());
        case Epilogue.BiasGelu epilogue -> bytes(epilogue.preActivation());
        case Epilogue.GeluGradient epilogue -> bytes(epilogue.preActivation());
        case List<?> list -> bytes(list.toArray());
        case null, default -> 0;
      };
    }
    return bytes;
  }

  private static double bytes(Tensor tensor) {
    return (double) tensor.shape().size() * tensor.dtype().byteSize();
  }

  /** Two operations a multiplication; attention's backward multiplies five times where forward does twice (Dao et al., 2022). */
  private static double flops(String kernel, Object[] arguments) {
    return switch (kernel) {
      case "matmul" -> 2.0 * ((Sink) arguments[0]).into().shape().size() * ((Tensor) arguments[1]).shape().dim(-1);
      case "backwardInput" -> 2.0 * tensor(arguments, 1).size() * tensor(arguments, 2).dim(-1);
      case "backwardWeight" ->
          arguments[0] == null ? 0 : 2.0 * tensor(arguments, 2).size() * tensor(arguments, 3).dim(-1);
      case "forward" -> arguments[1] instanceof Tensor second && arguments.length == 4
          ? 2.0 * second.shape().size() * tensor(arguments, 2).dim(0)
          : attention(arguments, 2, 2);
      case "backward" -> attention(arguments, 6, 5);
      default -> 0;
    };
  }

  private static Shape tensor(Object[] arguments, int index) {
    return ((Tensor) arguments[index]).shape();
  }

  private static double attention(Object[] arguments, int query, int products) {
    Shape q = tensor(arguments, query);
    boolean causal = (boolean) arguments[query + 4];
    return 2.0 * products * q.size() * tensor(arguments, query + 1).dim(2) * (causal ? 0.5 : 1);
  }

  // All else is the device's own.

  @Override
  public String name() {
    return device.name();
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  @Override
  public boolean recomputesGelu() {
    return device.recomputesGelu();
  }

  @Override
  public Memory take(long byteSize) {
    return device.take(byteSize);
  }

  @Override
  public void give(Memory memory) {
    device.give(memory);
  }

  @Override
  public void upload(Tensor target, MemorySegment source) {
    device.upload(target, source);
  }

  @Override
  public void download(MemorySegment target, Tensor source) {
    device.download(target, source);
  }

  @Override
  public Reading readLater(Tensor source) {
    return device.readLater(source);
  }

  @Override
  public Moment mark() {
    return device.mark();
  }

  /** What is captured is timed once, while it is captured, when a device may do nothing yet. */
  @Override
  public Captured capture(Runnable work) {
    return device.capture(work);
  }

  @Override
  public long bytesReserved() {
    return device.bytesReserved();
  }

  @Override
  public long bytesInUse() {
    return device.bytesInUse();
  }

  /** The device behind it stays open. */
  @Override
  public void close() {}
}
