package org.gatun.cuda.nvrtc;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.NativeLibrary;
import org.gatun.cuda.ffi.Scratch;

/** NVIDIA's compiler of CUDA C++ at run time. Any thread may use it. */
public final class Nvrtc {
  private static final int SUCCESS = 0;
  private static final int COMPILATION = 6;

  private final Path path;
  private final NativeFunction version;
  private final NativeFunction createProgram;
  private final NativeFunction destroyProgram;
  private final NativeFunction compileProgram;
  private final NativeFunction getCubinSize;
  private final NativeFunction getCubin;
  private final NativeFunction getLogSize;
  private final NativeFunction getLog;
  private final NativeFunction getNumSupportedArchs;
  private final NativeFunction getSupportedArchs;
  private final MethodHandle getErrorString;

  private Nvrtc(NativeLibrary library) {
    path = library.path();
    version = library.status("nvrtcVersion", JAVA_LONG, JAVA_LONG);
    createProgram =
        library.status("nvrtcCreateProgram", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
    destroyProgram = library.status("nvrtcDestroyProgram", JAVA_LONG);
    compileProgram = library.status("nvrtcCompileProgram", JAVA_LONG, JAVA_INT, JAVA_LONG);
    getCubinSize = library.status("nvrtcGetCUBINSize", JAVA_LONG, JAVA_LONG);
    getCubin = library.status("nvrtcGetCUBIN", JAVA_LONG, JAVA_LONG);
    getLogSize = library.status("nvrtcGetProgramLogSize", JAVA_LONG, JAVA_LONG);
    getLog = library.status("nvrtcGetProgramLog", JAVA_LONG, JAVA_LONG);
    getNumSupportedArchs = library.status("nvrtcGetNumSupportedArchs", JAVA_LONG);
    getSupportedArchs = library.status("nvrtcGetSupportedArchs", JAVA_LONG);
    getErrorString = library.function("nvrtcGetErrorString", FunctionDescriptor.of(ADDRESS, JAVA_INT));
  }

  /** Opens the library; throws {@code UnsupportedOperationException} that names what is missing and the remedy. */
  public static Nvrtc load() {
    return new Nvrtc(CudaLibrary.NVRTC.open());
  }

  /** Where the library is and its version, or what is missing. */
  public static LibraryStatus status() {
    return LibraryStatus.ask(CudaLibrary.NVRTC, () -> load().version());
  }

  /** The library's file. */
  public Path path() {
    return path;
  }

  /** {@code nvrtcResult nvrtcVersion(int *major, int *minor)}: "13.0". */
  public String version() {
    Scratch scratch = Scratch.cleared();
    check(version.call(scratch.address(), scratch.secondAddress()), "nvrtcVersion()");
    return scratch.int32() + "." + (int) scratch.secondInt64();
  }

  /** {@code nvrtcResult nvrtcGetNumSupportedArchs(int *)} and {@code nvrtcGetSupportedArchs(int *)}: 90 for 9.0, ascending. */
  public List<Integer> architectures() {
    Scratch scratch = Scratch.cleared();
    check(getNumSupportedArchs.call(scratch.address()), "nvrtcGetNumSupportedArchs()");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment architectures = arena.allocate(JAVA_INT, scratch.int32());
      check(getSupportedArchs.call(architectures.address()), "nvrtcGetSupportedArchs()");
      return IntStream.of(architectures.toArray(JAVA_INT)).sorted().boxed().toList();
    }
  }

  /**
   * The architecture to compile for: the device's, or the newest before it of the same major version, whose code it runs as well (CUDA's
   * binary compatibility).
   */
  private int architecture(Program program) {
    int wanted = program.computeCapability();
    return architectures().stream()
        .filter(known -> known <= wanted && known / 10 == wanted / 10)
        .reduce((_, newer) -> newer)
        .orElseThrow(
            () -> new UnsupportedOperationException("NVRTC " + version() + " does not compile for compute capability "
                + wanted / 10 + "." + wanted % 10 + " but for " + architectures()
                + "; install the NVRTC of a CUDA that does"));
  }

  /**
   * Compiles to machine code of exactly the program's architecture, which needs no compiler in the driver and so none of a matching version,
   * with {@code ptxas}' report in the log; throws {@link CompilationException} with what the compiler said.
   */
  public Compiled compile(Program program) {
    try (Arena arena = Arena.ofConfined()) {
      long handle = create(program, arena);
      try {
        var options =
            new ArrayList<>(List.of("--gpu-architecture=sm_" + architecture(program), "--ptxas-options=-v"));
        options.addAll(program.options());
        int status = compileProgram.call(handle, options.size(), texts(options, arena));
        String log = log(handle, arena);
        if (status != SUCCESS) {
          throw refusal(program, options, status, log);
        }
        return new Compiled(cubin(handle, arena), log);
      } finally {
        destroy(handle);
      }
    }
  }

  /**
   * {@code nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *name, int headerCount, const char *const
   * *headers, const char *const *includeNames)}
   */
  private long create(Program program, Arena arena) {
    Map<String, String> headers = program.sortedHeaders();
    Scratch scratch = Scratch.cleared();
    int status = createProgram.call(
        scratch.address(),
        arena.allocateFrom(program.source()).address(),
        arena.allocateFrom(program.name()).address(),
        headers.size(),
        texts(headers.values(), arena),
        texts(headers.keySet(), arena));
    check(status, "nvrtcCreateProgram(" + program.name() + ")");
    return scratch.int64();
  }

  /** {@code nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program)} */
  private void destroy(long program) {
    Scratch scratch = Scratch.cleared();
    scratch.memory().set(JAVA_LONG, 0, program);
    check(destroyProgram.call(scratch.address()), "nvrtcDestroyProgram()");
  }

  /** {@code nvrtcResult nvrtcGetCUBINSize(nvrtcProgram, size_t *)} and {@code nvrtcGetCUBIN(nvrtcProgram, char *)} */
  private byte[] cubin(long program, Arena arena) {
    Scratch scratch = Scratch.cleared();
    check(getCubinSize.call(program, scratch.address()), "nvrtcGetCUBINSize()");
    MemorySegment cubin = arena.allocate(scratch.int64());
    check(getCubin.call(program, cubin.address()), "nvrtcGetCUBIN()");
    return cubin.toArray(JAVA_BYTE);
  }

  /** {@code nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram, size_t *)} and {@code nvrtcGetProgramLog(nvrtcProgram, char *)} */
  private String log(long program, Arena arena) {
    Scratch scratch = Scratch.cleared();
    check(getLogSize.call(program, scratch.address()), "nvrtcGetProgramLogSize()");
    MemorySegment log = arena.allocate(Math.max(1, scratch.int64()));
    check(getLog.call(program, log.address()), "nvrtcGetProgramLog()");
    return log.getString(0);
  }

  private CudaException refusal(Program program, List<String> options, int status, String log) {
    String call = "nvrtcCompileProgram(" + program.name() + ", " + String.join(" ", options) + ")";
    return status == COMPILATION
        ? new CompilationException(call, status, name(status), log)
        : new CudaException(call, status, name(status), log.strip());
  }

  private void check(int status, String call) {
    if (status != SUCCESS) {
      throw new CudaException(call, status, name(status), "");
    }
  }

  /** {@code const char *nvrtcGetErrorString(nvrtcResult status)} */
  private String name(int status) {
    try {
      return NativeLibrary.text((MemorySegment) getErrorString.invokeExact(status));
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** The address of an array of C strings. */
  private static long texts(Collection<String> texts, Arena arena) {
    MemorySegment addresses = arena.allocate(ADDRESS, Math.max(1, texts.size()));
    int i = 0;
    for (String text : texts) {
      addresses.setAtIndex(ADDRESS, i++, arena.allocateFrom(text));
    }
    return addresses.address();
  }

  /**
   * What is to be compiled: {@code source} under {@code name} (for messages), {@code headers} by the name in {@code #include}, for the
   * architecture of {@code computeCapability} (90 for 9.0), with further {@code options} of the compiler.
   */
  public record Program(String name, String source, Map<String, String> headers, int computeCapability,
      List<String> options) {
    public Program {
      headers = Map.copyOf(headers);
      options = List.copyOf(options);
      if ((name + source + headers + options).indexOf('\0') >= 0) {
        throw new IllegalArgumentException("program " + name + ": a zero character ends a text in C; expected none");
      }
    }

    /** Headers in the order of their names: what is made of them must not depend on a hash. */
    Map<String, String> sortedHeaders() {
      return new TreeMap<>(headers);
    }
  }

  /** Machine code for one architecture, and what the compiler said: warnings, and the report of {@code ptxas -v}. */
  public record Compiled(byte[] cubin, String log) {
    public Compiled {
      cubin = cubin.clone();
    }

    @Override
    public byte[] cubin() {
      return cubin.clone();
    }

    /** What each kernel uses. */
    public List<KernelUse> kernels() {
      return KernelUse.parse(log);
    }
  }
}
