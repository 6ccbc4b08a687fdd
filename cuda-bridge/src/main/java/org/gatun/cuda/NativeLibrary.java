package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * A shared library opened by {@code dlopen}, for the life of the process. {@code SymbolLookup.libraryLookup} would open it too,
 * but keeps the loader's reason to itself.
 */
@SuppressWarnings("restricted") // calling native code is what this class is for
final class NativeLibrary {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final int RTLD_NOW = 2;

  private final String name;
  private final MemorySegment handle;

  private NativeLibrary(String name, MemorySegment handle) {
    this.name = name;
    this.handle = handle;
  }

  /** Opens {@code name}; throws {@code UnsupportedOperationException} with the loader's own words if that fails. */
  static NativeLibrary open(String name) {
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

  /** The library's function {@code symbol}; throws {@code UnsupportedOperationException} if it has none of that name. */
  MethodHandle function(String symbol, FunctionDescriptor descriptor) {
    // void *dlsym(void *handle, const char *symbol)
    MethodHandle dlsym = loader("dlsym", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
    MemorySegment address;
    try (Arena arena = Arena.ofConfined()) {
      address = (MemorySegment) dlsym.invokeExact(handle, arena.allocateFrom(symbol));
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (address.address() == 0) {
      throw new UnsupportedOperationException(name + " has no function " + symbol);
    }
    return LINKER.downcallHandle(address, descriptor);
  }

  /** The C string at {@code address}. */
  static String text(MemorySegment address) {
    return address.address() == 0
        ? "no reason given"
        : address.reinterpret(Long.MAX_VALUE).getString(0);
  }

  /** For the {@code catch (Throwable)} that {@code invokeExact} demands: rethrows what is unchecked. */
  static RuntimeException unexpected(Throwable t) {
    if (t instanceof RuntimeException e) {
      throw e;
    }
    if (t instanceof Error e) {
      throw e;
    }
    return new IllegalStateException("a native call threw a checked exception", t);
  }

  private static MethodHandle loader(String symbol, FunctionDescriptor descriptor) {
    MemorySegment address = LINKER.defaultLookup()
        .find(symbol)
        .orElseThrow(() -> new UnsupportedOperationException("this system has no " + symbol));
    return LINKER.downcallHandle(address, descriptor);
  }
}
