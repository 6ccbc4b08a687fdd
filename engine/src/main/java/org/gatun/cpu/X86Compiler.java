package org.gatun.cpu;

import static org.gatun.cpu.X86Assembler.Condition.NEGATIVE;
import static org.gatun.cpu.X86Assembler.Condition.NOT_NEGATIVE;
import static org.gatun.cpu.X86Assembler.Condition.NOT_ZERO;
import static org.gatun.cpu.X86Assembler.Condition.ZERO;
import static org.gatun.cpu.X86Assembler.Place.at;
import static org.gatun.cpu.X86Assembler.Register.R10;
import static org.gatun.cpu.X86Assembler.Register.R11;
import static org.gatun.cpu.X86Assembler.Register.R8;
import static org.gatun.cpu.X86Assembler.Register.R9;
import static org.gatun.cpu.X86Assembler.Register.RAX;
import static org.gatun.cpu.X86Assembler.Register.RBX;
import static org.gatun.cpu.X86Assembler.Register.RCX;
import static org.gatun.cpu.X86Assembler.Register.RDI;
import static org.gatun.cpu.X86Assembler.Register.RDX;
import static org.gatun.cpu.X86Assembler.Register.RSI;
import static org.gatun.cpu.X86Assembler.Register.RSP;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.gatun.cpu.X86Assembler.Arithmetic;
import org.gatun.cpu.X86Assembler.Place;
import org.gatun.cpu.X86Assembler.Register;
import org.gatun.cpu.X86Program.Kind;
import org.gatun.cpu.X86Program.Op;
import org.gatun.cpu.X86Program.Operand;
import org.gatun.cpu.X86Program.Value;

/**
 * Makes machine code of an {@link X86Program}: a function after the System V ABI for AMD64 (section 3.2).
 *
 * <p>A value keeps its register from where it is computed to its last use; there are no others, so a loop that needs
 * too many is refused. Constants lie before the code, a vector of each. What is left over of the elements, less than a
 * vector, is a turn of its own that reads and writes those lanes only.
 */
final class X86Compiler {
  private static final int FLOAT = Float.BYTES;
  private static final int LINE = 64;

  // The function's arguments: how many elements, or turns; how many rows; address and offset of each operand; the bytes
  // from row to row of each; and the numbers.
  private static final Register LEFT = RDI;
  private static final Register ROWS_LEFT = RSI;
  private static final Register[] POINTERS = {RDX, R8, RCX, R9, R10, RBX};
  private static final List<Register> SAVED = List.of(RBX);

  // On the stack: the operands from the third on, then the distances. When the first are in registers, their places
  // serve for where rows begin and how long they are.
  private static final int ROW_STARTS = 0;
  private static final int ROW_LENGTH = 7;
  private static final int DISTANCES = 8;

  private static final Register CONSTANTS = RAX;
  private static final Register HELP = R11;

  private final X86Assembler code;
  private final X86Program program;
  private final int unrolled;
  private final int vectorBytes;
  private final BitSet free = new BitSet();

  // By the index of a value.
  private final int[] lastUses;
  private final int[] registers;

  /** The registers of carried values, by their numbers; one for each of the turns that are written side by side. */
  private final int[][] sums;

  /**
   * @param unrolled how many turns are written one after the other, each with sums of its own: as many as hide how long
   *                 an addition takes
   */
  X86Compiler(X86Assembler code, X86Program program, int unrolled) {
    this.code = code;
    this.program = program;
    this.unrolled = unrolled;
    vectorBytes = code.lanes() * FLOAT;
    lastUses = new int[program.values().size()];
    registers = new int[lastUses.length];
    sums = new int[program.carried().size()][unrolled];
  }

  /** Writes the constants and then the function, and returns where that begins. */
  int write() {
    code.align(LINE);
    int data = code.here();
    for (Value constant : program.constants()) {
      for (int lane : constant.bits) {
        code.data(lane);
      }
    }
    for (int i = 0; i < 2 * code.lanes(); i++) {
      code.data(i < code.lanes() ? -1 : 0);
    }
    int start = code.here();
    code.addressOfWritten(CONSTANTS, data);
    readArguments();
    findLastUses();
    free.clear();
    free.set(program.numbers(), code.lastRegister());
    program.values().stream().filter(X86Compiler::isOfAllRows).forEach(value -> compute(value, 0, false));
    int nextRow = code.here();
    program.values().stream()
        .filter(value -> value.uniform && !isOfAllRows(value))
        .forEach(value -> compute(value, 0, false));
    beginSums();
    loop();
    combineSums();
    program.values().stream().filter(X86Compiler::isLast).forEach(value -> compute(value, 0, false));
    nextRow();
    code.subtract(ROWS_LEFT, 1);
    code.jump(NOT_ZERO, nextRow);
    if (program.result() != null) {
      code.compute(Arithmetic.MOVE, 0, 0, combineLanes(program.result()));
    }
    SAVED.reversed().forEach(code::pop);
    code.end();
    return start;
  }

  /** The place of an argument that comes on the stack, beyond what was saved and the return address. */
  private static Place argument(int i) {
    return at(RSP, 8 * (SAVED.size() + 1 + i));
  }

  private void readArguments() {
    SAVED.forEach(code::push);
    code.add(RDX, RCX);
    code.add(R8, R9);
    for (int i = 2; i < program.operands().size(); i++) {
      code.load(POINTERS[i], argument(2 * (i - 2)));
      code.load(HELP, argument(2 * (i - 2) + 1));
      code.add(POINTERS[i], HELP);
    }
    for (int i = 0; i < program.operands().size(); i++) {
      code.store(argument(ROW_STARTS + i), POINTERS[i]);
    }
    code.store(argument(ROW_LENGTH), LEFT);
  }

  /** From the end of a row, where the pointers have walked, to the next one. */
  private void nextRow() {
    for (int i = 0; i < program.operands().size(); i++) {
      code.load(POINTERS[i], argument(ROW_STARTS + i));
      code.load(HELP, argument(DISTANCES + i));
      code.add(POINTERS[i], HELP);
      code.store(argument(ROW_STARTS + i), POINTERS[i]);
    }
    code.load(LEFT, argument(ROW_LENGTH));
  }

  private void findLastUses() {
    Arrays.fill(lastUses, -1);
    for (Value value : program.values()) {
      for (Value from : value.from) {
        if (hasRegister(from)) {
          // What is the same in all turns must last for the next one.
          int use = from.uniform && !value.uniform ? Integer.MAX_VALUE : value.index;
          lastUses[from.index] = Math.max(lastUses[from.index], use);
        }
      }
    }
    for (Value sum : program.carried()) {
      if (hasRegister(sum.initial)) {
        lastUses[sum.initial.index] = Integer.MAX_VALUE;
      }
    }
  }

  /** Whether a value is computed into a register that it gives back. */
  private static boolean hasRegister(Value value) {
    return value.op != Op.CONSTANT && value.op != Op.NUMBER && value.op != Op.CARRIED;
  }

  /** Whether it is the same in all rows too. */
  private static boolean isOfAllRows(Value value) {
    return value.op == Op.NUMBER || value.op == Op.FUNCTION && value.from[0].op == Op.CONSTANT;
  }

  /** Whether it is done after the loop. */
  private static boolean isLast(Value value) {
    return value.op == Op.STORE_TOTAL || value.op == Op.STORE && value.operand.kind == Kind.FIXED;
  }

  private void beginSums() {
    for (Value sum : program.carried()) {
      for (int i = 0; i < unrolled; i++) {
        int register = take();
        sums[sum.number][i] = register;
        if (i == 0 || sum.arithmetic == Arithmetic.MAXIMUM) {
          move(register, sum.initial);
        } else {
          code.compute(Arithmetic.XOR, register, register, register);
        }
      }
    }
  }

  private void loop() {
    boolean byElements = program.operands().stream().anyMatch(operand -> operand.kind == Kind.ELEMENTS);
    int step = byElements ? code.lanes() : 1;
    if (unrolled > 1) {
      turns(unrolled, step);
    }
    turns(1, step);
    if (byElements) {
      code.test(LEFT);
      int none = code.jumpForward(ZERO);
      takeRest();
      turn(0, true);
      code.land(none);
    }
  }

  /** As long as there are elements for so many turns. */
  private void turns(int count, int step) {
    code.subtract(LEFT, count * step);
    int none = code.jumpForward(NEGATIVE);
    int next = code.here();
    for (int i = 0; i < count; i++) {
      turn(i, false);
    }
    for (Operand operand : program.operands()) {
      if (operand.kind != Kind.FIXED) {
        code.add(POINTERS[operand.number], count * operand.distance);
      }
    }
    code.subtract(LEFT, count * step);
    code.jump(NOT_NEGATIVE, next);
    code.land(none);
    code.add(LEFT, count * step);
  }

  /** So many lanes as there are elements left. */
  private void takeRest() {
    code.address(HELP, at(CONSTANTS, (program.constants().size() + 1) * vectorBytes));
    for (int i = 0; i < FLOAT; i++) {
      code.subtract(HELP, LEFT);
    }
    code.takeLanes(at(HELP, 0));
  }

  private void turn(int i, boolean rest) {
    for (Value value : program.values()) {
      if (!value.uniform && !isLast(value)) {
        compute(value, i, rest);
      }
    }
  }

  private void compute(Value value, int turn, boolean rest) {
    switch (value.op) {
      case NUMBER -> {
        registers[value.index] = value.number; // where it comes: nobody takes that before
        code.broadcast(value.number, value.number);
      }
      case LOAD_NUMBER -> code.broadcast(target(value, turn, rest), place(value.operand, 0, value.number * FLOAT));
      case LOAD -> {
        Place place = place(value.operand, turn, 0);
        if (rest && value.operand.kind == Kind.ELEMENTS) {
          code.loadTaken(target(value, turn, rest), place);
        } else {
          code.loadVector(target(value, turn, rest), place);
        }
      }
      case LOAD_DOUBLES ->
          code.widen(target(value, turn, rest), place(value.operand, turn, value.number * vectorBytes / 2));
      case FUNCTION -> {
        Value from = value.from[0];
        if (from.op == Op.CONSTANT) {
          code.compute(value.arithmetic, target(value, turn, rest), 0, constant(from));
        } else {
          int x = register(from, turn);
          code.compute(value.arithmetic, target(value, turn, rest), 0, x);
        }
      }
      case ARITHMETIC -> arithmetic(value, turn, rest);
      case FMA -> fma(value, turn, rest);
      case LOOK_UP -> {
        int to = ownCopy(value.from[0], value, turn);
        code.compute(value.arithmetic, to, register(value.from[1], turn), constant(value.from[2]));
        settle(value, to);
      }
      case SELECT -> {
        int help = take();
        int no = inRegister(value.from[0], turn);
        int yes = inRegister(value.from[1], turn);
        int x = register(value.from[2], turn);
        int to = target(value, turn, rest);
        code.select(to, value.comparison, x, constant(value.from[3]), yes, no, help);
        giveIfConstant(value.from[0], no);
        giveIfConstant(value.from[1], yes);
        free.set(help);
      }
      case SHIFT_LEFT, SHIFT_RIGHT -> {
        int x = register(value.from[0], turn);
        int to = target(value, turn, rest);
        if (value.op == Op.SHIFT_LEFT) {
          code.shiftLeft(to, x, value.number);
        } else {
          code.shiftRight(to, x, value.number);
        }
      }
      case STORE -> {
        int x = register(value.from[0], turn);
        if (rest && value.operand.kind == Kind.ELEMENTS) {
          code.storeTaken(place(value.operand, turn, 0), x);
        } else {
          code.storeVector(place(value.operand, turn, value.number * vectorBytes), x);
        }
        release(value);
      }
      case STORE_TOTAL -> code.storeFloat(place(value.operand, 0, value.number * FLOAT), combineLanes(value.from[0]));
      case CONSTANT, CARRIED -> throw new IllegalStateException(value.op + " is not computed");
    }
    if (value.carried != null && rest) {
      code.moveTaken(sums[value.carried.number][0], registers[value.index]);
    }
  }

  private void arithmetic(Value value, int turn, boolean rest) {
    Value first = value.from[0];
    Value second = value.from[1];
    int x = inRegister(first, turn);
    if (second.op == Op.CONSTANT) {
      code.compute(value.arithmetic, target(value, turn, rest), x, constant(second));
    } else {
      int y = register(second, turn);
      code.compute(value.arithmetic, target(value, turn, rest), x, y);
    }
    giveIfConstant(first, x);
  }

  /** The processor writes the result to where one of the three was: to one that is not used any more, if there is one. */
  private void fma(Value value, int turn, boolean rest) {
    boolean constantFactor = value.from[1].op == Op.CONSTANT;
    Value addend = value.from[2];
    if (value.carried != null && value.carried != addend) {
      throw new IllegalStateException("a product is carried on by adding it to what was carried");
    }
    boolean swap = !constantFactor && !ends(value.from[0], value) && ends(value.from[1], value);
    Value x = value.from[swap ? 1 : 0];
    Value y = value.from[swap ? 0 : 1];
    int a = register(x, turn);
    int b = constantFactor ? -1 : register(y, turn);
    int c = addend.op == Op.CONSTANT ? -1 : register(addend, turn);
    boolean intoSum = value.carried != null;
    if (intoSum || ends(addend, value) || constantFactor && addend.op == Op.CONSTANT) {
      int to = addend.op == Op.CONSTANT || intoSum && rest ? take() : c;
      if (to != c) {
        move(to, addend);
      }
      if (constantFactor) {
        code.compute(value.arithmetic, to, a, constant(y));
      } else {
        code.compute(value.arithmetic, to, a, b);
      }
      settle(value, to);
      return;
    }
    if (value.arithmetic != Arithmetic.ADD_PRODUCT) {
      throw new IllegalStateException("products of doubles can be summed, and nothing else");
    }
    int to = ownCopy(x, value, turn);
    if (constantFactor) {
      code.compute(Arithmetic.MULTIPLY_BY_Y, to, c, constant(y));
    } else if (c < 0) {
      code.compute(Arithmetic.MULTIPLY_ADD_Y, to, b, constant(addend));
    } else {
      code.compute(Arithmetic.MULTIPLY_ADD_Y, to, b, c);
    }
    settle(value, to);
  }

  /** A register with a value that may be lost: its own, if it is not used after {@code user}. */
  private int ownCopy(Value value, Value user, int turn) {
    int register = register(value, turn);
    if (ends(value, user)) {
      return register;
    }
    int copy = take();
    code.compute(Arithmetic.MOVE, copy, 0, register);
    return copy;
  }

  /** Whether a value is used here for the last time, so that its register can take what is computed of it. */
  private boolean ends(Value value, Value user) {
    return hasRegister(value) && value.carried == null && lastUses[value.index] == user.index;
  }

  /** A register for what is computed, which may be one of those that its arguments leave. */
  private int target(Value value, int turn, boolean rest) {
    release(value);
    int register = value.carried != null && !rest ? sums[value.carried.number][turn] : take();
    registers[value.index] = register;
    return register;
  }

  /** The value is in a register that was taken, or that an argument leaves. */
  private void settle(Value value, int register) {
    release(value);
    free.clear(register);
    registers[value.index] = register;
  }

  /** Gives back the registers of arguments that are not used any more. */
  private void release(Value value) {
    for (Value from : value.from) {
      if (ends(from, value)) {
        free.set(registers[from.index]);
      }
    }
  }

  private int take() {
    int register = free.nextSetBit(0);
    if (register < 0) {
      throw new IllegalStateException("a loop needs more vector registers than the processor has");
    }
    free.clear(register);
    return register;
  }

  /** Where a value is that is not a constant. */
  private int register(Value value, int turn) {
    if (value.op == Op.CONSTANT) {
      throw new IllegalStateException("a constant must come last");
    }
    return value.op == Op.CARRIED ? sums[value.number][turn] : registers[value.index];
  }

  /** As {@link #register}; constants are brought to one, which {@link #giveIfConstant} gives back. */
  private int inRegister(Value value, int turn) {
    if (value.op != Op.CONSTANT) {
      return register(value, turn);
    }
    int register = take();
    move(register, value);
    return register;
  }

  private void giveIfConstant(Value value, int register) {
    if (value.op == Op.CONSTANT) {
      free.set(register);
    }
  }

  private static Place place(Operand operand, int turn, int displacement) {
    return at(POINTERS[operand.number], turn * operand.distance + displacement);
  }

  private Place constant(Value constant) {
    return at(CONSTANTS, constant.number * vectorBytes);
  }

  private void move(int to, Value from) {
    if (from.op == Op.CONSTANT) {
      code.loadVector(to, constant(from));
    } else {
      code.compute(Arithmetic.MOVE, to, 0, register(from, 0));
    }
  }

  /** The sums of turns that were written one after the other, in pairs. */
  private void combineSums() {
    for (Value sum : program.carried()) {
      int[] own = sums[sum.number];
      for (int step = 1; step < unrolled; step *= 2) {
        for (int i = 0; i + step < unrolled; i += 2 * step) {
          code.compute(sum.arithmetic, own[i], own[i], own[i + step]);
        }
      }
    }
  }

  /** Adds up the lanes of a sum, or seeks their largest, and returns the register that holds it. */
  private int combineLanes(Value sum) {
    int x = sums[sum.number][0];
    int y = take();
    if (code.lanes() == 16) {
      code.quarters(y, x, x, 2, 3, 2, 3);
      code.compute(sum.arithmetic, x, x, y);
      code.quarters(y, x, x, 1, 1, 1, 1);
    } else {
      code.halves(y, x, x, 1);
    }
    code.compute(sum.arithmetic, x, x, y);
    code.highPairs(y, x, x);
    code.compute(sum.arithmetic, x, x, y);
    code.seconds(y, x);
    code.compute(sum.arithmetic, x, x, y);
    free.set(y);
    return x;
  }
}
