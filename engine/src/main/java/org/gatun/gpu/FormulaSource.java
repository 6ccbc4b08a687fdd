package org.gatun.gpu;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.gatun.tensor.Formula.Function;
import org.gatun.tensor.Formula.Function2;

/**
 * The CUDA source of a formula: one function in which what occurs twice is computed once, and two kernels around it.
 * {@code map_flat} takes 16 bytes a thread from contiguous tensors, {@code map_strided} any views.
 */
final class FormulaSource {
  private final Map<Formula, String> names = new HashMap<>();
  private final StringBuilder steps = new StringBuilder();
  private final TreeSet<Integer> operands = new TreeSet<>();
  private final TreeSet<Integer> scalars = new TreeSet<>();
  private final String result;

  FormulaSource(Formula formula) {
    result = name(formula);
  }

  /** The numbers of the operands the formula reads, in the order of the kernels' arguments. */
  List<Integer> operands() {
    return List.copyOf(operands);
  }

  /** The numbers of the scalars the formula reads, in the order of the kernels' arguments. */
  List<Integer> scalars() {
    return List.copyOf(scalars);
  }

  /** Elements a thread of {@code map_flat} takes at a time: 16 bytes of the narrowest type. */
  static int vector(List<DType> types) {
    return 16 / types.stream().mapToInt(DType::byteSize).min().orElseThrow();
  }

  /** The text for a result and operands (those of {@link #operands}, in that order) of these types, the result's first. */
  String text(List<DType> types) {
    var values = new ArrayList<String>();
    var pointers = new ArrayList<String>(List.of(CudaDevice.cType(types.getFirst()) + " *y"));
    var strided = new ArrayList<String>();
    var numbers = new ArrayList<String>();
    var loads = new StringBuilder();
    var flat = new ArrayList<String>();
    var tail = new ArrayList<String>();
    int k = 1;
    for (int operand : operands) {
      String x = "x" + operand;
      values.add("float " + x);
      pointers.add("const " + CudaDevice.cType(types.get(k)) + " *" + x);
      loads.append("    float v").append(x).append("[VECTOR];\n    load_vector<VECTOR>(").append(x)
          .append(" + i * VECTOR, v").append(x).append(");\n");
      flat.add("v" + x + "[k]");
      tail.add("to_float(" + x + "[i])");
      strided.add("to_float(" + x + "[at[" + k++ + "]])");
    }
    for (int scalar : scalars) {
      String s = "s" + scalar;
      numbers.add("float " + s);
      flat.add(s);
      tail.add(s);
      strided.add(s);
    }
    values.addAll(numbers);
    String arguments =
        String.join(", ", pointers) + ", " + (numbers.isEmpty() ? "" : String.join(", ", numbers) + ", ");
    return """
        #include "common.cuh"

        const int VECTOR = $VECTOR;

        __device__ __forceinline__ float formula($VALUES) {
        $STEPS  return $RESULT;
        }

        extern "C" __global__ void __launch_bounds__(256)
        map_flat($ARGUMENTSint64 size, int add) {
          const int64 packs = size / VECTOR;
          for (int64 i = grid_thread(); i < packs; i += grid_threads()) {
            float r[VECTOR];
        $LOADS#pragma unroll
            for (int k = 0; k < VECTOR; k++) r[k] = formula($FLAT);
            if (add) {
              float old[VECTOR];
              load_vector<VECTOR>(y + i * VECTOR, old);
        #pragma unroll
              for (int k = 0; k < VECTOR; k++) r[k] = old[k] + r[k];
            }
            store_vector<VECTOR>(y + i * VECTOR, r);
          }
          for (int64 i = packs * VECTOR + grid_thread(); i < size; i += grid_threads()) {
            put(y + i, formula($TAIL), add != 0);
          }
        }

        extern "C" __global__ void __launch_bounds__(256)
        map_strided($ARGUMENTSWalk<$TENSORS> walk, int add) {
          for (int64 i = grid_thread(); i < walk.size; i += grid_threads()) {
            int64 at[$TENSORS];
            walk.places(i, at);
            put(y + at[0], formula($STRIDED), add != 0);
          }
        }
        """
        .replace("$VECTOR", Integer.toString(vector(types)))
        .replace("$VALUES", String.join(", ", values))
        .replace("$STEPS", steps)
        .replace("$RESULT", result)
        .replace("$ARGUMENTS", arguments)
        .replace("$LOADS", loads)
        .replace("$FLAT", String.join(", ", flat))
        .replace("$TAIL", String.join(", ", tail))
        .replace("$TENSORS", Integer.toString(types.size()))
        .replace("$STRIDED", String.join(", ", strided));
  }

  /** The name of the value of a part, whose step is written where it has none yet. */
  private String name(Formula part) {
    String known = names.get(part);
    if (known != null) {
      return known;
    }
    String name = switch (part) {
      case Formula.Operand(int index) -> {
        operands.add(index);
        yield "x" + index;
      }
      case Formula.Scalar(int index) -> {
        scalars.add(index);
        yield "s" + index;
      }
      case Formula.Constant(float value) -> literal(value);
      case Formula.Unary(Function function, Formula x) -> step(expression(function, name(x)));
      case Formula.Binary(Function2 function, Formula a, Formula b) -> step(expression(function, name(a), name(b)));
      case Formula.Select(Formula condition, Formula a, Formula b) ->
          step(name(condition) + " != 0.0f ? " + name(a) + " : " + name(b));
    };
    names.put(part, name);
    return name;
  }

  private String step(String expression) {
    String name = "t" + names.size();
    steps.append("  const float ").append(name).append(" = ").append(expression).append(";\n");
    return name;
  }

  private static String literal(float value) {
    return Float.isFinite(value) ? Float.toString(value) + "f"
        : "__uint_as_float(0x" + Integer.toHexString(Float.floatToRawIntBits(value)) + "u)";
  }

  private static String expression(Function function, String x) {
    return switch (function) {
      case NEGATE -> "-(" + x + ")";
      case ABS -> "fabsf(" + x + ")";
      case SQRT -> "sqrtf(" + x + ")";
      case EXP -> "expf(" + x + ")";
      case LOG -> "logf(" + x + ")";
      case TANH -> "tanhf(" + x + ")";
      case ERF -> "erff(" + x + ")";
    };
  }

  private static String expression(Function2 function, String a, String b) {
    return switch (function) {
      case ADD -> a + " + " + b;
      case SUBTRACT -> a + " - " + b;
      case MULTIPLY -> a + " * " + b;
      case DIVIDE -> a + " / " + b;
      case POW -> "power(" + a + ", " + b + ")";
      case MAX -> "larger(" + a + ", " + b + ")";
      case MIN -> "smaller(" + a + ", " + b + ")";
      case LESS -> a + " < " + b + " ? 1.0f : 0.0f";
      case LESS_OR_EQUAL -> a + " <= " + b + " ? 1.0f : 0.0f";
      case EQUAL -> a + " == " + b + " ? 1.0f : 0.0f";
    };
  }
}
