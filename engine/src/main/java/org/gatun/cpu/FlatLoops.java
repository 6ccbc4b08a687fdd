package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.gatun.cpu.Lanes.SPECIES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Formula.Function2;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Tensor;

/**
 * The sum, difference and product of two contiguous F32 tensors, or of one and a scalar, in place
 * of memory: without the way through arrays they take half the time.
 */
final class FlatLoops {
  private static final int LANES = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private FlatLoops() {}

  /** Whether this is one of them. */
  static boolean fits(Formula formula, Sink y, List<Tensor> operands) {
    return formula instanceof Formula.Binary(Function2 f, Formula.Operand(int a), Formula second)
        && (f == Function2.ADD || f == Function2.SUBTRACT || f == Function2.MULTIPLY)
        && !y.add()
        && isFlat(y.into())
        && isFlat(operands.get(a))
        && switch (second) {
          case Formula.Operand(int b) -> isFlat(operands.get(b));
          case Formula.Scalar _ -> f != Function2.SUBTRACT;
          default -> false;
        };
  }

  private static boolean isFlat(Tensor x) {
    return x.dtype() == DType.F32 && x.isContiguous();
  }

  /** n elements from one on. */
  static void run(
      Formula formula, Sink y, List<Tensor> operands, float[] scalars, long from, int n) {
    var binary = (Formula.Binary) formula;
    if (X86Pass.AVAILABLE) {
      runByCode(binary, y, operands, scalars, from, n);
      return;
    }
    MemorySegment to = bytes(y.into(), from, n);
    MemorySegment a = bytes(operands.get(((Formula.Operand) binary.a()).index()), from, n);
    if (binary.b() instanceof Formula.Scalar(int index)) {
      if (binary.function() == Function2.ADD) {
        addScalar(to, a, scalars[index], n);
      } else {
        multiplyScalar(to, a, scalars[index], n);
      }
      return;
    }
    MemorySegment b = bytes(operands.get(((Formula.Operand) binary.b()).index()), from, n);
    switch (binary.function()) {
      case ADD -> add(to, a, b, n);
      case SUBTRACT -> subtract(to, a, b, n);
      default -> multiply(to, a, b, n);
    }
  }

  private static void runByCode(
      Formula.Binary binary, Sink y, List<Tensor> operands, float[] scalars, long from, int n) {
    Rows to = floats(y.into(), from);
    Rows a = floats(operands.get(((Formula.Operand) binary.a()).index()), from);
    if (binary.b() instanceof Formula.Scalar(int index)) {
      X86Pass pass = binary.function() == Function2.ADD ? X86Pass.ADD_NUMBER : X86Pass.MULTIPLY_BY_NUMBER;
      pass.run(n, scalars[index], a, to);
      return;
    }
    X86Pass.of(binary.function()).run(n, a, floats(operands.get(((Formula.Operand) binary.b()).index()), from), to);
  }

  private static Rows floats(Tensor x, long from) {
    return Rows.of(CpuDevice.bytes(x), x.offset() + from);
  }

  private static MemorySegment bytes(Tensor x, long from, int n) {
    return CpuDevice.bytes(x).asSlice((x.offset() + from) * Float.BYTES, (long) n * Float.BYTES);
  }

  private static void add(MemorySegment y, MemorySegment a, MemorySegment b, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      set(y, i, at(a, i).add(at(b, i)));
    }
    for (; i < n; i++) {
      set(y, i, get(a, i) + get(b, i));
    }
  }

  private static void subtract(MemorySegment y, MemorySegment a, MemorySegment b, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      set(y, i, at(a, i).sub(at(b, i)));
    }
    for (; i < n; i++) {
      set(y, i, get(a, i) - get(b, i));
    }
  }

  private static void multiply(MemorySegment y, MemorySegment a, MemorySegment b, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      set(y, i, at(a, i).mul(at(b, i)));
    }
    for (; i < n; i++) {
      set(y, i, get(a, i) * get(b, i));
    }
  }

  private static void addScalar(MemorySegment y, MemorySegment a, float b, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      set(y, i, at(a, i).add(b));
    }
    for (; i < n; i++) {
      set(y, i, get(a, i) + b);
    }
  }

  private static void multiplyScalar(MemorySegment y, MemorySegment a, float b, int n) {
    int i = 0;
    for (int end = n - LANES; i <= end; i += LANES) {
      set(y, i, at(a, i).mul(b));
    }
    for (; i < n; i++) {
      set(y, i, get(a, i) * b);
    }
  }

  private static FloatVector at(MemorySegment x, long i) {
    return FloatVector.fromMemorySegment(SPECIES, x, i * Float.BYTES, ORDER);
  }

  private static void set(MemorySegment y, long i, FloatVector value) {
    value.intoMemorySegment(y, i * Float.BYTES, ORDER);
  }

  private static float get(MemorySegment x, long i) {
    return x.getAtIndex(JAVA_FLOAT, i);
  }

  private static void set(MemorySegment y, long i, float value) {
    y.setAtIndex(JAVA_FLOAT, i, value);
  }
}
