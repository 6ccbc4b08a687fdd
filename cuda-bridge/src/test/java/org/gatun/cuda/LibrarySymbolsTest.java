package org.gatun.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.testing.NvidiaTest;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each function that the sources bind by its name exists in NVIDIA's library. */
@NvidiaTest({CudaLibrary.CUBLAS_LT, CudaLibrary.CUDNN, CudaLibrary.NCCL})
class LibrarySymbolsTest {
  private static final Path SOURCES = Path.of("src/main/java/org/gatun/cuda");

  @ParameterizedTest
  @CsvSource({"CUBLAS_LT, cublaslt/CublasLtLibrary, cublasLt, 15", "CUDNN, cudnn/CudnnLibrary, cudnn, 12",
    "NCCL, nccl/NcclLibrary, nccl, 17"})
  void eachBoundFunctionExists(CudaLibrary library, String source, String prefix, int fewest) throws IOException {
    String text = Files.readString(SOURCES.resolve(source + ".java"));
    TreeSet<String> bound = Pattern.compile("(?:status|function|collective)\\(\\s*\"(" + prefix + "[A-Z]\\w+)\"")
        .matcher(text)
        .results()
        .map((MatchResult name) -> name.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
    assertTrue(bound.size() >= fewest, bound::toString);
    NativeLibrary opened = library.open();
    bound.removeIf(opened::has);
    assertEquals(new TreeSet<>(), bound, "not in " + opened.path());
  }
}
