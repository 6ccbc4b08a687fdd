package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.testing.HeaderPrototypes;
import org.gatun.cuda.testing.NvidiaTest;
import org.junit.jupiter.api.Test;

/** The driver itself comes with a GPU only; its header lies beside NVIDIA's other libraries. */
@NvidiaTest(CudaLibrary.NVRTC)
class DriverSymbolsTest {
  private static final Path SOURCES = Path.of("src/main/java/org/gatun/cuda");

  /** Bound in its first form on purpose: drivers before CUDA 12.8 lack the second. */
  private static final Set<String> OLD_FORMS = Set.of("cuEventElapsedTime");

  @Test
  void eachFunctionIsDeclaredWithTheArgumentsThatWeGive() throws IOException {
    HeaderPrototypes header = header();
    Map<String, List<String>> bound = bound();
    assertTrue(bound.size() > 50, bound.keySet()::toString);
    bound.forEach((symbol, arguments) -> assertEquals(
        header.arguments(symbol).orElseThrow(() -> new AssertionError("cuda.h has no " + symbol)), arguments, symbol));
  }

  @Test
  void eachFunctionIsBoundInTheFormThatTheHeaderMeans() throws IOException {
    HeaderPrototypes header = header();
    for (String symbol : bound().keySet()) {
      if (!OLD_FORMS.contains(symbol)) {
        assertEquals(header.symbol(symbol), symbol, "a later form under the same name in C");
      }
    }
  }

  private static HeaderPrototypes header() throws IOException {
    Path header = CudaLibrary.NVRTC.open().path().resolveSibling("../include/cuda.h");
    assumeTrue(Files.exists(header), () -> header + " is not there; pip install nvidia-cuda-runtime");
    return new HeaderPrototypes(header, "CUresult");
  }

  private static Map<String, List<String>> bound() throws IOException {
    var bound = new TreeMap<String, List<String>>();
    for (String source : List.of("Driver", "DriverMemory", "DriverStreams", "DriverModules", "ffi/CudaLibrary")) {
      bound.putAll(HeaderPrototypes.boundBy(SOURCES.resolve(source + ".java")));
    }
    return bound;
  }
}
