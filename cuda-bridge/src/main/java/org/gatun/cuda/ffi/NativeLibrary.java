package org.gatun.cuda.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;

/**
 * A shared library opened by {@code dlopen}, for the life of the process. {@code SymbolLookup.libraryLookup} would open it too,
 * but keeps the loader's reason to itself.
 */
@SuppressWarnings("restricted") // calling native code is what this class is for
public final class NativeLibrary {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final int RTLD_NOW = 2;
  private static final int RTLD_DI_LINKMAP = 2;

  private final String name;
  private final MemorySegment handle;
  private final Path path;

  private NativeLibrary(String name, MemorySegment handle) {
    this.name = name;
    this.handle = handle;
    this.path = loadedFrom(name, handle);
  }

  /** Opens {@code name}, a path or a file name; throws {@code UnsupportedOperationException} with the loader's own words. */
  public static NativeLibrary open(String name) {
    // void *dlopen(const char *filename, int flags)
    MethodHandle dlopen = loader("dlopen", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
    // char *dlerror(void)
    MethodHandle dlerror = loader("dlerror", FunctionDescriptor.of(ADDRESS));
    MemorySegment handle;
    String reason;
    try (Arena arena = Arena.ofConfined()) {
      handle = (MemorySegment) dlopen.invokeExact(arena.allocateFrom(name), RTLD_NOW);
      reason = handle.address() != 0 ? "" : text((MemorySegment) dlerror.invokeExact());
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (handle.address() == 0) {
      throw new UnsupportedOperationException("cannot load " + name + ": " + reason);
    }
    return new NativeLibrary(name, handle);
  }

  /** The file that the loader took. */
  public Path path() {
    return path;
  }

  /** True if the library has a function {@code symbol}. */
  public boolean has(String symbol) {
    return find(symbol).address() != 0;
  }

  /** The library's function {@code symbol}; throws {@code UnsupportedOperationException} if it has none of that name. */
  public MethodHandle function(String symbol, FunctionDescriptor descriptor) {
    MemorySegment address = find(symbol);
    if (address.address() == 0) {
      throw lacks(symbol);
    }
    return LINKER.downcallHandle(address, descriptor);
  }

  /**
   * A function that returns a status and is called by {@link NativeFunction#call}'s shapes. Where the library has none of that name, each call
   * throws {@code UnsupportedOperationException}: functions are bound when a class is loaded, which is no place to fail.
   */
  public NativeFunction status(String symbol, MemoryLayout... arguments) {
    var descriptor = FunctionDescriptor.of(JAVA_INT, arguments);
    return new NativeFunction(symbol, has(symbol) ? function(symbol, descriptor) : refusal(symbol, descriptor));
  }

  private MethodHandle refusal(String symbol, FunctionDescriptor descriptor) {
    MethodHandle thrower =
        MethodHandles.throwException(int.class, UnsupportedOperationException.class).bindTo(lacks(symbol));
    return MethodHandles.dropArguments(thrower, 0, descriptor.toMethodType().parameterList());
  }

  private UnsupportedOperationException lacks(String symbol) {
    return new UnsupportedOperationException(name + " has no function " + symbol + "; a newer version of it is needed");
  }

  private MemorySegment find(String symbol) {
    // void *dlsym(void *handle, const char *symbol)
    MethodHandle dlsym = loader("dlsym", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      return (MemorySegment) dlsym.invokeExact(handle, arena.allocateFrom(symbol));
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** The C string at {@code address}. */
  public static String text(MemorySegment address) {
    return address.address() == 0
        ? "no reason given"
        : address.reinterpret(Long.MAX_VALUE).getString(0);
  }

  /** The C string at {@code address}. */
  public static String text(long address) {
    return text(MemorySegment.ofAddress(address));
  }

  /** The {@code byteSize} bytes of host memory at {@code address}, which {@code arena} guards from use after it is closed. */
  public static MemorySegment memory(long address, long byteSize, Arena arena) {
    return MemorySegment.ofAddress(address).reinterpret(byteSize, arena, null);
  }

  /** For the {@code catch (Throwable)} that {@code invokeExact} demands: rethrows what is unchecked. */
  public static RuntimeException unexpected(Throwable t) {
    if (t instanceof RuntimeException e) {
      throw e;
    }
    if (t instanceof Error e) {
      throw e;
    }
    return new IllegalStateException("a native call threw a checked exception", t);
  }

  /** Where the loader found {@code name}: second field of its {@code struct link_map}; the name itself where it does not say. */
  private static Path loadedFrom(String name, MemorySegment handle) {
    // int dlinfo(void *handle, int request, void *info)
    MethodHandle dlinfo = loader("dlinfo", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment linkMap = arena.allocate(ADDRESS);
      int status = (int) dlinfo.invokeExact(handle, RTLD_DI_LINKMAP, linkMap);
      if (status != 0) {
        return Path.of(name);
      }
      MemorySegment fields = linkMap.get(ADDRESS, 0).reinterpret(2 * JAVA_LONG.byteSize());
      return Path.of(text(fields.get(ADDRESS, JAVA_LONG.byteSize())));
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  private static MethodHandle loader(String symbol, FunctionDescriptor descriptor) {
    MemorySegment address = LINKER.defaultLookup()
        .find(symbol)
        .orElseThrow(() -> new UnsupportedOperationException("this system has no " + symbol));
    return LINKER.downcallHandle(address, descriptor);
  }
}
