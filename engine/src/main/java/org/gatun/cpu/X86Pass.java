package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.Consumer;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.cpu.X86Program.Operand;
import org.gatun.cpu.X86Program.Value;
import org.gatun.tensor.Formula.Function2;

/**
 * Passes over floats in machine code, for the processors of {@link X86Kernels}: what the loops of this package do with
 * the Vector API elsewhere. They need no compilation, for which the first step of a training would wait, and read
 * and write memory where it is.
 *
 * <p>Each is written as an {@link X86Program}: its operands in the order in which {@link #run} takes them, the numbers
 * likewise. Operands may be the same memory; a pass reads a vector before it writes it.
 */
enum X86Pass {
  /** y = a + b. */
  ADD(1, p -> {
    Value a = p.elements().load();
    Value b = p.elements().load();
    p.elements().store(a.plus(b));
  }),

  /** y = a - b. */
  SUBTRACT(1, p -> {
    Value a = p.elements().load();
    Value b = p.elements().load();
    p.elements().store(a.minus(b));
  }),

  /** y = a · b. */
  MULTIPLY(1, p -> {
    Value a = p.elements().load();
    Value b = p.elements().load();
    p.elements().store(a.times(b));
  }),

  /** y = x + number. */
  ADD_NUMBER(1, p -> {
    Value number = p.number();
    Value x = p.elements().load();
    p.elements().store(x.plus(number));
  }),

  /** y = x · number. */
  MULTIPLY_BY_NUMBER(1, p -> {
    Value number = p.number();
    Value x = p.elements().load();
    p.elements().store(x.times(number));
  }),

  /** y = x · number, for rows x, one number a row, and y. */
  SCALE_ROWS(1, p -> {
    Value x = p.elements().load();
    Value number = p.fixed(1).number(0);
    p.elements().store(x.times(number));
  }),

  /** Of rows a and b: Σ a · b, one number a row. */
  DOT_ROWS(1, p -> {
    Value a = p.elements().load();
    Value b = p.elements().load();
    Value sum = p.sum();
    p.next(sum, a.fma(b, sum));
    p.fixed(1).storeTotal(0, sum);
  }),

  /** y += number · x, for x and y. */
  AXPY(1, p -> {
    Value number = p.number();
    Value x = p.elements().load();
    Operand y = p.elements();
    y.store(x.fma(number, y.load()));
  }),

  /** Σ a · b. */
  DOT(4, p -> {
    Value a = p.elements().load();
    Value b = p.elements().load();
    Value sum = p.sum();
    p.next(sum, a.fma(b, sum));
    p.result(sum);
  }),

  /** Σ x. */
  SUM(4, p -> {
    Value sum = p.sum();
    p.next(sum, p.elements().load().plus(sum));
    p.result(sum);
  }),

  /** The largest of x, minus infinity if there is none; beside a NaN it may be another. */
  LARGEST(4, p -> {
    Value largest = p.largest(p.constant(Float.NEGATIVE_INFINITY));
    p.next(largest, p.elements().load().maximum(largest));
    p.result(largest);
  }),

  /** y = eˣ. */
  EXP(1, p -> {
    Value x = p.elements().load();
    p.elements().store(new X86Functions(p).exp(x));
  }),

  /** y = ln x. */
  LOG(1, p -> {
    Value x = p.elements().load();
    p.elements().store(new X86Functions(p).log(x));
  }),

  /** y = gelu(x), in the tanh form. */
  GELU_TANH(1, p -> {
    Value x = p.elements().load();
    p.elements().store(new X86Functions(p).geluTanh(x));
  }),

  /** As {@link #GELU_TANH}, in the form of the error function. */
  GELU_ERF(1, p -> {
    Value x = p.elements().load();
    p.elements().store(new X86Functions(p).geluErf(x));
  }),

  /** For d, x, y, dx: y = gelu(x) and dx = d · gelu'(x), in the tanh form. */
  GELU_TANH_GRADIENT(1, p -> {
    Operand d = p.elements();
    storeGradient(p, d, new X86Functions(p).geluTanhAndSlope(p.elements().load()));
  }),

  /** As {@link #GELU_TANH_GRADIENT}, in the form of the error function. */
  GELU_ERF_GRADIENT(1, p -> {
    Operand d = p.elements();
    storeGradient(p, d, new X86Functions(p).geluErfAndSlope(p.elements().load()));
  }),

  /** x = exp(x - number), and Σ x. */
  SOFTMAX_SUM(1, p -> {
    Value shift = p.number();
    Operand x = p.elements();
    Value e = new X86Functions(p).softmaxExp(x.load().minus(shift));
    x.store(e);
    Value sum = p.sum();
    p.next(sum, e.plus(sum));
    p.result(sum);
  }),

  /** x = exp(x - first number) · second number. */
  SOFTMAX_SCALE(1, p -> {
    Value shift = p.number();
    Value factor = p.number();
    Operand x = p.elements();
    x.store(new X86Functions(p).softmaxExp(x.load().minus(shift)).times(factor));
  }),

  /** Down the columns of a tile; a row is one vector of them: the largest of what was and the scores. */
  TILE_LARGEST(4, p -> {
    Operand scores = p.column(SIDE);
    Operand raised = p.fixed(p.lanes());
    Value largest = p.largest(raised.load());
    p.next(largest, scores.load().maximum(largest));
    raised.store(largest);
  }),

  /** Down the columns of a tile; a row is one vector of them: scores = exp(scores - shift), total += Σ scores. */
  TILE_SOFTMAX(1, p -> {
    Operand scores = p.column(SIDE);
    Value largest = p.fixed(p.lanes()).load();
    Operand total = p.fixed(p.lanes());
    Value shift = largest.or(0f, largest, X86Assembler.Comparison.EQUAL, Float.NEGATIVE_INFINITY);
    Value sum = p.sum(total.load());
    Value e = new X86Functions(p).softmaxExp(scores.load().minus(shift));
    scores.store(e);
    p.next(sum, e.plus(sum));
    total.store(sum);
  }),

  /** Down the columns of two tiles; a row is one vector of them: scores = exp(scores), dScores = scores · dScores. */
  TILE_SOFTMAX_GRADIENT(1, p -> {
    Operand scores = p.column(SIDE);
    Operand dScores = p.column(SIDE);
    Value e = new X86Functions(p).softmaxExp(scores.load());
    scores.store(e);
    dScores.store(e.times(dScores.load()));
  }),

  /** Of rows x: their sums, to the first of four numbers a row. */
  NORM_MEAN(4, p -> {
    Value sum = p.sum();
    p.next(sum, p.elements().load().plus(sum));
    p.fixed(4).storeTotal(0, sum);
  }),

  /** Of rows x: Σ (x - mean)², to the second of four numbers a row, of which the first is the mean. */
  NORM_DEVIATION(4, p -> {
    Operand x = p.elements();
    Operand numbers = p.fixed(4);
    Value centered = x.load().minus(numbers.number(0));
    Value squares = p.sum();
    p.next(squares, centered.fma(centered, squares));
    numbers.storeTotal(1, squares);
  }),

  /** y = (x - mean) · factor · weight + bias, for x, weight, bias, y and numbers, of which a row's first are mean and factor. */
  NORMALIZE(1, p -> {
    Value x = p.elements().load();
    Value weight = p.elements().load();
    Value bias = p.elements().load();
    Operand y = p.elements();
    y.store(normed(x, p.fixed(4)).fma(weight, bias));
  }),

  /**
   * What the gradient of a norm needs: dweight += dy · n and dbias += dy, where n is the row normed, (x - mean) · factor;
   * and of each row Σ g and Σ g · n, where g = dy · weight. In the order dy, x, weight, dweight, dbias, and four numbers
   * a row: mean, factor and where the sums go.
   */
  NORM_SUMS(1, p -> {
    Value dy = p.elements().load();
    Value x = p.elements().load();
    Value weight = p.elements().load();
    Operand dweight = p.elements();
    Operand dbias = p.elements();
    Operand numbers = p.fixed(4);
    Value n = normed(x, numbers);
    dweight.store(dy.fma(n, dweight.load()));
    dbias.store(dbias.load().plus(dy));
    Value g = dy.times(weight);
    Value sum = p.sum();
    Value dot = p.sum();
    p.next(sum, g.plus(sum));
    p.next(dot, g.fma(n, dot));
    numbers.storeTotal(2, sum);
    numbers.storeTotal(3, dot);
  }),

  /**
   * dx = carried + (dy · weight - a - n · b) · factor, where n is the row normed. In the order dy, x, weight, carried,
   * dx, and four numbers a row: mean, factor, a, b.
   */
  NORM_GRADIENT(1, p -> {
    Value dy = p.elements().load();
    Value x = p.elements().load();
    Value weight = p.elements().load();
    Value carried = p.elements().load();
    Operand dx = p.elements();
    Operand numbers = p.fixed(4);
    Value n = normed(x, numbers);
    Value g = dy.times(weight).minus(numbers.number(2));
    dx.store(n.fma(numbers.number(3).negated(), g).times(numbers.number(1)).plus(carried));
  }),

  /** A step of AdamW, for p, g, m, v and what {@link UpdateLoops.AdamW} multiplies by, in its order. */
  ADAMW(1, p -> {
    Operand parameter = p.elements();
    Operand g = p.elements();
    Operand m = p.elements();
    Operand v = p.elements();
    Operand by = p.fixed(9);
    Value gradient = g.load().times(by.number(0));
    Value first = m.load().times(by.number(2)).plus(gradient.times(by.number(3)));
    Value second = v.load().times(by.number(4)).plus(gradient.times(gradient).times(by.number(5)));
    m.store(first);
    v.store(second);
    Value root = second.times(by.number(7)).root().plus(by.number(8));
    parameter.store(parameter.load().times(by.number(1)).plus(first.times(by.number(6)).dividedBy(root)));
  }),

  /** The lanes of Σ x² in double, one half of each vector and then the other; of whole vectors only. */
  SQUARES(2, p -> {
    Operand x = p.column(p.lanes());
    Operand sums = p.fixed(2 * p.lanes());
    for (int half = 0; half < 2; half++) {
      Value wide = x.loadDoubles(half);
      Value sum = p.sumOfDoubles();
      p.next(sum, wide.fmaDoubles(wide, sum));
      sums.store(half, sum);
    }
  });

  private static void storeGradient(X86Program p, Operand d, X86Functions.WithSlope gelu) {
    Value dx = gelu.slope().times(d.load());
    p.elements().store(gelu.value());
    p.elements().store(dx);
  }

  private static Value normed(Value x, Operand numbers) {
    return x.minus(numbers.number(0)).times(numbers.number(1));
  }

  /** Whether this process can run them. */
  static final boolean AVAILABLE = X86Kernels.orNull() != null;

  /** How the code is called, after its address; the arguments are those of {@link X86Compiler}. Apart: it may be refused. */
  private static final class Call {
    static final MethodHandle PASS =
        MachineCode.caller(
            FunctionDescriptor.of(
                JAVA_FLOAT, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS,
                JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT));
  }

  static {
    if (AVAILABLE) {
      var code = new X86Assembler(Lanes.SPECIES.length());
      for (X86Pass pass : values()) {
        pass.start = pass.write(code);
      }
      long base = MachineCode.load(code.code()).address();
      for (X86Pass pass : values()) {
        pass.code = MemorySegment.ofAddress(base + pass.start);
      }
    }
  }

  private final int unrolled;
  private final Consumer<X86Program> definition;
  private Operand[] operands;
  private int start;
  private MemorySegment code;

  X86Pass(int unrolled, Consumer<X86Program> definition) {
    this.unrolled = unrolled;
    this.definition = definition;
  }

  private int write(X86Assembler code) {
    var program = new X86Program(code.lanes());
    definition.accept(program);
    operands = program.operands().toArray(Operand[]::new);
    return new X86Compiler(code, program, unrolled).write();
  }

  /** What computes a function of two operands; null if this process has nothing for it. */
  static X86Pass of(Function2 function) {
    if (!AVAILABLE) {
      return null;
    }
    return switch (function) {
      case ADD -> ADD;
      case SUBTRACT -> SUBTRACT;
      case MULTIPLY -> MULTIPLY;
      default -> null;
    };
  }

  /** Of one row, without numbers. */
  float run(long n, Rows... given) {
    return run(1, n, 0, 0, given);
  }

  /** Of one row. */
  float run(long n, float number, Rows... given) {
    return run(1, n, number, 0, given);
  }

  /** Of many rows, without numbers. */
  void runRows(int rows, long n, Rows... given) {
    run(rows, n, 0, 0, given);
  }

  /**
   * Runs over rows of n elements, or down n elements of a column.
   *
   * @return what the pass sums or seeks in the last row, if it does
   * @throws IndexOutOfBoundsException if an operand does not have as many
   */
  float run(int rows, long n, float number0, float number1, Rows... given) {
    if (n < 0 || n > Integer.MAX_VALUE) {
      throw new IndexOutOfBoundsException(name() + " over " + n + " elements; give 0 to " + Integer.MAX_VALUE);
    }
    if (rows <= 0) {
      return 0;
    }
    for (int i = 0; i < operands.length; i++) {
      given[i].requireBytes(rows, operands[i].bytes(n));
    }
    Rows a = given[0];
    Rows b = given.length > 1 ? given[1] : Rows.NONE;
    Rows c = given.length > 2 ? given[2] : Rows.NONE;
    Rows d = given.length > 3 ? given[3] : Rows.NONE;
    Rows e = given.length > 4 ? given[4] : Rows.NONE;
    Rows f = given.length > 5 ? given[5] : Rows.NONE;
    try {
      return (float) Call.PASS.invokeExact(
          code, n, (long) rows, a.array(), a.at(), b.array(), b.at(), c.array(), c.at(), d.array(), d.at(), e.array(),
          e.at(), f.array(), f.at(), a.distance(), b.distance(), c.distance(), d.distance(), e.distance(), f.distance(),
          number0, number1);
    } catch (RuntimeException | Error x) {
      throw x;
    } catch (Throwable t) { // our code throws nothing
      throw new IllegalStateException(name(), t);
    }
  }
}
