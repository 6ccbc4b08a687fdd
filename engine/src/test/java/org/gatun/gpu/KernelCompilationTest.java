package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.nvrtc.KernelUse;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.nvrtc.Nvrtc.Program;
import org.gatun.tensor.DType;
import org.gatun.tensor.Formula;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * NVIDIA's own compiler takes every source for A100, H100 and B200, for GPT-2's sizes, in F32 and in mixed precision, and
 * finds registers for all; prints what each kernel uses. Needs no GPU, but NVRTC as the product finds it, or below the
 * folder of GATUN_TEST_NVIDIA ({@code site-packages/nvidia}).
 */
@Tag("nvidia")
class KernelCompilationTest {
  private static final Path SOURCES = Path.of("src", "main", "resources", "org", "gatun", "gpu");
  private static final List<Integer> ARCHITECTURES = List.of(80, 90, 100);
  private static final Pattern MACRO_TYPE = Pattern.compile("\\bT[A-Z]+\\b");

  /** Words that look like the macro of a type. */
  private static final List<String> OTHER_WORDS = List.of("TILE", "THREADS", "TASK");

  /** Results and gradients that are F32 in mixed precision: what belongs to parameters, and statistics. */
  private static final List<String> F32_IN_MIXED = List.of("TLOSS", "TCARRIED", "TFIRST", "TSECOND", "TMASK");

  /** Those that take registers: sums and products of a few values do not come near running out. */
  private static final List<String> FUNCTIONS_OF_MANY_STEPS = List.of("POW", "ERF", "TANH");

  private static Nvrtc nvrtc;

  @BeforeAll
  static void load() {
    String wheels = System.getenv("GATUN_TEST_NVIDIA");
    if (wheels != null) {
      System.setProperty("gatun.cuda.libraries", wheels + "/cu13/lib");
    }
    LibraryStatus status = Nvrtc.status();
    if (!status.isUsable() && "1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
      throw new IllegalStateException("GATUN_REQUIRE_NATIVE=1, but " + status.whyNot());
    }
    Assumptions.assumeTrue(status.isUsable(), status::whyNot);
    nvrtc = Nvrtc.load();
  }

  @Test
  void noKernelSpills() throws IOException {
    var report = new StringBuilder("source, kernel, registers on sm_80 / sm_90 / sm_100\n");
    var spilled = new ArrayList<String>();
    for (Path source : sources()) {
      for (Map<String, String> defines : variants(Files.readString(source))) {
        var programs = new ArrayList<Program>();
        for (int architecture : ARCHITECTURES) {
          programs.add(KernelSources.program(source.getFileName().toString(), defines, architecture));
        }
        compile(source.getFileName() + " " + defines, programs, report, spilled);
      }
    }
    System.out.println(report);
    assertEquals(List.of(), spilled);
  }

  @Test
  void noFormulaSpills() throws ReflectiveOperationException {
    var report = new StringBuilder("formula, kernel, registers\n");
    var spilled = new ArrayList<String>();
    List<Formula> formulas = formulas();
    assertTrue(formulas.size() > 50, "the operators' formulas were found");
    for (Formula formula : formulas) {
      var source = new FormulaSource(formula);
      if (FUNCTIONS_OF_MANY_STEPS.stream().noneMatch(formula.toString()::contains)) {
        continue;
      }
      // The widest of all: eight elements a thread, in mixed types.
      List<DType> types = Stream.concat(Stream.of(DType.F32), source.operands().stream().map(_ -> DType.BF16)).toList();
      List<Program> programs = ARCHITECTURES.stream()
          .map(arch -> KernelSources.program("formula.cu", source.text(types), KernelSources.FORMULA_OPTIONS, arch))
          .toList();
      compile(formula.toString().substring(0, Math.min(60, formula.toString().length())), programs, report, spilled);
    }
    System.out.println(report);
    assertEquals(List.of(), spilled);
  }

  private static void compile(String title, List<Program> programs, StringBuilder report, List<String> spilled) {
    var registers = new TreeMap<String, List<Integer>>();
    List<List<KernelUse>> compiled =
        programs.parallelStream().map(program -> nvrtc.compile(program).kernels()).toList();
    for (int i = 0; i < programs.size(); i++) {
      assertFalse(compiled.get(i).isEmpty(), title);
      for (KernelUse use : compiled.get(i)) {
        registers.computeIfAbsent(use.kernel(), _ -> new ArrayList<>()).add(use.registers());
        if (use.spills()) {
          spilled.add(title + " sm_" + programs.get(i).computeCapability() + " " + use.kernel() + " spills "
              + use.spillStoreBytes());
        }
      }
    }
    registers.forEach((kernel, counts) -> report.append(String.format(Locale.ROOT, "%s, %s, %s%n", title, kernel,
        counts.stream().map(String::valueOf).collect(Collectors.joining(" / ")))));
  }

  private static List<Path> sources() throws IOException {
    try (Stream<Path> files = Files.list(SOURCES)) {
      return files.filter(file -> file.toString().endsWith(".cu")).sorted().toList();
    }
  }

  /** All macros of types F32; and mixed precision: activations BF16, gradients of parameters and statistics F32. */
  private static List<Map<String, String>> variants(String text) throws IOException {
    String all = text.contains("attention.cuh") ? text + Files.readString(SOURCES.resolve("attention.cuh")) : text;
    List<String> macros = MACRO_TYPE.matcher(all).results().map(found -> found.group()).distinct()
        .filter(word -> !OTHER_WORDS.contains(word)).toList();
    var variants = new ArrayList<Map<String, String>>();
    for (Map<String, String> sizes : sizes(all)) {
      for (String narrow : macros.isEmpty() ? List.of("float") : List.of("float", "bf16")) {
        var defines = new TreeMap<>(sizes);
        macros.forEach(macro -> defines.put(macro, F32_IN_MIXED.contains(macro) ? "float" : narrow));
        variants.add(defines);
      }
    }
    return variants;
  }

  /** Macros that are not types: for GPT-2's rows and heads, and for rows of any length. */
  private static List<Map<String, String>> sizes(String text) {
    if (text.contains("OWN")) {
      return List.of(Map.of("HEAD", "64", "OWN", "8"), Map.of("HEAD", "128", "OWN", "8"));
    }
    if (text.contains("LONG_ROWS")) {
      return List.of(Map.of("THREADS", "96", "LONG_ROWS", "0"), Map.of("THREADS", "256", "LONG_ROWS", "1"));
    }
    return text.contains("GELU_TANH") ? List.of(Map.of("GELU_TANH", "1"), Map.of("GELU_TANH", "0")) : List.of(Map.of());
  }

  /** What the operators of the tensor package are made of; its enums are its own affair. */
  private static List<Formula> formulas() throws ReflectiveOperationException {
    var formulas = new ArrayList<Formula>();
    for (String type : List.of("UnaryOp", "BinaryOp")) {
      Class<?> operators = Class.forName("org.gatun.tensor." + type);
      for (Method method : operators.getDeclaredMethods()) {
        if (method.getReturnType() == Formula.class && method.getParameterCount() == 0) {
          method.setAccessible(true);
          for (Object operator : operators.getEnumConstants()) {
            Formula formula = (Formula) method.invoke(operator);
            if (formula != null && !formulas.contains(formula)) {
              formulas.add(formula);
            }
          }
        }
      }
    }
    return formulas;
  }
}
