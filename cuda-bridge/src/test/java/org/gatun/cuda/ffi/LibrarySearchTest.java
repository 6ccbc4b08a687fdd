package org.gatun.cuda.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
  private static final List<Integer> ANY = List.of(13, 12);

  @TempDir
  private Path root;

  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> environment = new HashMap<>();
  private LibrarySearch search;

  @BeforeEach
  void seeTheFakeTreeOnly() {
    search = new LibrarySearch(properties::get, environment::get, root);
  }

  @Test
  void foldersOfTheUserComeFirst() throws IOException {
    environment.put("VIRTUAL_ENV", root.resolve("venv").toString());
    library("venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13");
    Path mine = library("mine/libnvrtc.so.12");
    properties.put(LibrarySearch.FOLDERS, root.resolve("empty") + File.pathSeparator + root.resolve("mine"));
    assertEquals(mine, search.open(CudaLibrary.NVRTC, ANY).path());
  }

  @Test
  void propertyWinsOverTheEnvironment() {
    environment.put("GATUN_CUDA_LIBRARIES", "/from/environment");
    assertEquals(List.of(Path.of("/from/environment")), search.userFolders());
    properties.put(LibrarySearch.FOLDERS, "/from/property");
    assertEquals(List.of(Path.of("/from/property")), search.userFolders());
  }

  @Test
  void toolkitComesBeforeWheelsBeforeUsrLocalBeforeTheDistribution() throws IOException {
    environment.put("CUDA_HOME", root.resolve("toolkit").toString());
    environment.put("VIRTUAL_ENV", root.resolve("venv").toString());
    environment.put("CONDA_PREFIX", root.resolve("conda").toString());
    List<Path> ordered = List.of(
        folder("toolkit/lib64"),
        folder("venv/lib/python3.11/site-packages/nvidia/cu13/lib"),
        folder("venv/lib/python3.11/site-packages/nvidia/cublas/lib"),
        folder("conda/lib/python3.12/site-packages/nvidia/cu13/lib"),
        folder("usr/local/cuda-13.1/lib64"),
        folder("usr/local/cuda-13.0/lib64"),
        folder("usr/local/cuda-12.8/targets/x86_64-linux/lib"),
        folder("usr/local/cuda/lib64"),
        folder("usr/lib/x86_64-linux-gnu"),
        folder("usr/lib64"));
    assertEquals(ordered, search.toolkitAndWheelFolders(CudaLibrary.CUBLAS_LT, ANY));
  }

  @Test
  void driverOfCuda12TakesNoLibraryOfCuda13() throws IOException {
    environment.put("VIRTUAL_ENV", root.resolve("venv").toString());
    library("venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13");
    Path older = library("venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
    assertEquals(older, search.open(CudaLibrary.NVRTC, List.of(12)).path());
  }

  @Test
  void brokenFileIsPassedOverAndRememberedInTheLoadersWords() throws IOException {
    Path broken = Files.writeString(folder("a").resolve("libnccl.so.2"), "not a library");
    Path whole = library("b/libnccl.so.2");
    properties.put(LibrarySearch.FOLDERS, root.resolve("a") + File.pathSeparator + root.resolve("b"));
    assertEquals(whole, search.open(CudaLibrary.NCCL, ANY).path());

    Files.delete(whole);
    properties.put(LibrarySearch.ONLY, "true");
    var missing = assertThrows(MissingLibraryException.class, () -> search.open(CudaLibrary.NCCL, ANY));
    assertEquals(2, missing.tried().size(), missing.tried()::toString);
    String loader = "cannot load " + broken + ": ";
    String said = missing.tried().getFirst();
    assertTrue(said.startsWith(loader) && said.length() > loader.length(), said);
    assertEquals("not in " + whole.getParent(), missing.tried().getLast());
  }

  @Test
  void missingLibraryIsNamedWithItsFilesAndTheRemedy() {
    properties.put(LibrarySearch.ONLY, "true");
    var missing = assertThrows(MissingLibraryException.class, () -> search.open(CudaLibrary.CUBLAS_LT, ANY));
    assertEquals(
        "cuBLASLt is missing: no libcublasLt.so.13 and no libcublasLt.so.12 that loads; "
            + CudaLibrary.CUBLAS_LT.remedy(),
        missing.getMessage());
    assertTrue(missing.remedy().contains("pip install nvidia-cublas "), missing.remedy());
  }

  @Test
  void partsBesideALibraryAreOpenedByTheirPath() throws IOException {
    Path library = library("a/libnvrtc.so.13");
    Files.writeString(root.resolve("a/libnvrtc-builtins.so.13.0"), "not a library");
    var refused = assertThrows(
        UnsupportedOperationException.class, () -> LibrarySearch.openBeside(library, "libnvrtc-builtins.so."));
    assertTrue(refused.getMessage().contains(root.resolve("a/libnvrtc-builtins.so.13.0").toString()),
        refused.getMessage());
  }

  private Path folder(String path) throws IOException {
    return Files.createDirectories(root.resolve(path));
  }

  /** A copy of a library that every Linux has: any will do to be opened. */
  private Path library(String path) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    return Files.copy(NativeLibrary.open("libm.so.6").path(), file);
  }
}
