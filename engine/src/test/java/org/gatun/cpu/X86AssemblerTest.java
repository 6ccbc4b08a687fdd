package org.gatun.cpu;

import static org.gatun.cpu.X86Assembler.Arithmetic.ADD;
import static org.gatun.cpu.X86Assembler.Arithmetic.ADD_DOUBLES;
import static org.gatun.cpu.X86Assembler.Arithmetic.ADD_INTEGERS;
import static org.gatun.cpu.X86Assembler.Arithmetic.ADD_PRODUCT;
import static org.gatun.cpu.X86Assembler.Arithmetic.ADD_PRODUCT_OF_DOUBLES;
import static org.gatun.cpu.X86Assembler.Arithmetic.AND;
import static org.gatun.cpu.X86Assembler.Arithmetic.DIVIDE;
import static org.gatun.cpu.X86Assembler.Arithmetic.INTEGERS_TO_FLOATS;
import static org.gatun.cpu.X86Assembler.Arithmetic.LOOK_UP;
import static org.gatun.cpu.X86Assembler.Arithmetic.MAXIMUM;
import static org.gatun.cpu.X86Assembler.Arithmetic.MINIMUM;
import static org.gatun.cpu.X86Assembler.Arithmetic.MOVE;
import static org.gatun.cpu.X86Assembler.Arithmetic.MULTIPLY;
import static org.gatun.cpu.X86Assembler.Arithmetic.MULTIPLY_ADD_Y;
import static org.gatun.cpu.X86Assembler.Arithmetic.MULTIPLY_BY_Y;
import static org.gatun.cpu.X86Assembler.Arithmetic.ROOT;
import static org.gatun.cpu.X86Assembler.Arithmetic.SUBTRACT;
import static org.gatun.cpu.X86Assembler.Arithmetic.SUBTRACT_INTEGERS;
import static org.gatun.cpu.X86Assembler.Arithmetic.XOR;
import static org.gatun.cpu.X86Assembler.Comparison.EQUAL;
import static org.gatun.cpu.X86Assembler.Comparison.LESS;
import static org.gatun.cpu.X86Assembler.Comparison.NOT_COMPARABLE;
import static org.gatun.cpu.X86Assembler.Place.at;
import static org.gatun.cpu.X86Assembler.Register.R10;
import static org.gatun.cpu.X86Assembler.Register.R11;
import static org.gatun.cpu.X86Assembler.Register.R12;
import static org.gatun.cpu.X86Assembler.Register.R13;
import static org.gatun.cpu.X86Assembler.Register.R14;
import static org.gatun.cpu.X86Assembler.Register.R8;
import static org.gatun.cpu.X86Assembler.Register.R9;
import static org.gatun.cpu.X86Assembler.Register.RAX;
import static org.gatun.cpu.X86Assembler.Register.RCX;
import static org.gatun.cpu.X86Assembler.Register.RDI;
import static org.gatun.cpu.X86Assembler.Register.RDX;
import static org.gatun.cpu.X86Assembler.Register.RSI;
import static org.gatun.cpu.X86Assembler.Register.RSP;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import java.util.function.Consumer;
import org.gatun.cpu.X86Assembler.Condition;
import org.gatun.cpu.X86Assembler.Place;
import org.junit.jupiter.api.Test;

/** Every instruction against the bytes that the GNU assembler gives for the line beside it. */
class X86AssemblerTest {
  private static void wide(String bytes, Consumer<X86Assembler> writer) {
    check(16, bytes, writer);
  }

  private static void narrow(String bytes, Consumer<X86Assembler> writer) {
    check(8, bytes, writer);
  }

  private static void check(int lanes, String bytes, Consumer<X86Assembler> writer) {
    var code = new X86Assembler(lanes);
    writer.accept(code);
    assertEquals(bytes, HexFormat.ofDelimiter(" ").formatHex(code.code()));
  }

  @Test
  void generalRegisters() {
    wide("41 54", code -> code.push(R12)); // push r12
    wide("41 5e", code -> code.pop(R14)); // pop r14
    wide("4c 89 e8", code -> code.move(RAX, R13)); // mov rax, r13
    wide("49 89 d1", code -> code.move(R9, RDX)); // mov r9, rdx
    wide("4c 8b 5c 24 78", code -> code.load(R11, at(RSP, 120))); // mov r11, [rsp+120]
    wide("48 8b b4 24 00 02 00 00", code -> code.load(RSI, at(RSP, 512))); // mov rsi, [rsp+512]
    wide("4e 8d 74 6f 00", code -> code.address(R14, new Place(RDI, R13, 2, 0))); // lea r14, [rdi+r13*2+0]
    wide("4d 01 d9", code -> code.add(R9, R11)); // add r9, r11
    wide("48 81 c7 00 01 00 00", code -> code.add(RDI, 256)); // add rdi, 256
    wide("48 81 e9 00 01 00 00", code -> code.subtract(RCX, 256)); // sub rcx, 256
    wide("4d 85 c9", code -> code.test(R9)); // test r9, r9
    wide("40 0f 18 88 00 01 00 00", code -> code.prefetch(at(RAX, 256))); // rex prefetcht0 [rax+256]
    wide("41 0f 18 55 00", code -> code.prefetchSecondLevel(at(R13, 0))); // prefetcht1 [r13+0]
    wide("41 0f 0d 48 40", code -> code.prefetchForWriting(at(R8, 64))); // prefetchw [r8+64]
    wide("4c 89 5c 24 78", code -> code.store(at(RSP, 120), R11)); // mov [rsp+120], r11
    wide("49 29 fb", code -> code.subtract(R11, RDI)); // sub r11, rdi
    // lea rdi, [rip-9], to where the three bytes before began, and what was filled up
    wide("4d 85 c9 00 48 8d 3d f5 ff ff ff 07 00 00 00", code -> {
      code.test(R9);
      code.align(4);
      code.addressOfWritten(RDI, 0);
      code.data(7);
    });
    wide("c5 f8 77 c3", X86Assembler::end); // vzeroupper; ret
  }

  @Test
  void jumps() {
    // 1: test r9, r9; je 2f; jne 1b; js 1b; jns 1b; 2:
    wide("4d 85 c9 0f 84 12 00 00 00 0f 85 f1 ff ff ff 0f 88 eb ff ff ff 0f 89 e5 ff ff ff", code -> {
      int start = code.here();
      code.test(R9);
      int forward = code.jumpForward(Condition.ZERO);
      code.jump(Condition.NOT_ZERO, start);
      code.jump(Condition.NEGATIVE, start);
      code.jump(Condition.NOT_NEGATIVE, start);
      code.land(forward);
    });
  }

  @Test
  void vectorsOf512Bits() {
    wide("62 61 7c 48 10 40 01", code -> code.loadVector(24, at(RAX, 64))); // vmovups zmm24, [rax+64]
    wide("62 61 7c 48 10 b8 64 00 00 00", code -> code.loadVector(31, at(RAX, 100))); // vmovups zmm31, [rax+100]
    wide("62 c1 7c 48 11 78 03", code -> code.storeVector(at(R8, 192), 23)); // vmovups [r8+192], zmm23
    // vbroadcastss zmm28, [rdi+r13*2+508]
    wide("62 22 7d 48 18 64 6f 7f", code -> code.broadcast(28, new Place(RDI, R13, 2, 508)));
    wide("62 d2 7d 48 18 ae 00 02 00 00", code -> code.broadcast(5, at(R14, 512))); // vbroadcastss zmm5, [r14+512]
    wide("62 52 7d 48 18 8c 24 03 00 00 00", code -> code.broadcast(9, at(R12, 3))); // vbroadcastss zmm9, [r12+3]
    wide("62 92 3d 40 b8 ff", code -> code.compute(ADD_PRODUCT, 7, 24, 31)); // vfmadd231ps zmm7, zmm24, zmm31
    wide("62 c2 3d 48 b8 d9", code -> code.compute(ADD_PRODUCT, 19, 8, 9)); // vfmadd231ps zmm19, zmm8, zmm9
    wide("62 c1 74 40 58 49 02", code -> code.compute(ADD, 17, 17, at(R9, 128))); // vaddps zmm17, zmm17, [r9+128]
    wide("62 a1 7d 40 ef c0", code -> code.compute(XOR, 16, 16, 16)); // vpxord zmm16, zmm16, zmm16
    wide("62 21 14 48 14 f4", code -> code.interleaveLow(30, 13, 20)); // vunpcklps zmm30, zmm13, zmm20
    wide("62 f1 6c 40 15 cb", code -> code.interleaveHigh(1, 18, 3)); // vunpckhps zmm1, zmm18, zmm3
    wide("62 b1 74 40 c6 d3 44", code -> code.lowPairs(2, 17, 19)); // vshufps zmm2, zmm17, zmm19, 0x44
    wide("62 b1 74 40 c6 d3 ee", code -> code.highPairs(2, 17, 19)); // vshufps zmm2, zmm17, zmm19, 0xee
    // vshuff32x4 zmm20, zmm16, zmm18, 0x88
    wide("62 a3 7d 40 23 e2 88", code -> code.quarters(20, 16, 18, 0, 2, 0, 2));
  }

  @Test
  void vectorsOf256Bits() {
    narrow("c4 41 7c 10 48 20", code -> code.loadVector(9, at(R8, 32))); // vmovups ymm9, [r8+32]
    narrow("c4 41 7c 11 58 20", code -> code.storeVector(at(R8, 32), 11)); // vmovups [r8+32], ymm11
    // vbroadcastss ymm14, [rdi+r13*2+60]
    narrow("c4 22 7d 18 74 6f 3c", code -> code.broadcast(14, new Place(RDI, R13, 2, 60)));
    narrow("c4 42 7d 18 b6 80 00 00 00", code -> code.broadcast(14, at(R14, 128))); // vbroadcastss ymm14, [r14+128]
    narrow("c4 42 15 b8 de", code -> code.compute(ADD_PRODUCT, 11, 13, 14)); // vfmadd231ps ymm11, ymm13, ymm14
    narrow("c4 41 34 58 49 20", code -> code.compute(ADD, 9, 9, at(R9, 32))); // vaddps ymm9, ymm9, [r9+32]
    narrow("c4 41 2d ef d2", code -> code.compute(XOR, 10, 10, 10)); // vpxor ymm10, ymm10, ymm10
    narrow("c4 41 74 14 c4", code -> code.interleaveLow(8, 1, 12)); // vunpcklps ymm8, ymm1, ymm12
    narrow("c4 41 6c 15 cb", code -> code.interleaveHigh(9, 2, 11)); // vunpckhps ymm9, ymm2, ymm11
    narrow("c4 c1 34 c6 d3 44", code -> code.lowPairs(2, 9, 11)); // vshufps ymm2, ymm9, ymm11, 0x44
    narrow("c4 c1 34 c6 d3 ee", code -> code.highPairs(2, 9, 11)); // vshufps ymm2, ymm9, ymm11, 0xee
    narrow("c4 43 7d 06 c4 31", code -> code.halves(8, 0, 12, 1)); // vperm2f128 ymm8, ymm0, ymm12, 0x31
  }

  @Test
  void arithmeticOf512Bits() {
    wide("62 81 3c 40 58 cf", code -> code.compute(ADD, 17, 24, 31)); // vaddps zmm17, zmm24, zmm31
    wide("62 e1 3c 40 58 48 03", code -> code.compute(ADD, 17, 24, at(RAX, 192))); // vaddps zmm17, zmm24, [rax+192]
    wide("62 91 3c 48 5c f9", code -> code.compute(SUBTRACT, 7, 8, 25)); // vsubps zmm7, zmm8, zmm25
    wide("62 f1 3c 48 5c 78 03", code -> code.compute(SUBTRACT, 7, 8, at(RAX, 192))); // vsubps zmm7, zmm8, [rax+192]
    wide("62 81 3c 40 59 cf", code -> code.compute(MULTIPLY, 17, 24, 31)); // vmulps zmm17, zmm24, zmm31
    // vmulps zmm17, zmm24, [rax+192]
    wide("62 e1 3c 40 59 48 03", code -> code.compute(MULTIPLY, 17, 24, at(RAX, 192)));
    wide("62 91 3c 48 5e f9", code -> code.compute(DIVIDE, 7, 8, 25)); // vdivps zmm7, zmm8, zmm25
    wide("62 f1 3c 48 5e 78 03", code -> code.compute(DIVIDE, 7, 8, at(RAX, 192))); // vdivps zmm7, zmm8, [rax+192]
    wide("62 81 3c 40 5d cf", code -> code.compute(MINIMUM, 17, 24, 31)); // vminps zmm17, zmm24, zmm31
    wide("62 e1 3c 40 5d 48 03", code -> code.compute(MINIMUM, 17, 24, at(RAX, 192))); // vminps zmm17, zmm24, [rax+192]
    wide("62 91 3c 48 5f f9", code -> code.compute(MAXIMUM, 7, 8, 25)); // vmaxps zmm7, zmm8, zmm25
    wide("62 f1 3c 48 5f 78 03", code -> code.compute(MAXIMUM, 7, 8, at(RAX, 192))); // vmaxps zmm7, zmm8, [rax+192]
    wide("62 82 3d 40 98 cf", code -> code.compute(MULTIPLY_BY_Y, 17, 24, 31)); // vfmadd132ps zmm17, zmm24, zmm31
    // vfmadd132ps zmm17, zmm24, [rax+192]
    wide("62 e2 3d 40 98 48 03", code -> code.compute(MULTIPLY_BY_Y, 17, 24, at(RAX, 192)));
    wide("62 92 3d 48 a8 f9", code -> code.compute(MULTIPLY_ADD_Y, 7, 8, 25)); // vfmadd213ps zmm7, zmm8, zmm25
    // vfmadd213ps zmm7, zmm8, [rax+192]
    wide("62 f2 3d 48 a8 78 03", code -> code.compute(MULTIPLY_ADD_Y, 7, 8, at(RAX, 192)));
    wide("62 82 3d 40 b8 cf", code -> code.compute(ADD_PRODUCT, 17, 24, 31)); // vfmadd231ps zmm17, zmm24, zmm31
    // vfmadd231ps zmm17, zmm24, [rax+192]
    wide("62 e2 3d 40 b8 48 03", code -> code.compute(ADD_PRODUCT, 17, 24, at(RAX, 192)));
    wide("62 c2 6d 48 77 e9", code -> code.compute(LOOK_UP, 21, 2, 9)); // vpermi2ps zmm21, zmm2, zmm9
    // vpermi2ps zmm3, zmm17, [rax+640]
    wide("62 f2 75 40 77 58 0a", code -> code.compute(LOOK_UP, 3, 17, at(RAX, 640)));
    wide("62 91 bd 48 58 f9", code -> code.compute(ADD_DOUBLES, 7, 8, 25)); // vaddpd zmm7, zmm8, zmm25
    wide("62 f1 bd 48 58 78 03", code -> code.compute(ADD_DOUBLES, 7, 8, at(RAX, 192))); // vaddpd zmm7, zmm8, [rax+192]
    // vfmadd231pd zmm17, zmm24, zmm31
    wide("62 82 bd 40 b8 cf", code -> code.compute(ADD_PRODUCT_OF_DOUBLES, 17, 24, 31));
    // vfmadd231pd zmm17, zmm24, [rax+192]
    wide("62 e2 bd 40 b8 48 03", code -> code.compute(ADD_PRODUCT_OF_DOUBLES, 17, 24, at(RAX, 192)));
    wide("62 91 3d 48 db f9", code -> code.compute(AND, 7, 8, 25)); // vpandd zmm7, zmm8, zmm25
    wide("62 f1 3d 48 db 78 03", code -> code.compute(AND, 7, 8, at(RAX, 192))); // vpandd zmm7, zmm8, [rax+192]
    wide("62 81 3d 40 ef cf", code -> code.compute(XOR, 17, 24, 31)); // vpxord zmm17, zmm24, zmm31
    wide("62 e1 3d 40 ef 48 03", code -> code.compute(XOR, 17, 24, at(RAX, 192))); // vpxord zmm17, zmm24, [rax+192]
    wide("62 91 3d 48 fe f9", code -> code.compute(ADD_INTEGERS, 7, 8, 25)); // vpaddd zmm7, zmm8, zmm25
    // vpaddd zmm7, zmm8, [rax+192]
    wide("62 f1 3d 48 fe 78 03", code -> code.compute(ADD_INTEGERS, 7, 8, at(RAX, 192)));
    wide("62 81 3d 40 fa cf", code -> code.compute(SUBTRACT_INTEGERS, 17, 24, 31)); // vpsubd zmm17, zmm24, zmm31
    // vpsubd zmm17, zmm24, [rax+192]
    wide("62 e1 3d 40 fa 48 03", code -> code.compute(SUBTRACT_INTEGERS, 17, 24, at(RAX, 192)));
    wide("62 81 7c 48 51 cf", code -> code.compute(ROOT, 17, 0, 31)); // vsqrtps zmm17, zmm31
    wide("62 91 7c 48 28 f9", code -> code.compute(MOVE, 7, 0, 25)); // vmovaps zmm7, zmm25
    wide("62 81 7c 48 5b cf", code -> code.compute(INTEGERS_TO_FLOATS, 17, 0, 31)); // vcvtdq2ps zmm17, zmm31
    wide("62 82 7d 48 18 cf", code -> code.broadcast(17, 31)); // vbroadcastss zmm17, xmm31
    wide("62 c1 7c 48 5a 4a 02", code -> code.widen(17, at(R10, 64))); // vcvtps2pd zmm17, ymmword ptr [r10+64]
    wide("62 91 75 40 72 f0 17", code -> code.shiftLeft(17, 24, 23)); // vpslld zmm17, zmm24, 23
    wide("62 91 3d 40 72 e7 01", code -> code.shiftRight(24, 31, 1)); // vpsrad zmm24, zmm31, 1
    wide("62 81 3c 40 c6 c8 55", code -> code.seconds(17, 24)); // vshufps zmm17, zmm24, zmm24, 0x55
    // vcmpps k2, zmm24, [rax+64], 1; vblendmps zmm17{k2}, zmm25, zmm31
    wide("62 f1 3c 40 c2 50 01 01 62 82 35 42 65 cf", code -> code.select(17, LESS, 24, at(RAX, 64), 31, 25, 0));
    // vcmpps k2, zmm3, [rax+64], 3; vblendmps zmm4{k2}, zmm5, zmm6
    wide("62 f1 64 48 c2 50 01 03 62 f2 55 4a 65 e6", code -> code.select(4, NOT_COMPARABLE, 3, at(RAX, 64), 6, 5, 0));
    // vmovups zmm31, [r11+64]; vptestmd k1, zmm31, zmm31
    wide("62 41 7c 48 10 7b 01 62 92 05 40 27 cf", code -> code.takeLanes(at(R11, 64)));
    wide("62 c1 7c c9 10 49 01", code -> code.loadTaken(17, at(R9, 64))); // vmovups zmm17{k1}{z}, [r9+64]
    wide("62 c1 7c 49 11 49 01", code -> code.storeTaken(at(R9, 64), 17)); // vmovups [r9+64]{k1}, zmm17
    wide("62 81 7c 49 28 c8", code -> code.moveTaken(17, 24)); // vmovaps zmm17{k1}, zmm24
    wide("c4 41 7a 11 4a 08", code -> code.storeFloat(at(R10, 8), 9)); // vmovss [r10+8], xmm9
  }

  @Test
  void arithmeticOf256Bits() {
    narrow("c4 41 0c 58 cb", code -> code.compute(ADD, 9, 14, 11)); // vaddps ymm9, ymm14, ymm11
    narrow("c4 61 0c 58 48 60", code -> code.compute(ADD, 9, 14, at(RAX, 96))); // vaddps ymm9, ymm14, [rax+96]
    narrow("c4 e1 3c 5c fd", code -> code.compute(SUBTRACT, 7, 8, 5)); // vsubps ymm7, ymm8, ymm5
    narrow("c4 e1 3c 5c 78 60", code -> code.compute(SUBTRACT, 7, 8, at(RAX, 96))); // vsubps ymm7, ymm8, [rax+96]
    narrow("c4 41 0c 59 cb", code -> code.compute(MULTIPLY, 9, 14, 11)); // vmulps ymm9, ymm14, ymm11
    narrow("c4 61 0c 59 48 60", code -> code.compute(MULTIPLY, 9, 14, at(RAX, 96))); // vmulps ymm9, ymm14, [rax+96]
    narrow("c4 e1 3c 5e fd", code -> code.compute(DIVIDE, 7, 8, 5)); // vdivps ymm7, ymm8, ymm5
    narrow("c4 e1 3c 5e 78 60", code -> code.compute(DIVIDE, 7, 8, at(RAX, 96))); // vdivps ymm7, ymm8, [rax+96]
    narrow("c4 41 0c 5d cb", code -> code.compute(MINIMUM, 9, 14, 11)); // vminps ymm9, ymm14, ymm11
    narrow("c4 61 0c 5d 48 60", code -> code.compute(MINIMUM, 9, 14, at(RAX, 96))); // vminps ymm9, ymm14, [rax+96]
    narrow("c4 e1 3c 5f fd", code -> code.compute(MAXIMUM, 7, 8, 5)); // vmaxps ymm7, ymm8, ymm5
    narrow("c4 e1 3c 5f 78 60", code -> code.compute(MAXIMUM, 7, 8, at(RAX, 96))); // vmaxps ymm7, ymm8, [rax+96]
    narrow("c4 42 0d 98 cb", code -> code.compute(MULTIPLY_BY_Y, 9, 14, 11)); // vfmadd132ps ymm9, ymm14, ymm11
    // vfmadd132ps ymm9, ymm14, [rax+96]
    narrow("c4 62 0d 98 48 60", code -> code.compute(MULTIPLY_BY_Y, 9, 14, at(RAX, 96)));
    narrow("c4 e2 3d a8 fd", code -> code.compute(MULTIPLY_ADD_Y, 7, 8, 5)); // vfmadd213ps ymm7, ymm8, ymm5
    // vfmadd213ps ymm7, ymm8, [rax+96]
    narrow("c4 e2 3d a8 78 60", code -> code.compute(MULTIPLY_ADD_Y, 7, 8, at(RAX, 96)));
    narrow("c4 42 0d b8 cb", code -> code.compute(ADD_PRODUCT, 9, 14, 11)); // vfmadd231ps ymm9, ymm14, ymm11
    // vfmadd231ps ymm9, ymm14, [rax+96]
    narrow("c4 62 0d b8 48 60", code -> code.compute(ADD_PRODUCT, 9, 14, at(RAX, 96)));
    // With the option -mvexwig=1: these 256 bits are of doubles whatever W says.
    narrow("c4 e1 bd 58 fd", code -> code.compute(ADD_DOUBLES, 7, 8, 5)); // vaddpd ymm7, ymm8, ymm5
    narrow("c4 e1 bd 58 78 60", code -> code.compute(ADD_DOUBLES, 7, 8, at(RAX, 96))); // vaddpd ymm7, ymm8, [rax+96]
    narrow("c4 42 8d b8 cb", code -> code.compute(ADD_PRODUCT_OF_DOUBLES, 9, 14, 11)); // vfmadd231pd ymm9, ymm14, ymm11
    // vfmadd231pd ymm9, ymm14, [rax+96]
    narrow("c4 62 8d b8 48 60", code -> code.compute(ADD_PRODUCT_OF_DOUBLES, 9, 14, at(RAX, 96)));
    narrow("c4 e1 3d db fd", code -> code.compute(AND, 7, 8, 5)); // vpand ymm7, ymm8, ymm5
    narrow("c4 e1 3d db 78 60", code -> code.compute(AND, 7, 8, at(RAX, 96))); // vpand ymm7, ymm8, [rax+96]
    narrow("c4 41 0d ef cb", code -> code.compute(XOR, 9, 14, 11)); // vpxor ymm9, ymm14, ymm11
    narrow("c4 61 0d ef 48 60", code -> code.compute(XOR, 9, 14, at(RAX, 96))); // vpxor ymm9, ymm14, [rax+96]
    narrow("c4 e1 3d fe fd", code -> code.compute(ADD_INTEGERS, 7, 8, 5)); // vpaddd ymm7, ymm8, ymm5
    narrow("c4 e1 3d fe 78 60", code -> code.compute(ADD_INTEGERS, 7, 8, at(RAX, 96))); // vpaddd ymm7, ymm8, [rax+96]
    narrow("c4 41 0d fa cb", code -> code.compute(SUBTRACT_INTEGERS, 9, 14, 11)); // vpsubd ymm9, ymm14, ymm11
    // vpsubd ymm9, ymm14, [rax+96]
    narrow("c4 61 0d fa 48 60", code -> code.compute(SUBTRACT_INTEGERS, 9, 14, at(RAX, 96)));
    narrow("c4 41 7c 51 cb", code -> code.compute(ROOT, 9, 0, 11)); // vsqrtps ymm9, ymm11
    narrow("c4 e1 7c 28 fd", code -> code.compute(MOVE, 7, 0, 5)); // vmovaps ymm7, ymm5
    narrow("c4 41 7c 5b cb", code -> code.compute(INTEGERS_TO_FLOATS, 9, 0, 11)); // vcvtdq2ps ymm9, ymm11
    narrow("c4 42 7d 18 cb", code -> code.broadcast(9, 11)); // vbroadcastss ymm9, xmm11
    narrow("c4 41 7c 5a 4a 20", code -> code.widen(9, at(R10, 32))); // vcvtps2pd ymm9, xmmword ptr [r10+32]
    narrow("c4 c1 35 72 f6 17", code -> code.shiftLeft(9, 14, 23)); // vpslld ymm9, ymm14, 23
    narrow("c4 c1 0d 72 e3 01", code -> code.shiftRight(14, 11, 1)); // vpsrad ymm14, ymm11, 1
    narrow("c4 41 0c c6 ce 55", code -> code.seconds(9, 14)); // vshufps ymm9, ymm14, ymm14, 0x55
    // vcmpps ymm2, ymm14, [rax+32], 0; vblendvps ymm9, ymm13, ymm12, ymm2
    narrow("c4 e1 0c c2 50 20 00 c4 43 15 4a cc 20", code -> code.select(9, EQUAL, 14, at(RAX, 32), 12, 13, 2));
    narrow("c4 41 7c 10 7b 40", code -> code.takeLanes(at(R11, 64))); // vmovups ymm15, [r11+64]
    narrow("c4 42 05 2c 49 20", code -> code.loadTaken(9, at(R9, 32))); // vmaskmovps ymm9, ymm15, [r9+32]
    narrow("c4 42 05 2e 49 20", code -> code.storeTaken(at(R9, 32), 9)); // vmaskmovps [r9+32], ymm15, ymm9
    narrow("c4 43 35 4a cc f0", code -> code.moveTaken(9, 12)); // vblendvps ymm9, ymm9, ymm12, ymm15
    narrow("c4 41 7a 11 4a 08", code -> code.storeFloat(at(R10, 8), 9)); // vmovss [r10+8], xmm9
  }
}
