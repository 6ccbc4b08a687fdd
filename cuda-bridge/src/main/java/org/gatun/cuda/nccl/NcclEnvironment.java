package org.gatun.cuda.nccl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.gatun.cuda.ffi.NativeLibrary.unexpected;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/** The variables of this process as native code sees them: {@code System.getenv} is a copy, and cannot be written. */
final class NcclEnvironment {
  private static final String RENDEZVOUS = "NCCL_COMM_ID";

  private NcclEnvironment() {}

  /**
   * Tells NCCL where rank 0 listens: each process then has the same unique id without asking another. Throws
   * {@code IllegalArgumentException} for an address that cannot be one.
   */
  static void setRendezvous(String host, int port) {
    set(RENDEZVOUS, rendezvous(host, port));
  }

  /** {@code host:port}, with an IPv6 address in brackets. */
  static String rendezvous(String host, int port) {
    if (host == null || host.isBlank() || host.chars().anyMatch(Character::isWhitespace)) {
      throw new IllegalArgumentException(
          "NCCL: the first rank's host is \"" + host + "\"; give its name or IP address");
    }
    if (port < 1 || port > 65_535) {
      throw new IllegalArgumentException(
          "NCCL: the first rank's port is " + port + "; give a free one from 1 to 65535");
    }
    boolean bareIpv6 = host.contains(":") && !host.startsWith("[");
    return (bareIpv6 ? "[" + host + "]" : host) + ":" + port;
  }

  @SuppressWarnings("restricted") // a function of the C library, which belongs to none of NVIDIA's
  private static void set(String name, String value) {
    Linker linker = Linker.nativeLinker();
    // int setenv(const char *name, const char *value, int overwrite)
    MethodHandle setenv = linker.downcallHandle(linker.defaultLookup().find("setenv").orElseThrow(),
        FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
    int status;
    try (Arena arena = Arena.ofConfined()) {
      status = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (status != 0) {
      throw new IllegalStateException("setenv(" + name + ") failed: the process is out of memory");
    }
  }
}
