package org.gatun.cpu;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cpu.X86Assembler.Arithmetic;
import org.gatun.cpu.X86Assembler.Comparison;

/**
 * One loop over the vectors of a row, for row after row: written down once, as the values that a turn computes.
 * {@link X86Compiler} makes machine code of it.
 *
 * <p>Values are computed in the order in which they are made, those that are the same in all turns of a row before the
 * loop, and what is stored in a fixed operand after it.
 */
final class X86Program {
  /** The most numbers. */
  static final int NUMBERS = 2;

  private static final int FLOAT = Float.BYTES;

  /** How a value is computed; {@code number} tells the more where one is needed. */
  enum Op {
    CONSTANT, NUMBER, LOAD, LOAD_NUMBER, LOAD_DOUBLES, CARRIED, FUNCTION, ARITHMETIC, FMA, LOOK_UP, SELECT,
    SHIFT_LEFT, SHIFT_RIGHT, STORE, STORE_TOTAL
  }

  /** What a row of an operand is to the loop. */
  enum Kind {
    /** Floats one after the other, a vector of them a turn. */
    ELEMENTS,
    /** A vector a turn, each some distance after the one before. */
    COLUMN,
    /** Some floats for all turns. */
    FIXED
  }

  /** Memory that the loop reads or writes. */
  final class Operand {
    final Kind kind;
    final int number = operands.size();
    /** Bytes from a turn's vector to the next one's. */
    final int distance;
    private final int floats;

    private Operand(Kind kind, int distance, int floats) {
      this.kind = kind;
      this.distance = distance;
      this.floats = floats;
      operands.add(this);
    }

    /** The vector of this turn; of a fixed operand its first. */
    Value load() {
      return add(new Value(Op.LOAD, this, 0, kind == Kind.FIXED));
    }

    /** The first half, 0, or second half, 1, of the vector of this turn as doubles. */
    Value loadDoubles(int half) {
      return add(new Value(Op.LOAD_DOUBLES, this, half, false));
    }

    /** A float of a fixed operand, in all lanes. */
    Value number(int index) {
      return add(new Value(Op.LOAD_NUMBER, this, index, true));
    }

    void store(Value value) {
      store(0, value);
    }

    /** The lanes of a sum are added up by halves; in a fixed operand, after the loop, as its {@code index}-th float. */
    void storeTotal(int index, Value sum) {
      add(new Value(Op.STORE_TOTAL, this, index, false, sum));
    }

    /** In a fixed operand, after the loop, as its {@code index}-th vector. */
    void store(int index, Value value) {
      add(new Value(Op.STORE, this, index, false, value));
    }

    /** Bytes of a row of {@code n} elements, or turns of a loop down a column. */
    long bytes(long n) {
      return switch (kind) {
        case ELEMENTS -> n * FLOAT;
        case COLUMN -> n == 0 ? 0 : (n - 1) * distance + (long) lanes * FLOAT;
        case FIXED -> (long) floats * FLOAT;
      };
    }
  }

  /** A vector that the loop knows how to compute. */
  final class Value {
    final Op op;
    final Operand operand;
    final int number;
    final Value[] from;
    /** Whether it is the same in all turns of a row. */
    final boolean uniform;
    /** Of a constant: its lanes. */
    int[] bits;
    Arithmetic arithmetic;
    Comparison comparison;
    /** Of a carried value: what it is at first. */
    Value initial;
    /** What it is carried on in; null for nothing. */
    Value carried;
    /** When it is computed: after all with smaller ones. */
    int index;

    private Value(Op op, Operand operand, int number, boolean uniform, Value... from) {
      this.op = op;
      this.operand = operand;
      this.number = number;
      this.uniform = uniform;
      this.from = from;
    }

    private Value(Op op, int number, Value... from) {
      this(op, null, number, Arrays.stream(from).allMatch(value -> value.uniform), from);
    }

    Value plus(Value other) {
      return compute(Arithmetic.ADD, other);
    }

    Value plus(float constant) {
      return plus(constant(constant));
    }

    Value minus(Value other) {
      return compute(Arithmetic.SUBTRACT, other);
    }

    Value minus(float constant) {
      return minus(constant(constant));
    }

    Value times(Value other) {
      return compute(Arithmetic.MULTIPLY, other);
    }

    Value times(float constant) {
      return times(constant(constant));
    }

    Value dividedBy(Value other) {
      return compute(Arithmetic.DIVIDE, other);
    }

    Value root() {
      return of(Arithmetic.ROOT);
    }

    /** This times 2 to the power of another, an integer; rounded once. AVX-512 only. */
    Value scaled(Value exponent) {
      return compute(Arithmetic.SCALE, exponent);
    }

    /** Integers as floats. */
    Value asFloats() {
      return of(Arithmetic.INTEGERS_TO_FLOATS);
    }

    /** The smaller; the other if either is NaN. */
    Value minimum(Value other) {
      return compute(Arithmetic.MINIMUM, other);
    }

    /** The larger; the other if either is NaN. */
    Value maximum(Value other) {
      return compute(Arithmetic.MAXIMUM, other);
    }

    Value negated() {
      return compute(Arithmetic.XOR, bits(1 << 31));
    }

    Value absolute() {
      return compute(Arithmetic.AND, bits(~(1 << 31)));
    }

    /** this · factor + addend, rounded once. */
    Value fma(Value factor, Value addend) {
      return fma(Arithmetic.ADD_PRODUCT, factor, addend);
    }

    Value fma(float factor, float addend) {
      return fma(constant(factor), constant(addend));
    }

    Value fma(Value factor, float addend) {
      return fma(factor, constant(addend));
    }

    /** As {@link #fma}, of doubles. */
    Value fmaDoubles(Value factor, Value addend) {
      return fma(Arithmetic.ADD_PRODUCT_OF_DOUBLES, factor, addend);
    }

    private Value fma(Arithmetic arithmetic, Value factor, Value addend) {
      var value = new Value(Op.FMA, 0, this, factor, addend);
      value.arithmetic = arithmetic;
      return add(value);
    }

    /** This, but {@code other} where x compares with a constant like that. */
    Value or(Value other, Value x, Comparison comparison, float constant) {
      var value = new Value(Op.SELECT, 0, this, other, x, constant(constant));
      value.comparison = comparison;
      return add(value);
    }

    /** This, but a constant where x compares with another like that. */
    Value or(float other, Value x, Comparison comparison, float constant) {
      return or(constant(other), x, comparison, constant);
    }

    /** Both as integers. */
    Value plusBits(int constant) {
      return compute(Arithmetic.ADD_INTEGERS, bits(constant));
    }

    Value andBits(int constant) {
      return compute(Arithmetic.AND, bits(constant));
    }

    Value minusBits(Value other) {
      return compute(Arithmetic.SUBTRACT_INTEGERS, other);
    }

    Value shiftedLeft(int by) {
      return add(new Value(Op.SHIFT_LEFT, by, this));
    }

    Value shiftedRight(int by) {
      return add(new Value(Op.SHIFT_RIGHT, by, this));
    }

    /** Of a table of twice as many floats as a vector has, those that the last bits of these lanes count to. AVX-512 only. */
    Value lookUp(float[] table) {
      Value first = constant(Arrays.copyOfRange(table, 0, lanes)).of(Arithmetic.MOVE); // in a register for all turns
      Value value = new Value(Op.LOOK_UP, 0, this, first, constant(Arrays.copyOfRange(table, lanes, 2 * lanes)));
      value.arithmetic = Arithmetic.LOOK_UP;
      return add(value);
    }

    private Value of(Arithmetic arithmetic) {
      var value = new Value(Op.FUNCTION, 0, this);
      value.arithmetic = arithmetic;
      return add(value);
    }

    private Value compute(Arithmetic arithmetic, Value other) {
      var value = new Value(Op.ARITHMETIC, 0, this, other);
      value.arithmetic = arithmetic;
      return add(value);
    }
  }

  private final int lanes;
  private final List<Operand> operands = new ArrayList<>();
  private final List<Value> values = new ArrayList<>();
  private final List<Value> carried = new ArrayList<>();
  private final List<Value> constants = new ArrayList<>();
  private Value result;
  private int numbers;

  /** For vectors of so many floats. */
  X86Program(int lanes) {
    this.lanes = lanes;
  }

  /** The next operand: floats, a vector of them each turn. */
  Operand elements() {
    return new Operand(Kind.ELEMENTS, lanes * FLOAT, 0);
  }

  /** The next operand: a vector each turn, so many floats after the one before. Then all operands are such or fixed. */
  Operand column(int floats) {
    return new Operand(Kind.COLUMN, floats * FLOAT, 0);
  }

  /** The next operand: so many floats a row, for all turns. */
  Operand fixed(int floats) {
    return new Operand(Kind.FIXED, 0, floats);
  }

  List<Operand> operands() {
    return operands;
  }

  List<Value> values() {
    return values;
  }

  /** The values that a turn hands on to the next; they are combined by their arithmetic. */
  List<Value> carried() {
    return carried;
  }

  List<Value> constants() {
    return constants;
  }

  /** The carried value that the function returns; null for none. */
  Value result() {
    return result;
  }

  int numbers() {
    return numbers;
  }

  int lanes() {
    return lanes;
  }

  /** The next of the numbers that the function is given, in all lanes. */
  Value number() {
    if (numbers == NUMBERS) {
      throw new IllegalStateException("a program has at most " + NUMBERS + " numbers");
    }
    return add(new Value(Op.NUMBER, null, numbers++, true));
  }

  Value constant(float value) {
    return bits(Float.floatToRawIntBits(value));
  }

  /** One of each lane. */
  private Value constant(float[] values) {
    int[] bits = new int[lanes];
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
    return constant(bits);
  }

  private Value bits(int bits) {
    int[] all = new int[lanes];
    Arrays.fill(all, bits);
    return constant(all);
  }

  private Value constant(int[] bits) {
    for (Value constant : constants) {
      if (Arrays.equals(constant.bits, bits)) {
        return constant;
      }
    }
    var constant = new Value(Op.CONSTANT, null, constants.size(), true);
    constant.bits = bits;
    constants.add(constant);
    return constant;
  }

  /** A sum over all turns, from {@code initial} on. */
  Value sum(Value initial) {
    return carried(initial, Arithmetic.ADD);
  }

  /** A sum over all turns. */
  Value sum() {
    return sum(constant(0));
  }

  /** A sum of doubles over all turns. */
  Value sumOfDoubles() {
    return carried(constant(0), Arithmetic.ADD_DOUBLES);
  }

  /** The largest over all turns; beside a NaN it may be either. */
  Value largest(Value initial) {
    return carried(initial, Arithmetic.MAXIMUM);
  }

  private Value carried(Value initial, Arithmetic combination) {
    var value = new Value(Op.CARRIED, null, carried.size(), false);
    value.initial = initial;
    value.arithmetic = combination;
    carried.add(value);
    return value;
  }

  /** What a carried value is in the next turn; what it was is not used any more. */
  void next(Value carried, Value value) {
    value.carried = carried;
  }

  /** The lanes of a carried value are combined by halves; the function returns that of the last row. */
  void result(Value carried) {
    result = carried;
  }

  private Value add(Value value) {
    value.index = values.size();
    values.add(value);
    return value;
  }
}
