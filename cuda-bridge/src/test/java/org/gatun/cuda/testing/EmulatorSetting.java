package org.gatun.cuda.testing;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeLibrary;

/** One of the {@link Emulator}'s settings, such as SEED or MEMORY, for as long as this is open; src/test/native/README.md lists them. */
public final class EmulatorSetting implements AutoCloseable {
  private final String name;

  public EmulatorSetting(String name, long value) {
    this.name = name;
    set(name, Long.toString(value));
  }

  @Override
  public void close() {
    set(name, "");
  }

  private static void set(String name, String value) {
    // int gatunEmulatorSet(const char *name, const char *value)
    var set = CudaLibrary.DRIVER.open()
        .function("gatunEmulatorSet", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    int status;
    try (Arena arena = Arena.ofConfined()) {
      status = (int) set.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value));
    } catch (Throwable t) {
      throw NativeLibrary.unexpected(t);
    }
    if (status != 0) {
      throw new IllegalStateException("the emulator has no setting " + name);
    }
  }
}
