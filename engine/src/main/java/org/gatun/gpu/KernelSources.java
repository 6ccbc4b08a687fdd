package org.gatun.gpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.Kernel;
import org.gatun.cuda.KernelModule;
import org.gatun.cuda.Stream;
import org.gatun.cuda.nvrtc.KernelCache;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.cuda.nvrtc.Nvrtc.Program;

/** CUDA sources, compiled for one card when first asked for and kept on disk between runs. */
final class KernelSources {
  /**
   * A product and a sum are rounded each, so that formulas give the bits they give on a CPU; their kernels wait for memory,
   * not for arithmetic.
   */
  static final List<String> FORMULA_OPTIONS = List.of("--fmad=false");

  /** What sources may include. */
  private static final List<String> HEADERS = List.of("common.cuh", "attention.cuh");

  /** A source and what it is compiled with. */
  private record Key(String source, Map<String, String> defines) {}

  private final CudaContext context;
  private final Stream stream;
  private final KernelCache cache;
  private final Map<Key, KernelModule> modules = new HashMap<>();
  private final Map<Key, Map<String, Kernel>> kernels = new HashMap<>();

  KernelSources(CudaContext context, Stream stream, KernelCache cache) {
    this.context = context;
    this.stream = stream;
    this.cache = cache;
  }

  /** A kernel of the resource with this file name, compiled with these macros. */
  Kernel resource(String file, String name, Map<String, String> defines) {
    var key = new Key(file, defines);
    Kernel known = kernels.getOrDefault(key, Map.of()).get(name);
    return known != null ? known : kernel(key, () -> program(file, defines, context.computeCapability()), name);
  }

  /** A kernel of a source that was written at run time. */
  Kernel text(String title, String source, String name) {
    var key = new Key(source, Map.of());
    return kernel(key, () -> program(title, source, FORMULA_OPTIONS, context.computeCapability()), name);
  }

  private Kernel kernel(Key key, Supplier<Program> program, String name) {
    Map<String, Kernel> ofModule = kernels.computeIfAbsent(key, _ -> new HashMap<>());
    Kernel known = ofModule.get(name);
    if (known != null) {
      return known;
    }
    KernelModule module = modules.get(key);
    if (module == null) {
      module = load(program.get());
      modules.put(key, module);
    }
    Kernel kernel = module.kernel(name);
    ofModule.put(name, kernel);
    return kernel;
  }

  private KernelModule load(Program program) {
    if (stream.isCapturing()) {
      throw new IllegalStateException(
          "capture: the kernels of " + program.name() + " are not loaded, and cannot be while work"
              + " is captured; run the same work once before it is captured");
    }
    return context.load(cache.cubin(program));
  }

  /** What the compiler is given for a resource. */
  static Program program(String file, Map<String, String> defines, int computeCapability) {
    List<String> options =
        new TreeMap<>(defines).entrySet().stream().map(e -> "-D" + e.getKey() + "=" + e.getValue()).toList();
    return program(file, read(file), options, computeCapability);
  }

  /** What the compiler is given for a text. */
  static Program program(String title, String source, List<String> options, int computeCapability) {
    var all = new ArrayList<>(List.of("--std=c++17"));
    all.addAll(options);
    Map<String, String> headers = HEADERS.stream().collect(Collectors.toMap(name -> name, KernelSources::read));
    return new Program(title, source, headers, computeCapability, all);
  }

  private static String read(String file) {
    try (InputStream in = KernelSources.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new IllegalArgumentException("no kernel source " + file + " in " + KernelSources.class.getPackageName());
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the kernel source " + file, e);
    }
  }
}
