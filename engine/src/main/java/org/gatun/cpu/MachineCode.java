package org.gatun.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;

/** Machine code that this process has written, and the way to call it; on Linux. */
@SuppressWarnings("restricted")
final class MachineCode {
  // <sys/mman.h>
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_PRIVATE = 2;
  private static final int MAP_ANONYMOUS = 0x20;

  private static final Linker LINKER = Linker.nativeLinker();

  private MachineCode() {}

  /**
   * Brings code to memory from where it can be run, and where nobody can write any more; it stays until
   * the process ends.
   *
   * @return its first byte
   * @throws UnsupportedOperationException if the system does not allow it
   */
  static MemorySegment load(byte[] code) {
    try {
      MethodHandle map =
          function("mmap", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
      MethodHandle protect = function("mprotect", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
      long size = code.length;
      var memory =
          (MemorySegment) map.invokeExact(
              MemorySegment.NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
      if (memory.address() == -1) {
        throw new UnsupportedOperationException(
            "the system gives no memory for machine code (mmap of " + size + " bytes)");
      }
      memory.reinterpret(size).copyFrom(MemorySegment.ofArray(code));
      if ((int) protect.invokeExact(memory, size, PROT_READ | PROT_EXEC) != 0) {
        throw new UnsupportedOperationException(
            "the system does not let this process run code that it wrote (mprotect)");
      }
      return memory;
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) { // native functions throw nothing
      throw new IllegalStateException("mmap", t);
    }
  }

  /**
   * Calls code at an address, its first argument, with others of these kinds. Arrays can be handed over as
   * segments, for no collection moves them meanwhile: so the code must return within a fraction of a millisecond.
   */
  static MethodHandle caller(MemoryLayout... arguments) {
    return caller(FunctionDescriptor.ofVoid(arguments));
  }

  /** As {@link #caller(MemoryLayout...)}, of code that returns something. */
  static MethodHandle caller(FunctionDescriptor type) {
    return LINKER.downcallHandle(type, Linker.Option.critical(true));
  }

  private static MethodHandle function(String name, FunctionDescriptor type) {
    return LINKER.downcallHandle(LINKER.defaultLookup().find(name).orElseThrow(), type);
  }
}
