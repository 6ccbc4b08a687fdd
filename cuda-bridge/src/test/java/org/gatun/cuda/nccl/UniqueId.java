package org.gatun.cuda.nccl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.util.HexFormat;
import org.gatun.cuda.ffi.CudaLibrary;

/** A process that prints the unique id that NCCL gives it for the rank 0 at {@code host port}. */
final class UniqueId {
  private UniqueId() {}

  public static void main(String[] arguments) {
    System.out.println(at(arguments[0], Integer.parseInt(arguments[1])));
  }

  static String at(String host, int port) {
    CudaLibrary.NCCL.open();
    NcclEnvironment.setRendezvous(host, port);
    try (Arena arena = Arena.ofConfined()) {
      return HexFormat.of().formatHex(NcclLibrary.uniqueId(arena).toArray(JAVA_BYTE));
    }
  }
}
