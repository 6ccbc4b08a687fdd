package org.gatun.cpu;

import java.util.Arrays;

/**
 * Writes the few instructions of x86-64 that {@link X86Loops} and {@link X86Compiler} use, with vectors of 256 bits (AVX2, FMA) or of
 * 512 (AVX-512F).
 *
 * <p>A vector register is given by its number, from 0 to 15 or to 31; {@link #lanes} floats fill one. Encodings after
 * the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: section 2.1 for the general registers,
 * 2.3 for VEX, 2.7 for EVEX.
 */
final class X86Assembler {
  /** The general registers, of 64 bits, in the order of their numbers. */
  enum Register {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15;

    /** The three bits that fit the instruction itself. */
    int low() {
      return ordinal() & 7;
    }

    /** The fourth bit, which goes to a prefix. */
    int high() {
      return ordinal() >> 3;
    }
  }

  /** Where in memory: base + index · scale + displacement; index null for none, scale 1 or 2. */
  record Place(Register base, Register index, int scale, int displacement) {
    static Place at(Register base, int displacement) {
      return new Place(base, null, 1, displacement);
    }

    private int indexHigh() {
      return index == null ? 0 : index.high();
    }
  }

  /** When to jump, after a subtraction or a test. */
  enum Condition {
    ZERO(0x84), NOT_ZERO(0x85), NEGATIVE(0x88), NOT_NEGATIVE(0x89);

    private final int code;

    Condition(int code) {
      this.code = code;
    }
  }

  // The tables of opcodes, and the prefix that a VEX or EVEX instruction carries within.
  private static final int MAP_0F = 1;
  private static final int MAP_0F38 = 2;
  private static final int MAP_0F3A = 3;
  private static final int NO_PREFIX = 0;
  private static final int PREFIX_66 = 1;
  private static final int PREFIX_F3 = 2;
  private static final int BITS_256 = 4;
  private static final int OF_DOUBLES = 0x80 | PREFIX_66;

  /** What computes to = x ∘ y lane by lane, where y may be in memory. */
  enum Arithmetic {
    ADD(MAP_0F, NO_PREFIX, 0x58),
    SUBTRACT(MAP_0F, NO_PREFIX, 0x5C),
    MULTIPLY(MAP_0F, NO_PREFIX, 0x59),
    DIVIDE(MAP_0F, NO_PREFIX, 0x5E),
    /** The smaller; y if either is NaN. */
    MINIMUM(MAP_0F, NO_PREFIX, 0x5D),
    /** The larger; y if either is NaN. */
    MAXIMUM(MAP_0F, NO_PREFIX, 0x5F),
    /** The root of y; x must be 0. */
    ROOT(MAP_0F, NO_PREFIX, 0x51),
    /** y as it is, in a register; x must be 0. */
    MOVE(MAP_0F, NO_PREFIX, 0x28),
    AND(MAP_0F, PREFIX_66, 0xDB),
    XOR(MAP_0F, PREFIX_66, 0xEF),
    /** The integers of y as floats; x must be 0. */
    INTEGERS_TO_FLOATS(MAP_0F, NO_PREFIX, 0x5B),
    ADD_INTEGERS(MAP_0F, PREFIX_66, 0xFE),
    SUBTRACT_INTEGERS(MAP_0F, PREFIX_66, 0xFA),
    /** x · 2 to the power of the integral part of y, rounded once; AVX-512 only. */
    SCALE(MAP_0F38, PREFIX_66, 0x2C),
    /** to = to · y + x, rounded once. */
    MULTIPLY_BY_Y(MAP_0F38, PREFIX_66, 0x98),
    /** to = to · x + y, rounded once. */
    MULTIPLY_ADD_Y(MAP_0F38, PREFIX_66, 0xA8),
    /** to += x · y, rounded once. */
    ADD_PRODUCT(MAP_0F38, PREFIX_66, 0xB8),
    /**
     * Of 32 floats, the first 16 in x and the others in y, those that the last five bits of to's lanes count to; AVX-512
     * only.
     */
    LOOK_UP(MAP_0F38, PREFIX_66, 0x77),
    ADD_DOUBLES(MAP_0F, OF_DOUBLES, 0x58),
    /** As {@link #ADD_PRODUCT}. */
    ADD_PRODUCT_OF_DOUBLES(MAP_0F38, OF_DOUBLES, 0xB8);

    private final int map;
    private final int prefix;
    private final int opcode;

    Arithmetic(int map, int prefix, int opcode) {
      this.map = map;
      this.prefix = prefix;
      this.opcode = opcode;
    }
  }

  /** Comparisons of floats; the first two are false where either side is NaN. */
  enum Comparison {
    EQUAL(0), LESS(1), NOT_COMPARABLE(3);

    private final int code;

    Comparison(int code) {
      this.code = code;
    }
  }

  // Mask registers, of vectors of 512 bits.
  private static final int TAKEN = 1;
  private static final int CHOICE = 2;
  private static final int ZERO_OTHERS = 0x80;

  private final boolean wide;
  private byte[] code = new byte[1 << 14];
  private int length;

  /** For vectors of so many floats: 8 or 16. */
  X86Assembler(int lanes) {
    wide = lanes == 16;
  }

  /** Floats of a vector. */
  int lanes() {
    return wide ? 16 : 8;
  }

  /** Bytes written so far: where the next instruction begins. */
  int here() {
    return length;
  }

  byte[] code() {
    return Arrays.copyOf(code, length);
  }

  void push(Register register) {
    write(0x40 | register.high(), 0x50 | register.low());
  }

  void pop(Register register) {
    write(0x40 | register.high(), 0x58 | register.low());
  }

  void move(Register to, Register from) {
    general(0x89, from, to);
  }

  void store(Place to, Register from) {
    write(0x48 | from.high() << 2 | to.indexHigh() << 1 | to.base.high(), 0x89);
    operand(from.low(), to, 1);
  }

  void load(Register to, Place from) {
    write(0x48 | to.high() << 2 | from.indexHigh() << 1 | from.base.high(), 0x8B);
    operand(to.low(), from, 1);
  }

  /** The address itself, not what is there. */
  void address(Register to, Place of) {
    write(0x48 | to.high() << 2 | of.indexHigh() << 1 | of.base.high(), 0x8D);
    operand(to.low(), of, 1);
  }

  void add(Register to, Register from) {
    general(0x01, from, to);
  }

  void add(Register to, int value) {
    write(0x48 | to.high(), 0x81, 0xC0 | to.low());
    write32(value);
  }

  /** Conditions then speak of the difference. */
  void subtract(Register from, int value) {
    write(0x48 | from.high(), 0x81, 0xE8 | from.low());
    write32(value);
  }

  /** Conditions then speak of the register. */
  void test(Register register) {
    general(0x85, register, register);
  }

  private void general(int opcode, Register source, Register target) {
    write(0x48 | source.high() << 2 | target.high(), opcode, 0xC0 | source.low() << 3 | target.low());
  }

  /** Jumps back to where an instruction begins. */
  void jump(Condition condition, int target) {
    write(0x0F, condition.code);
    write32(target - length - 4);
  }

  /** Jumps to where {@link #land} will be told. */
  int jumpForward(Condition condition) {
    write(0x0F, condition.code);
    write32(0);
    return length;
  }

  /** The jump that returned this number lands here. */
  void land(int jump) {
    int distance = length - jump;
    for (int i = 0; i < 4; i++) {
      code[jump - 4 + i] = (byte) (distance >> 8 * i);
    }
  }

  /** Asks for a line in the first-level cache; never faults, wherever it points. */
  void prefetch(Place place) {
    prefetch(0x18, 1, place);
  }

  /** Asks for a line in the second-level cache. */
  void prefetchSecondLevel(Place place) {
    prefetch(0x18, 2, place);
  }

  /** Asks for a line that will be written. */
  void prefetchForWriting(Place place) {
    prefetch(0x0D, 1, place);
  }

  private void prefetch(int opcode, int hint, Place place) {
    write(0x40 | place.indexHigh() << 1 | place.base.high(), 0x0F, opcode);
    operand(hint, place, 1);
  }

  void subtract(Register from, Register value) {
    general(0x29, value, from);
  }

  /** The address of what was written at {@code target}. */
  void addressOfWritten(Register to, int target) {
    write(0x48 | to.high() << 2, 0x8D, 0x05 | to.low() << 3);
    write32(target - length - 4);
  }

  /** Goes on at a multiple of so many bytes. */
  void align(int bytes) {
    while (length % bytes != 0) {
      write(0);
    }
  }

  /** A number for {@link #addressOfWritten}. */
  void data(int value) {
    write32(value);
  }

  /** Leaves the vector registers as code of 128 bits wants them, and returns. */
  void end() {
    write(0xC5, 0xF8, 0x77, 0xC3);
  }

  void loadVector(int to, Place from) {
    vector(MAP_0F, NO_PREFIX, 0x10, to, 0, from, 4 * lanes());
  }

  void storeVector(Place to, int from) {
    vector(MAP_0F, NO_PREFIX, 0x11, from, 0, to, 4 * lanes());
  }

  /** One float to all lanes. */
  void broadcast(int to, Place from) {
    vector(MAP_0F38, PREFIX_66, 0x18, to, 0, from, Float.BYTES);
  }

  /** The first float of a register to all lanes. */
  void broadcast(int to, int from) {
    vector(MAP_0F38, PREFIX_66, 0x18, to, 0, from);
  }

  /** The first float of a register, one of the first 16, alone. */
  void storeFloat(Place to, int from) {
    vex(MAP_0F, PREFIX_F3, from, 0, to.base.high(), to.indexHigh());
    write(0x11);
    operand(from & 7, to, 1);
  }

  void compute(Arithmetic what, int to, int x, int y) {
    vector(what.map, what.prefix, what.opcode, to, x, y);
  }

  void compute(Arithmetic what, int to, int x, Place y) {
    vector(what.map, what.prefix, what.opcode, to, x, y, 4 * lanes());
  }

  /** Half a vector of floats as a vector of doubles. */
  void widen(int to, Place from) {
    vector(MAP_0F, NO_PREFIX, 0x5A, to, 0, from, 2 * lanes());
  }

  /** Integers, towards the larger. */
  void shiftLeft(int to, int x, int bits) {
    vector(MAP_0F, PREFIX_66, 0x72, 6, to, x);
    write(bits);
  }

  /** Integers with a sign, towards the smaller. */
  void shiftRight(int to, int x, int bits) {
    vector(MAP_0F, PREFIX_66, 0x72, 4, to, x);
    write(bits);
  }

  /** to = x ∘ y ? yes : no; {@code help} is lost, and none of the others. */
  void select(int to, Comparison comparison, int x, Place y, int yes, int no, int help) {
    vector(MAP_0F, NO_PREFIX, 0xC2, wide ? CHOICE : help, x, y, 4 * lanes());
    write(comparison.code);
    if (wide) {
      evex(MAP_0F38, PREFIX_66, to, no, yes >> 3 & 1, yes >> 4 & 1, CHOICE);
      write(0x65, 0xC0 | (to & 7) << 3 | yes & 7);
    } else {
      vector(MAP_0F3A, PREFIX_66, 0x4A, to, no, yes);
      write(help << 4);
    }
  }

  /** From here on the lanes of the following are those where the 32 bits at a place are not zero. */
  void takeLanes(Place of) {
    loadVector(lastRegister(), of);
    if (wide) {
      vector(MAP_0F38, PREFIX_66, 0x27, TAKEN, lastRegister(), lastRegister());
    }
  }

  /** The lanes taken, zero elsewhere; nothing else is read. */
  void loadTaken(int to, Place from) {
    if (wide) {
      masked(ZERO_OTHERS | TAKEN, MAP_0F, NO_PREFIX, 0x10, to, 0, from);
    } else {
      vector(MAP_0F38, PREFIX_66, 0x2C, to, lastRegister(), from, 4 * lanes());
    }
  }

  /** The lanes taken; nothing else is written. */
  void storeTaken(Place to, int from) {
    if (wide) {
      masked(TAKEN, MAP_0F, NO_PREFIX, 0x11, from, 0, to);
    } else {
      vector(MAP_0F38, PREFIX_66, 0x2E, from, lastRegister(), to, 4 * lanes());
    }
  }

  /** to = from in the lanes taken. */
  void moveTaken(int to, int from) {
    if (wide) {
      evex(MAP_0F, NO_PREFIX, to, 0, from >> 3 & 1, from >> 4 & 1, TAKEN);
      write(0x28, 0xC0 | (to & 7) << 3 | from & 7);
    } else {
      vector(MAP_0F3A, PREFIX_66, 0x4A, to, to, from);
      write(lastRegister() << 4);
    }
  }

  /** The vector register that {@link #takeLanes} needs for itself. */
  int lastRegister() {
    return wide ? 31 : 15;
  }

  /** In each quarter of 128 bits: x0 y0 x1 y1. */
  void interleaveLow(int to, int x, int y) {
    vector(MAP_0F, NO_PREFIX, 0x14, to, x, y);
  }

  /** In each quarter of 128 bits: x2 y2 x3 y3. */
  void interleaveHigh(int to, int x, int y) {
    vector(MAP_0F, NO_PREFIX, 0x15, to, x, y);
  }

  /** In each quarter of 128 bits: x0 x1 y0 y1. */
  void lowPairs(int to, int x, int y) {
    vector(MAP_0F, NO_PREFIX, 0xC6, to, x, y);
    write(0x44);
  }

  /** In each quarter of 128 bits: x2 x3 y2 y3. */
  void highPairs(int to, int x, int y) {
    vector(MAP_0F, NO_PREFIX, 0xC6, to, x, y);
    write(0xEE);
  }

  /** In each quarter of 128 bits: x1 x1 x1 x1. */
  void seconds(int to, int x) {
    vector(MAP_0F, NO_PREFIX, 0xC6, to, x, x);
    write(0x55);
  }

  /**
   * Pieces of 128 bits, of vectors of 512: the first two of {@code picks}, which are numbers from 0 to 3, of x, the
   * others of y.
   */
  void quarters(int to, int x, int y, int... picks) {
    vector(MAP_0F3A, PREFIX_66, 0x23, to, x, y);
    write(picks[0] | picks[1] << 2 | picks[2] << 4 | picks[3] << 6);
  }

  /** Of vectors of 256 bits, half number {@code pick}, 0 or 1, of x and then of y. */
  void halves(int to, int x, int y, int pick) {
    vector(MAP_0F3A, PREFIX_66, 0x06, to, x, y);
    write(pick | (2 | pick) << 4);
  }

  /** An instruction on three vector registers. */
  private void vector(int map, int prefix, int opcode, int to, int x, int y) {
    if (wide) {
      evex(map, prefix, to, x, y >> 3 & 1, y >> 4 & 1, 0);
    } else {
      vex(map, BITS_256 | prefix, to, x, y >> 3, 0);
    }
    write(opcode, 0xC0 | (to & 7) << 3 | y & 7);
  }

  /** An instruction with its last operand in memory, {@code size} bytes of it. */
  private void vector(int map, int prefix, int opcode, int to, int x, Place place, int size) {
    if (wide) {
      evex(map, prefix, to, x, place.base.high(), place.indexHigh(), 0);
    } else {
      vex(map, BITS_256 | prefix, to, x, place.base.high(), place.indexHigh());
    }
    write(opcode);
    operand(to & 7, place, wide ? size : 1);
  }

  /** An instruction of 512 bits that leaves alone what a mask register does not take. */
  private void masked(int mask, int map, int prefix, int opcode, int to, int x, Place place) {
    evex(map, prefix, to, x, place.base.high(), place.indexHigh(), mask);
    write(opcode);
    operand(to & 7, place, 4 * lanes());
  }

  // Both prefixes hold the upper bits of register numbers inverted.

  private void vex(int map, int prefix, int to, int x, int baseHigh, int indexHigh) {
    write(0xC4, (~to >> 3 & 1) << 7 | (~indexHigh & 1) << 6 | (~baseHigh & 1) << 5 | map, (~x & 15) << 3 | prefix);
  }

  private void evex(int map, int prefix, int to, int x, int baseHigh, int indexHigh, int mask) {
    write(
        0x62,
        (~to >> 3 & 1) << 7 | (~indexHigh & 1) << 6 | (~baseHigh & 1) << 5 | (~to >> 4 & 1) << 4 | map,
        (~x & 15) << 3 | 4 | prefix,
        0x40 | (~x >> 4 & 1) << 3 | mask);
  }

  /** Register (or hint) and place; a displacement of one byte counts in units, of four bytes in bytes. */
  private void operand(int register, Place place, int unit) {
    int units = place.displacement / unit;
    boolean small = units * unit == place.displacement && units == (byte) units;
    int mode = small ? 0x40 : 0x80;
    if (place.index == null && place.base.low() != 4) {
      write(mode | register << 3 | place.base.low());
    } else {
      int index = place.index == null ? 4 : place.index.low(); // 4 says that there is none
      write(mode | register << 3 | 4, (place.scale == 2 ? 0x40 : 0) | index << 3 | place.base.low());
    }
    if (small) {
      write(units);
    } else {
      write32(place.displacement);
    }
  }

  private void write(int... bytes) {
    if (length + bytes.length > code.length) {
      code = Arrays.copyOf(code, 2 * code.length);
    }
    for (int b : bytes) {
      code[length++] = (byte) b;
    }
  }

  private void write32(int value) {
    write(value, value >> 8, value >> 16, value >> 24);
  }
}
