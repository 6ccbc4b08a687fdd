package org.gatun.cuda.nvrtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.testing.HeaderPrototypes;
import org.gatun.cuda.testing.NvidiaTest;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.nvrtc.Nvrtc.Compiled;
import org.gatun.cuda.nvrtc.Nvrtc.Program;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@NvidiaTest(CudaLibrary.NVRTC)
class NvrtcTest {
  private static final String SCALE = """
      #include "factor.h"
      extern "C" __global__ void scale(float *x, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) x[i] *= FACTOR;
      }
      """;

  private final Nvrtc nvrtc = Nvrtc.load();

  @ParameterizedTest
  @ValueSource(ints = {80, 90, 100})
  void compilesToMachineCodeOfTheArchitecture(int computeCapability) {
    Compiled compiled = nvrtc.compile(scale(computeCapability));
    byte[] elf = compiled.cubin();
    assertEquals("\177ELF", new String(elf, 0, 4, StandardCharsets.ISO_8859_1));
    final int cudaMachine = 190;
    assertEquals(cudaMachine, elf[18] & 0xff | (elf[19] & 0xff) << 8);
    assertTrue(compiled.log().contains("'scale' for 'sm_" + computeCapability + "'"), compiled.log());
    KernelUse use = compiled.kernels().getFirst();
    assertEquals("scale", use.kernel());
    assertTrue(use.registers() > 0 && !use.spills(), use::toString);
  }

  @Test
  void spillsAndSharedMemoryAreReported() {
    // 256 values alive at once do not fit the 255 registers that a thread can have.
    String source = """
        extern "C" __global__ void __launch_bounds__(128) crowd(float *x) {
          __shared__ float shared[96];
          float a[256];
          #pragma unroll
          for (int i = 0; i < 256; i++) a[i] = x[i * 128 + threadIdx.x];
          if (threadIdx.x < 96) shared[threadIdx.x] = a[7];
          __syncthreads();
          #pragma unroll
          for (int i = 0; i < 256; i++) x[(255 - i) * 128 + threadIdx.x] = a[i] * a[(i * 7 + 3) % 256] + shared[i % 96];
        }
        """;
    Compiled compiled =
        nvrtc.compile(new Program("crowd.cu", source, Map.of(), 90, List.of()));
    KernelUse use = compiled.kernels().getFirst();
    assertEquals("crowd", use.kernel());
    assertTrue(use.spills() && use.spillStoreBytes() > 0, compiled::log);
    assertTrue(use.sharedBytes() >= 96 * 4, use::toString);
  }

  @Test
  void badSourceIsRefusedWithFileLineAndWords() {
    var refused = assertThrows(
        CompilationException.class,
        () -> nvrtc.compile(
            new Program("bad.cu", "extern \"C\" __global__ void k(int *x) { x[0] = y; }", Map.of(), 90, List.of())));
    assertTrue(refused.log().contains("bad.cu(1): error: identifier \"y\" is undefined"), refused.log());
    assertTrue(refused.getMessage().contains(refused.log().strip()), refused.getMessage());
    assertTrue(refused.call().startsWith("nvrtcCompileProgram(bad.cu, --gpu-architecture=sm_90"), refused.call());
    assertEquals("NVRTC_ERROR_COMPILATION", refused.statusName());
  }

  @Test
  void missingHeaderIsNamed() {
    var refused = assertThrows(
        CompilationException.class, () -> nvrtc.compile(new Program("scale.cu", SCALE, Map.of(), 90, List.of())));
    assertTrue(refused.log().contains("factor.h"), refused.log());
  }

  @Test
  void unknownOptionIsRefusedInTheCompilersWords() {
    var refused = assertThrows(
        CudaException.class, () -> nvrtc.compile(new Program("k.cu", "", Map.of(), 90, List.of("--no-such-option"))));
    assertEquals("NVRTC_ERROR_INVALID_OPTION", refused.statusName());
    assertTrue(refused.getMessage().contains("--no-such-option"), refused.getMessage());
  }

  @Test
  void architectureBeforeTheFirstIsRefusedAndLaterOnesTakeTheLastOfTheirKind() {
    var refused = assertThrows(UnsupportedOperationException.class, () -> nvrtc.compile(scale(35)));
    assertTrue(refused.getMessage().contains("does not compile for compute capability 3.5"), refused.getMessage());
    assertTrue(nvrtc.compile(scale(99)).log().contains("for 'sm_90'"));
  }

  @Test
  void statusTellsFileAndVersion() {
    var status = Nvrtc.status();
    assertTrue(status.isUsable(), status::toString);
    assertEquals(nvrtc.path(), status.path());
    assertEquals(nvrtc.version(), status.version());
    assertTrue(status.version().matches("1[23]\\.\\d+"), status.version());
  }

  @Test
  void zeroInATextIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Program("k.cu", "a\0b", Map.of(), 90, List.of()));
  }

  @Test
  void eachFunctionIsDeclaredWithTheArgumentsThatWeGive() throws IOException {
    Path file = nvrtc.path().resolveSibling("../include/nvrtc.h");
    assumeTrue(Files.exists(file), () -> file + " is not there");
    var header = new HeaderPrototypes(file, "nvrtcResult");
    Map<String, List<String>> bound =
        HeaderPrototypes.boundBy(Path.of("src/main/java/org/gatun/cuda/nvrtc/Nvrtc.java"));
    assertFalse(bound.isEmpty());
    bound.forEach((symbol, arguments) -> {
      assertTrue(CudaLibrary.NVRTC.open().has(symbol), symbol);
      assertEquals(header.arguments(symbol).orElseThrow(), arguments, symbol);
    });
  }

  private static Program scale(int computeCapability) {
    return new Program("scale.cu", SCALE, Map.of("factor.h", "#define FACTOR 3.f\n"), computeCapability,
        List.of("--std=c++17"));
  }
}
