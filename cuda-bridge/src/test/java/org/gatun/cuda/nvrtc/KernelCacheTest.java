package org.gatun.cuda.nvrtc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.gatun.cuda.testing.NvidiaTest;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.nvrtc.Nvrtc.Program;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@NvidiaTest(CudaLibrary.NVRTC)
class KernelCacheTest {
  private static final Program PROGRAM = new Program("set.cu", """
      #include "value.h"
      extern "C" __global__ void set(int *x) { *x = VALUE; }
      """, Map.of("value.h", "#define VALUE 1\n"), 90, List.of());

  @TempDir
  private Path folder;

  private final Nvrtc nvrtc = Nvrtc.load();

  @Test
  void secondTimeReadsTheFileOfTheFirst() throws IOException {
    byte[] compiled = cache().cubin(PROGRAM);
    Path file = onlyFile();
    // A file that only a reader would give back: another content with its own right checksum.
    var other = new KernelCache(folder.resolve("other"), nvrtc);
    byte[] others = other.cubin(with("#define VALUE 2\n"));
    Files.copy(list(folder.resolve("other")).getFirst(), file, StandardCopyOption.REPLACE_EXISTING);
    assertArrayEquals(others, cache().cubin(PROGRAM));
    assertFalse(Arrays.equals(compiled, others));
  }

  @ParameterizedTest
  @MethodSource("damages")
  void damagedFileIsMadeAgain(UnaryOperator<byte[]> damage) throws IOException {
    byte[] compiled = cache().cubin(PROGRAM);
    Path file = onlyFile();
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, damage.apply(whole.clone()));
    assertArrayEquals(compiled, cache().cubin(PROGRAM));
    assertArrayEquals(whole, Files.readAllBytes(file));
  }

  static Stream<UnaryOperator<byte[]>> damages() {
    return Stream.of(
        _ -> new byte[0],
        bytes -> Arrays.copyOf(bytes, 31),
        bytes -> Arrays.copyOf(bytes, bytes.length - 1),
        bytes -> Arrays.copyOf(bytes, bytes.length + 1),
        bytes -> {
          bytes[0] ^= 1;
          return bytes;
        },
        bytes -> {
          bytes[bytes.length / 2] ^= 1;
          return bytes;
        });
  }

  @Test
  void allThatMattersMakesAFileOfItsOwn() throws IOException {
    KernelCache cache = cache();
    cache.cubin(PROGRAM);
    cache.cubin(with("#define VALUE 3\n"));
    cache.cubin(new Program("set.cu", PROGRAM.source(), PROGRAM.headers(), 80, List.of()));
    cache.cubin(new Program("set.cu", PROGRAM.source(), PROGRAM.headers(), 90, List.of("--use_fast_math")));
    assertEquals(4, list(folder.resolve("kernels")).size());
    assertEquals("", cache.trouble());
  }

  @Test
  void folderThatCannotBeWrittenIsNoFailureAndIsTold() throws IOException {
    // A file where the folder should be: refused for any user, root too.
    Files.writeString(folder.resolve("kernels"), "in the way");
    KernelCache cache = cache();
    assertTrue(cache.cubin(PROGRAM).length > 0);
    assertTrue(cache.trouble().startsWith("compiled kernels cannot be kept in " + folder.resolve("kernels")),
        cache.trouble());
  }

  @Test
  void refusedSourceLeavesNoFile() throws IOException {
    assertThrows(CompilationException.class, () -> cache().cubin(with("#define VALUE nonsense\n")));
    assertFalse(Files.exists(folder.resolve("kernels")));
  }

  private KernelCache cache() {
    return new KernelCache(folder.resolve("kernels"), nvrtc);
  }

  private static Program with(String header) {
    return new Program("set.cu", PROGRAM.source(), Map.of("value.h", header), 90, List.of());
  }

  private Path onlyFile() throws IOException {
    List<Path> files = list(folder.resolve("kernels"));
    assertEquals(1, files.size(), files::toString);
    return files.getFirst();
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }
}
