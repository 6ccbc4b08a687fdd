package org.gatun.cpu;

import static org.gatun.cpu.X86Assembler.Place.at;
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
    wide("62 92 3d 40 b8 ff", code -> code.multiplyAdd(7, 24, 31)); // vfmadd231ps zmm7, zmm24, zmm31
    wide("62 c2 3d 48 b8 d9", code -> code.multiplyAdd(19, 8, 9)); // vfmadd231ps zmm19, zmm8, zmm9
    wide("62 c1 74 40 58 49 02", code -> code.addVector(17, at(R9, 128))); // vaddps zmm17, zmm17, [r9+128]
    wide("62 a1 7d 40 ef c0", code -> code.zero(16)); // vpxord zmm16, zmm16, zmm16
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
    narrow("c4 42 15 b8 de", code -> code.multiplyAdd(11, 13, 14)); // vfmadd231ps ymm11, ymm13, ymm14
    narrow("c4 41 34 58 49 20", code -> code.addVector(9, at(R9, 32))); // vaddps ymm9, ymm9, [r9+32]
    narrow("c4 41 2c 57 d2", code -> code.zero(10)); // vxorps ymm10, ymm10, ymm10
    narrow("c4 41 74 14 c4", code -> code.interleaveLow(8, 1, 12)); // vunpcklps ymm8, ymm1, ymm12
    narrow("c4 41 6c 15 cb", code -> code.interleaveHigh(9, 2, 11)); // vunpckhps ymm9, ymm2, ymm11
    narrow("c4 c1 34 c6 d3 44", code -> code.lowPairs(2, 9, 11)); // vshufps ymm2, ymm9, ymm11, 0x44
    narrow("c4 c1 34 c6 d3 ee", code -> code.highPairs(2, 9, 11)); // vshufps ymm2, ymm9, ymm11, 0xee
    narrow("c4 43 7d 06 c4 31", code -> code.halves(8, 0, 12, 1)); // vperm2f128 ymm8, ymm0, ymm12, 0x31
  }
}
