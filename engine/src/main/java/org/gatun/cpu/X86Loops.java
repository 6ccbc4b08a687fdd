package org.gatun.cpu;

import static org.gatun.cpu.X86Assembler.Arithmetic.ADD;
import static org.gatun.cpu.X86Assembler.Arithmetic.ADD_PRODUCT;
import static org.gatun.cpu.X86Assembler.Arithmetic.XOR;
import static org.gatun.cpu.X86Assembler.Condition.NEGATIVE;
import static org.gatun.cpu.X86Assembler.Condition.NOT_NEGATIVE;
import static org.gatun.cpu.X86Assembler.Condition.NOT_ZERO;
import static org.gatun.cpu.X86Assembler.Condition.ZERO;
import static org.gatun.cpu.X86Assembler.Place.at;
import static org.gatun.cpu.X86Assembler.Register.R10;
import static org.gatun.cpu.X86Assembler.Register.R11;
import static org.gatun.cpu.X86Assembler.Register.R12;
import static org.gatun.cpu.X86Assembler.Register.R13;
import static org.gatun.cpu.X86Assembler.Register.R14;
import static org.gatun.cpu.X86Assembler.Register.R15;
import static org.gatun.cpu.X86Assembler.Register.R8;
import static org.gatun.cpu.X86Assembler.Register.R9;
import static org.gatun.cpu.X86Assembler.Register.RAX;
import static org.gatun.cpu.X86Assembler.Register.RBX;
import static org.gatun.cpu.X86Assembler.Register.RCX;
import static org.gatun.cpu.X86Assembler.Register.RDI;
import static org.gatun.cpu.X86Assembler.Register.RDX;
import static org.gatun.cpu.X86Assembler.Register.RSI;
import static org.gatun.cpu.X86Assembler.Register.RSP;

import java.util.List;
import org.gatun.cpu.X86Assembler.Place;
import org.gatun.cpu.X86Assembler.Register;

/**
 * Writes the loops of {@link X86Kernels}, as functions after the System V ABI for AMD64 (section 3.2: arguments in
 * rdi, rsi, rdx, rcx, r8, r9, then on the stack; rbx and r12 to r15 are given back as they were).
 */
final class X86Loops {
  /** Elements of k in one turn of the loop; more gain nothing. */
  private static final int UNROLLED = 4;

  /** How many k before their use lines of B are asked for: the second-level cache answers in 15 cycles, one k takes 12. */
  private static final int PREFETCHED = 4;

  /** How many bytes before their use lines of a packed A are asked for: 85 k, a thousand cycles, for they may be far away. */
  private static final int PANEL_AHEAD = 2048;

  /** How many columns of A before their use they are asked for: some 200 cycles. */
  private static final int COLUMNS_AHEAD = 16;

  // What is packed comes from far away, and by patterns that the processor does not guess: rows before their turn, and
  // bytes. To the second level, for lines that lie some powers of two apart push each other out of the first.
  private static final int COPIED_AHEAD = 16;
  private static final int TRANSPOSED_AHEAD = 512;

  private static final int LINE = 64;
  private static final int FLOAT = Float.BYTES;

  private static final List<Register> SAVED = List.of(RBX, R12, R13, R14, R15);

  // What the registers hold throughout a product.
  private static final Register A = RDI;
  private static final Register A_UPPER_ROWS = R14; // the fourth row of A's tile, from which the fifth and sixth are reached
  private static final Register A_TILE = R15;
  private static final Register A_DISTANCE = R13;
  private static final Register A_NEXT = RBX; // walks along what is asked for: rows of the next tile, columns to come
  private static final Register A_NEXT_STEP = R12;
  private static final Register B = RAX;
  private static final Register B_PANEL = RDX;
  private static final Register C = R8;
  private static final Register C_DISTANCE = R10;
  private static final Register ADDEND = R9;
  private static final Register ADDEND_DISTANCE = R11;
  private static final Register DEPTH_LEFT = RCX;
  private static final Register TILES_LEFT = RSI;

  /** The arguments of a product that come on the stack. */
  private enum Argument {
    ADDEND, ADDEND_AT, ADDEND_DISTANCE, C_DISTANCE, DEPTH, TILES, A_DISTANCE,
    /** Bytes of A's next tile for each {@link #UNROLLED} k, if its rows follow each other without gaps; else 0. */
    A_NEXT_STEP;

    /** Beyond the saved registers and the return address. */
    Place place() {
      return at(RSP, 8 * (SAVED.size() + 1 + ordinal()));
    }
  }

  /** How the rows of A, of one tile after the other, lie in memory, and so what the distance in it is. */
  enum Left {
    /** One row after the other: from row to row. */
    ROWS,
    /** One column after the other: from one k to the next. */
    COLUMNS,
    /** As columns, all those of a tile before those of the next: from one k to the next. */
    PANELS
  }

  /**
   * A tile of C and how its operands lie.
   *
   * @param rows      of C and A, from 1 to 6
   * @param vectors   of B and C; rows · vectors sums leave registers for one row of B and a number of A
   * @param bDistance bytes from one k to the next in B
   * @param far       whether operands are larger than the first-level cache: then lines are asked for early
   */
  record Shape(int rows, int vectors, Left left, int bDistance, boolean far) {
    /** See {@link Argument#A_NEXT_STEP}. */
    long nextStep() {
      return (long) rows * UNROLLED * FLOAT;
    }
  }

  private final X86Assembler code;
  private final Shape shape;
  private final int vectorBytes;

  private X86Loops(X86Assembler code, Shape shape) {
    this.code = code;
    this.shape = shape;
    vectorBytes = code.lanes() * FLOAT;
  }

  /**
   * c = addend + a·b, tile by tile. In registers: a, offset in a, b, offset in b, c, offset in c, where a, b and c
   * are the addresses of memory and offsets are bytes; the others as {@link Argument} lists them.
   */
  static void product(X86Assembler code, Shape shape) {
    new X86Loops(code, shape).product();
  }

  private void product() {
    SAVED.forEach(code::push);
    code.add(A, RSI);
    code.add(B_PANEL, RCX);
    code.add(C, R9);
    code.load(ADDEND, Argument.ADDEND.place());
    code.load(ADDEND_DISTANCE, Argument.ADDEND_AT.place());
    code.add(ADDEND, ADDEND_DISTANCE);
    code.load(ADDEND_DISTANCE, Argument.ADDEND_DISTANCE.place());
    code.load(C_DISTANCE, Argument.C_DISTANCE.place());
    code.load(A_DISTANCE, Argument.A_DISTANCE.place());
    code.load(TILES_LEFT, Argument.TILES.place());
    code.load(A_NEXT_STEP, Argument.A_NEXT_STEP.place());
    code.move(A_TILE, A);
    int nextTile = code.here();
    beginTile();
    sumTile();
    addAddend();
    storeTile();
    nextRows();
    code.subtract(TILES_LEFT, 1);
    code.jump(NOT_ZERO, nextTile);
    SAVED.reversed().forEach(code::pop);
    code.end();
  }

  private void beginTile() {
    code.move(A, A_TILE);
    if (shape.left == Left.ROWS) {
      code.address(A_UPPER_ROWS, new Place(A, A_DISTANCE, 2, 0));
      code.add(A_UPPER_ROWS, A_DISTANCE);
    }
    if (shape.far && shape.left != Left.PANELS) {
      code.move(A_NEXT, A);
      for (int i = 0; i < (shape.left == Left.ROWS ? shape.rows : COLUMNS_AHEAD); i++) {
        code.add(A_NEXT, A_DISTANCE);
      }
    }
    if (shape.far) {
      code.move(B, C);
      for (int i = 0; i < shape.rows; i++) {
        for (int line = 0; line < shape.vectors * vectorBytes; line += LINE) {
          code.prefetchForWriting(at(B, line));
        }
        code.add(B, C_DISTANCE);
      }
    }
    code.move(B, B_PANEL);
    code.load(DEPTH_LEFT, Argument.DEPTH.place());
  }

  private void sumTile() {
    for (int sum = 0; sum < shape.rows * shape.vectors; sum++) {
      code.compute(XOR, sum, sum, sum);
    }
    code.subtract(DEPTH_LEFT, UNROLLED);
    int few = code.jumpForward(NEGATIVE);
    int many = code.here();
    for (int k = 0; k < UNROLLED; k++) {
      if (shape.far) {
        askForLeft(k);
      }
      sumStep(k);
    }
    advance(UNROLLED);
    if (shape.far && shape.left == Left.ROWS) {
      code.add(A_NEXT, A_NEXT_STEP);
    }
    code.subtract(DEPTH_LEFT, UNROLLED);
    code.jump(NOT_NEGATIVE, many);
    code.land(few);
    code.add(DEPTH_LEFT, UNROLLED);
    int none = code.jumpForward(ZERO);
    int one = code.here();
    sumStep(0);
    advance(1);
    code.subtract(DEPTH_LEFT, 1);
    code.jump(NOT_ZERO, one);
    code.land(none);
  }

  private void askForLeft(int k) {
    switch (shape.left) {
      case COLUMNS -> {
        code.prefetch(at(A_NEXT, 0));
        code.add(A_NEXT, A_DISTANCE);
      }
      case ROWS -> {
        if (k % 2 == 0) {
          code.prefetch(at(A_NEXT, k / 2 * LINE));
        }
      }
      case PANELS -> {
        if (k % 2 == 0) {
          code.prefetch(at(A, PANEL_AHEAD));
        }
      }
    }
  }

  /** The products of one k; A and B are {@code k} steps before it, but for columns of A, which are walked along. */
  private void sumStep(int k) {
    int b = shape.rows * shape.vectors;
    int number = b + shape.vectors;
    for (int line = 0; shape.far && line < shape.vectors * vectorBytes; line += LINE) {
      code.prefetch(at(B, (k + PREFETCHED) * shape.bDistance + line));
    }
    for (int j = 0; j < shape.vectors; j++) {
      code.loadVector(b + j, at(B, k * shape.bDistance + j * vectorBytes));
    }
    for (int i = 0; i < shape.rows; i++) {
      code.broadcast(number, shape.left == Left.ROWS ? row(i, k * FLOAT) : at(A, i * FLOAT));
      for (int j = 0; j < shape.vectors; j++) {
        code.compute(ADD_PRODUCT, i * shape.vectors + j, b + j, number);
      }
    }
    if (shape.left != Left.ROWS) {
      code.add(A, A_DISTANCE);
    }
  }

  private void advance(int k) {
    code.add(B, k * shape.bDistance);
    if (shape.left == Left.ROWS) {
      code.add(A, k * FLOAT);
      code.add(A_UPPER_ROWS, k * FLOAT);
    }
  }

  /** Two rows beyond A and two beyond its fourth can be reached by one distance, once or twice. */
  private static Place row(int i, int displacement) {
    Register base = i < 3 ? A : A_UPPER_ROWS;
    return i % 3 == 0 ? at(base, displacement) : new Place(base, A_DISTANCE, i % 3, displacement);
  }

  private void addAddend() {
    code.test(ADDEND);
    int none = code.jumpForward(ZERO);
    for (int i = 0; i < shape.rows; i++) {
      for (int j = 0; j < shape.vectors; j++) {
        code.compute(ADD, i * shape.vectors + j, i * shape.vectors + j, at(ADDEND, j * vectorBytes));
      }
      code.add(ADDEND, ADDEND_DISTANCE);
    }
    code.land(none);
  }

  private void storeTile() {
    for (int i = 0; i < shape.rows; i++) {
      for (int j = 0; j < shape.vectors; j++) {
        code.storeVector(at(C, j * vectorBytes), i * shape.vectors + j);
      }
      code.add(C, C_DISTANCE);
    }
  }

  private void nextRows() {
    switch (shape.left) {
      case COLUMNS -> code.add(A_TILE, shape.rows * FLOAT);
      case PANELS -> code.move(A_TILE, A);
      case ROWS -> {
        for (int i = 0; i < shape.rows; i++) {
          code.add(A_TILE, A_DISTANCE);
        }
      }
    }
  }

  /**
   * Writes as many rows as a vector has lanes as columns, {@code distance} bytes apart. In registers: source, offset,
   * target, offset, bytes from row to row of the source, and how many times as many elements of each row.
   *
   * <p>Rows are interleaved in pairs, then in fours, within quarters of 128 bits; then the quarters change places.
   */
  static void transposition(X86Assembler code, int distance) {
    int lanes = code.lanes();
    code.add(RDI, RSI);
    code.add(RDX, RCX);
    int next = code.here();
    code.move(RAX, RDI);
    for (int row = 0; row < lanes; row++) {
      code.prefetchSecondLevel(at(RAX, TRANSPOSED_AHEAD));
      code.loadVector(row, at(RAX, 0));
      code.add(RAX, R8);
    }
    for (int row = 0; row < lanes; row += 2) {
      code.interleaveLow(lanes + row, row, row + 1);
      code.interleaveHigh(lanes + row + 1, row, row + 1);
    }
    for (int row = 0; row < lanes; row += 4) {
      int pair = lanes + row;
      code.lowPairs(row, pair, pair + 2);
      code.highPairs(row + 1, pair, pair + 2);
      code.lowPairs(row + 2, pair + 1, pair + 3);
      code.highPairs(row + 3, pair + 1, pair + 3);
    }
    for (int k = 0; k < 4; k++) {
      if (lanes == 16) {
        code.quarters(16, k, k + 4, 0, 1, 0, 1);
        code.quarters(17, k, k + 4, 2, 3, 2, 3);
        code.quarters(18, k + 8, k + 12, 0, 1, 0, 1);
        code.quarters(19, k + 8, k + 12, 2, 3, 2, 3);
        code.quarters(20, 16, 18, 0, 2, 0, 2);
        code.quarters(21, 16, 18, 1, 3, 1, 3);
        code.quarters(22, 17, 19, 0, 2, 0, 2);
        code.quarters(23, 17, 19, 1, 3, 1, 3);
      } else {
        code.halves(8, k, k + 4, 0);
        code.halves(9, k, k + 4, 1);
      }
      for (int quarter = 0; quarter < lanes / 4; quarter++) {
        code.storeVector(at(RDX, (4 * quarter + k) * distance), (lanes == 16 ? 20 : 8) + quarter);
      }
    }
    code.add(RDI, lanes * FLOAT);
    code.add(RDX, lanes * distance);
    code.subtract(R9, 1);
    code.jump(NOT_ZERO, next);
    code.end();
  }

  /**
   * Copies rows of so many vectors. In registers: source, offset, target, offset, bytes from row to row of the source
   * and of the target; on the stack, how many rows; if the rows are also added up, in their order, the place of the
   * sums and an offset.
   */
  static void copy(X86Assembler code, int vectors, boolean summed) {
    int vectorBytes = code.lanes() * FLOAT;
    code.add(RDI, RSI);
    code.add(RDX, RCX);
    code.load(RCX, at(RSP, 8));
    code.move(RAX, RDI);
    for (int i = 0; i < COPIED_AHEAD; i++) {
      code.add(RAX, R8);
    }
    for (int i = 0; summed && i < vectors; i++) {
      code.compute(XOR, vectors + i, vectors + i, vectors + i);
    }
    int next = code.here();
    for (int line = 0; line < vectors * vectorBytes; line += LINE) {
      code.prefetchSecondLevel(at(RAX, line));
    }
    for (int i = 0; i < vectors; i++) {
      code.loadVector(i, at(RDI, i * vectorBytes));
    }
    for (int i = 0; i < vectors; i++) {
      code.storeVector(at(RDX, i * vectorBytes), i);
      if (summed) {
        code.compute(ADD, vectors + i, vectors + i, i);
      }
    }
    code.add(RAX, R8);
    code.add(RDI, R8);
    code.add(RDX, R9);
    code.subtract(RCX, 1);
    code.jump(NOT_ZERO, next);
    if (summed) {
      code.load(RAX, at(RSP, 16));
      code.load(RDI, at(RSP, 24));
      code.add(RAX, RDI);
    }
    for (int i = 0; summed && i < vectors; i++) {
      code.storeVector(at(RAX, i * vectorBytes), vectors + i);
    }
    code.end();
  }

  /**
   * Packs columns of A as panels of {@link X86Kernels#TILE_ROWS} numbers, those of equal index side by side, and sums
   * the rows, those of even and of odd index apart until the end. In registers: source, offset, target, offset, bytes
   * from column to column of the source, how many columns; then as {@link Packing} lists them.
   *
   * <p>Vectors are wider than panels: what one writes too much the next one overwrites, but for the last of a panel.
   *
   * @param code for vectors of {@link X86Kernels#NARROW}
   * @return where the function begins
   */
  static int packing(X86Assembler code) {
    int panelBytes = X86Kernels.TILE_ROWS * FLOAT;
    int lanes = code.here(); // from here on the lanes of a whole panel; n numbers later, those of a panel of n rows fewer
    for (int i = 0; i < X86Kernels.TILE_ROWS + code.lanes(); i++) {
      code.data(i < X86Kernels.TILE_ROWS ? -1 : 0);
    }
    int start = code.here();
    Packing.SAVED.forEach(code::push);
    code.add(Packing.PANEL, RSI);
    code.add(Packing.TARGET_PANEL, RCX);
    code.load(Packing.PANELS_LEFT, Packing.PANELS.place());
    code.load(Packing.TARGET_DISTANCE, Packing.PANEL_DISTANCE.place());
    code.load(Packing.SUMS_TO, Packing.SUMS.place());
    code.load(RSI, Packing.SUMS_AT.place());
    code.add(Packing.SUMS_TO, RSI);
    code.addressOfWritten(Packing.LANES, lanes);
    code.load(RSI, Packing.ROWS_MISSING.place());
    code.add(Packing.LANES, RSI);
    int nextPanel = code.here();
    code.takeLanes(at(Packing.LANES, 0));
    code.compute(XOR, 0, 0, 0);
    code.compute(XOR, 1, 1, 1);
    code.move(Packing.SOURCE, Packing.PANEL);
    code.move(Packing.TARGET, Packing.TARGET_PANEL);
    code.move(Packing.COLUMNS_LEFT, Packing.COLUMNS);
    code.subtract(Packing.COLUMNS_LEFT, 3);
    int few = code.jumpForward(NEGATIVE);
    int many = code.here();
    packColumn(code, 0);
    packColumn(code, 1);
    code.subtract(Packing.COLUMNS_LEFT, 2);
    code.jump(NOT_NEGATIVE, many);
    code.land(few);
    code.add(Packing.COLUMNS_LEFT, 2);
    int one = code.jumpForward(ZERO);
    packColumn(code, 0);
    code.land(one);
    code.loadTaken(2, at(Packing.SOURCE, 0));
    code.compute(ADD, 1, 1, 2);
    code.compute(ADD, 0, 0, 1);
    code.addressOfWritten(RSI, lanes);
    code.takeLanes(at(RSI, 0));
    code.storeTaken(at(Packing.TARGET, 0), 2);
    code.test(Packing.SUMS_TO);
    int unasked = code.jumpForward(ZERO);
    code.storeTaken(at(Packing.SUMS_TO, 0), 0);
    code.add(Packing.SUMS_TO, panelBytes);
    code.land(unasked);
    code.add(Packing.PANEL, panelBytes);
    code.add(Packing.TARGET_PANEL, Packing.TARGET_DISTANCE);
    code.subtract(Packing.PANELS_LEFT, 1);
    code.jump(NOT_ZERO, nextPanel);
    Packing.SAVED.reversed().forEach(code::pop);
    code.end();
    return start;
  }

  private static void packColumn(X86Assembler code, int sum) {
    code.loadTaken(2, at(Packing.SOURCE, 0));
    code.storeVector(at(Packing.TARGET, 0), 2);
    code.compute(ADD, sum, sum, 2);
    code.add(Packing.SOURCE, Packing.COLUMN_DISTANCE);
    code.add(Packing.TARGET, X86Kernels.TILE_ROWS * FLOAT);
  }

  /** The arguments of a packing that come on the stack, and what the registers hold throughout. */
  private enum Packing {
    PANELS, PANEL_DISTANCE,
    /** Or 0 for none. */
    SUMS, SUMS_AT,
    /** Of each panel, in bytes: zeros stand there. */
    ROWS_MISSING;

    static final List<Register> SAVED = List.of(R13, R14, R15);

    static final Register PANEL = RDI;
    static final Register SOURCE = RSI;
    static final Register COLUMN_DISTANCE = R8;
    static final Register TARGET_PANEL = RDX;
    static final Register TARGET = RCX;
    static final Register TARGET_DISTANCE = R10;
    static final Register COLUMNS = R9;
    static final Register COLUMNS_LEFT = RAX;
    static final Register PANELS_LEFT = R13;
    static final Register SUMS_TO = R14;
    static final Register LANES = R15;

    Place place() {
      return at(RSP, 8 * (SAVED.size() + 1 + ordinal()));
    }
  }
}
