package org.gatun.cuda.ffi;

import java.io.IOException;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * Where a library of NVIDIA's may lie, the first hit wins: the folders that the user named; the toolkit that CUDA_HOME or CUDA_PATH names; pip's
 * wheels in the Python environment at hand; the toolkit below /usr/local; the distribution's folders; wherever the system's loader looks. For
 * what comes with the driver, the system's loader is asked before any folder but the user's.
 */
public final class LibrarySearch {
  /** System property: folders to look in first, separated as in PATH. Else the environment's GATUN_CUDA_LIBRARIES. */
  public static final String FOLDERS = "gatun.cuda.libraries";
  /** System property: {@code true} to look nowhere else. */
  public static final String ONLY = "gatun.cuda.only";

  private static final List<String> SYSTEM_FOLDERS =
      List.of("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64");
  private static final List<String> DRIVER_FOLDERS =
      List.of("usr/local/nvidia/lib64", "usr/local/cuda/compat", "usr/lib/wsl/lib");

  private final UnaryOperator<String> property;
  private final UnaryOperator<String> environment;
  private final Path root;

  /** Reads properties and variables by the functions given (null: not set), and the file system below {@code root}. */
  LibrarySearch(UnaryOperator<String> property, UnaryOperator<String> environment, Path root) {
    this.property = property;
    this.environment = environment;
    this.root = root;
  }

  static LibrarySearch ofThisProcess() {
    return new LibrarySearch(System::getProperty, System::getenv, Path.of("/"));
  }

  /** Opens the first of {@code library}'s files that is found and opens; throws with all that was tried. */
  NativeLibrary open(CudaLibrary library, List<Integer> majors) {
    List<String> names = library.fileNames(majors);
    var tried = new ArrayList<String>();
    Optional<NativeLibrary> opened = openIn(userFolders(), names, tried);
    if (opened.isEmpty() && !only()) {
      opened = library.comesWithDriver()
          ? openByName(names, tried).or(() -> openIn(driverFolders(), names, tried))
          : openIn(toolkitAndWheelFolders(library, majors), names, tried).or(() -> openByName(names, tried));
    }
    return opened.orElseThrow(() -> new MissingLibraryException(
        library.title() + " is missing: no " + String.join(" and no ", names) + " that loads", tried,
        library.remedy()));
  }

  /** Opens what lies beside {@code library} and begins with {@code prefix}: parts that it looks for by bare name. */
  static void openBeside(Path library, String prefix) {
    Path folder = library.getParent();
    if (folder != null) {
      for (Path part : glob(folder, prefix + "*")) {
        NativeLibrary.open(part.toString());
      }
    }
  }

  private boolean only() {
    return Boolean.parseBoolean(property.apply(ONLY));
  }

  private static Optional<NativeLibrary> openIn(List<Path> folders, List<String> names, List<String> tried) {
    var without = new ArrayList<String>();
    for (Path folder : folders) {
      List<Path> files = names.stream().map(folder::resolve).filter(Files::exists).toList();
      if (files.isEmpty()) {
        without.add(folder.toString());
      }
      for (Path file : files) {
        Optional<NativeLibrary> opened = open(file.toAbsolutePath().toString(), tried);
        if (opened.isPresent()) {
          return opened;
        }
      }
    }
    if (!without.isEmpty()) {
      tried.add("not in " + String.join(", ", without));
    }
    return Optional.empty();
  }

  private static Optional<NativeLibrary> openByName(List<String> names, List<String> tried) {
    return names.stream().map(name -> open(name, tried)).flatMap(Optional::stream).findFirst();
  }

  private static Optional<NativeLibrary> open(String name, List<String> tried) {
    try {
      return Optional.of(NativeLibrary.open(name));
    } catch (UnsupportedOperationException e) {
      tried.add(e.getMessage());
      return Optional.empty();
    }
  }

  /** The folders that the user named. */
  List<Path> userFolders() {
    String named = property.apply(FOLDERS);
    if (named == null) {
      named = environment.apply("GATUN_CUDA_LIBRARIES");
    }
    return named == null
        ? List.of()
        : Stream.of(named.split(File.pathSeparator)).filter(folder -> !folder.isBlank()).map(Path::of).toList();
  }

  /** In the order of the search, existing folders only. */
  List<Path> toolkitAndWheelFolders(CudaLibrary library, List<Integer> majors) {
    var folders = new LinkedHashSet<Path>();
    for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
      named(variable).ifPresent(home -> folders.addAll(toolkit(home)));
    }
    for (Path packages : sitePackages()) {
      library.wheelFolders(majors).forEach(folder -> folders.add(packages.resolve("nvidia").resolve(folder)));
    }
    for (int major : majors) {
      glob(root.resolve("usr/local"), "cuda-" + major + "*").forEach(home -> folders.addAll(toolkit(home)));
    }
    folders.addAll(toolkit(root.resolve("usr/local/cuda")));
    SYSTEM_FOLDERS.forEach(folder -> folders.add(root.resolve(folder)));
    return folders.stream().filter(Files::isDirectory).toList();
  }

  private List<Path> driverFolders() {
    return Stream.concat(SYSTEM_FOLDERS.stream(), DRIVER_FOLDERS.stream()).map(root::resolve).filter(Files::isDirectory)
        .toList();
  }

  private static List<Path> toolkit(Path home) {
    return Stream.of("lib64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib", "lib").map(home::resolve).toList();
  }

  private List<Path> sitePackages() {
    var packages = new ArrayList<Path>();
    for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
      named(variable).ifPresent(prefix -> glob(prefix.resolve("lib"), "python3*")
          .forEach(python -> packages.add(python.resolve("site-packages"))));
    }
    packages.addAll(sitePackagesOfPython());
    return packages;
  }

  private Optional<Path> named(String variable) {
    return Optional.ofNullable(environment.apply(variable)).filter(value -> !value.isBlank()).map(Path::of);
  }

  /** What the {@code python3} of the PATH calls its own; nothing where there is none, or where it does not answer in five seconds. */
  private List<Path> sitePackagesOfPython() {
    if (environment.apply("PATH") == null) {
      return List.of();
    }
    String question = "import site; print(*site.getsitepackages(), site.getusersitepackages(), sep='\\n')";
    Process python = null;
    try {
      python = new ProcessBuilder("python3", "-c", question).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      python.getOutputStream().close();
      if (!python.waitFor(5, TimeUnit.SECONDS)) {
        return List.of();
      }
      return new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isBlank())
          .map(Path::of)
          .toList();
    } catch (IOException _) {
      return List.of();
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return List.of();
    } finally {
      if (python != null) {
        python.destroyForcibly();
      }
    }
  }

  /** The entries of {@code folder} that match, the last in the alphabet (the newest version) first. */
  private static List<Path> glob(Path folder, String pattern) {
    var found = new ArrayList<Path>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, pattern)) {
      entries.forEach(found::add);
    } catch (IOException _) {
      return List.of(); // not there, or not ours to read: nothing to find in it
    }
    found.sort(java.util.Comparator.reverseOrder());
    return found;
  }
}
