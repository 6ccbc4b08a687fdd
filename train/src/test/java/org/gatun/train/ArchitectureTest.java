package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The rooms of the house and the doors between them, as CONTRIBUTING.md describes them. */
class ArchitectureTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final List<String> MODULES = List.of("cuda-bridge", "engine", "model", "train");

  /** What the classes of each package may use of ours, beside their own package. */
  private static final Map<String, Set<String>> DOORS = Map.ofEntries(
      door("org.gatun.cuda.ffi"),
      door("org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.cuda.nvrtc", "org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.cuda.cublaslt", "org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.cuda.cudnn", "org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.cuda.nccl", "org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.cuda.nvml", "org.gatun.cuda", "org.gatun.cuda.ffi"),
      door("org.gatun.tensor"),
      door("org.gatun.cpu", "org.gatun.tensor"),
      door("org.gatun.gpu", "org.gatun.tensor", "org.gatun.cuda", "org.gatun.cuda.nvrtc", "org.gatun.cuda.cublaslt",
          "org.gatun.cuda.cudnn"),
      door("org.gatun.nn", "org.gatun.tensor"),
      door("org.gatun.proof", "org.gatun.tensor", "org.gatun.cpu", "org.gatun.optim"),
      door("org.gatun.optim", "org.gatun.tensor"),
      door("org.gatun.dist", "org.gatun.tensor", "org.gatun.gpu", "org.gatun.cuda", "org.gatun.cuda.nccl"),
      door("org.gatun.io", "org.gatun.tensor"),
      door("org.gatun.model", "org.gatun.tensor", "org.gatun.nn", "org.gatun.io"),
      door("org.gatun.train.ranks"),
      door("org.gatun.train.data", "org.gatun.io", "org.gatun.model"),
      door("org.gatun.train", "org.gatun.cuda", "org.gatun.cuda.nvrtc", "org.gatun.cuda.cublaslt",
          "org.gatun.cuda.cudnn",
          "org.gatun.cuda.nccl", "org.gatun.cuda.nvml", "org.gatun.tensor", "org.gatun.cpu", "org.gatun.gpu",
          "org.gatun.nn", "org.gatun.optim", "org.gatun.proof", "org.gatun.dist", "org.gatun.io", "org.gatun.model",
          "org.gatun.train.data", "org.gatun.train.ranks"));

  /** The files that are one list by nature, and so may be longer than others. */
  private static final Map<String, Integer> LONG_FILES = Map.of("Tensor.java", 700);

  private static final int MAX_LINES = 500;

  private static final Pattern ARROW = Pattern.compile("\\s+(org\\.gatun\\S*)\\s+->\\s+(org\\.gatun\\S*)\\s.*");

  private static Map.Entry<String, Set<String>> door(String from, String... to) {
    return Map.entry(from, Set.of(to));
  }

  @Test
  void packagesUseOnlyWhatLiesBehindTheirDoors() {
    Map<String, Set<String>> arrows = arrows();
    assertEquals(DOORS.keySet(), arrows.keySet(), "packages that the rooms do not name");
    arrows.forEach((from, to) -> {
      var forbidden = new TreeSet<>(to);
      forbidden.removeAll(DOORS.get(from));
      assertEquals(Set.of(), forbidden, from + " uses packages it must not see");
    });
  }

  @Test
  void nativeAccessIsRestrictedToTheBridgeAndTwoClasses() throws IOException {
    var users = new TreeSet<String>();
    for (Path source : sources()) {
      String text = Files.readString(source);
      if (text.contains("Linker.nativeLinker") || text.contains("libraryLookup") || text.contains(".reinterpret(")) {
        users.add(ROOT.relativize(source).toString());
      }
    }
    users.removeIf(path -> path.startsWith("cuda-bridge/"));
    String cpu = "engine/src/main/java/org/gatun/cpu/";
    assertEquals(Set.of(cpu + "MachineCode.java", cpu + "SystemBlas.java"), users);
  }

  @Test
  void noFileIsLongerThanOneSitting() throws IOException {
    var tooLong = new ArrayList<String>();
    for (Path source : sources()) {
      long lines;
      try (Stream<String> all = Files.lines(source)) {
        lines = all.count();
      }
      if (lines > LONG_FILES.getOrDefault(source.getFileName().toString(), MAX_LINES)) {
        tooLong.add(source.getFileName() + ": " + lines);
      }
    }
    assertEquals(List.of(), tooLong);
  }

  @Test
  void everyPackageSaysWhatLivesThere() throws IOException {
    for (Path source : sources()) {
      if (!source.getFileName().toString().equals("module-info.java")) {
        Path info = source.resolveSibling("package-info.java");
        assertTrue(Files.exists(info), () -> info + " is missing");
      }
    }
  }

  /** Our packages and what they use of ours, by the JDK's own jdeps; below module-info, whose modules it would want. */
  private static Map<String, Set<String>> arrows() {
    var arguments = new ArrayList<>(List.of("--multi-release", "base", "-verbose:package", "--ignore-missing-deps"));
    for (String module : MODULES) {
      arguments.add(ROOT.resolve(module).resolve("target/classes/org").toString());
    }
    var output = new StringWriter();
    var out = new PrintWriter(output);
    ToolProvider jdeps = ToolProvider.findFirst("jdeps").orElseThrow();
    assertEquals(0, jdeps.run(out, out, arguments.toArray(String[]::new)), output::toString);
    var arrows = new TreeMap<String, Set<String>>();
    Pattern from = Pattern.compile("\\s+(org\\.gatun\\S*)\\s+->\\s+(\\S+).*");
    for (String line : output.toString().lines().toList()) {
      Matcher any = from.matcher(line);
      if (any.matches()) {
        Set<String> to = arrows.computeIfAbsent(any.group(1), _ -> new TreeSet<>());
        Matcher ours = ARROW.matcher(line);
        if (ours.matches() && !ours.group(1).equals(ours.group(2))) {
          to.add(ours.group(2));
        }
      }
    }
    return arrows;
  }

  private static List<Path> sources() throws IOException {
    var sources = new ArrayList<Path>();
    for (String module : MODULES) {
      try (Stream<Path> walk = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
        walk.filter(path -> path.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    return sources;
  }
}
