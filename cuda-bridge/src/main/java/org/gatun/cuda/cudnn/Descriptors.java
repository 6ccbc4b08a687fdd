package org.gatun.cuda.cudnn;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The backend descriptors of one graph and its plan. They refer to each other, so they live and end together: the latest
 * first.
 */
final class Descriptors implements AutoCloseable {
  /** {@code cudnnBackendDescriptorType_t}. */
  enum Kind {
    POINTWISE(0), ENGINE(2), CONFIGURATION(3), HEURISTICS(4), PLAN(5), OP_POINTWISE(13), GRAPH(15), VARIANT_PACK(16),
    TENSOR(17), MATMUL(18), OP_MATMUL(19), REDUCTION(21), OP_REDUCTION(22), OP_RESHAPE(31), DEVICE(38);

    private final int code;

    Kind(int code) {
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  private final List<Long> made = new ArrayList<>();

  /** An empty descriptor. */
  long make(Kind kind) {
    long descriptor = CudnnLibrary.createDescriptor(kind);
    made.add(descriptor);
    return descriptor;
  }

  /** Ends the setting of attributes: here the library checks them. */
  long finish(long descriptor, String what) {
    CudnnLibrary.finalizeDescriptor(descriptor, what);
    return descriptor;
  }

  /** Sets numbers, addresses or other descriptors, in the width that the attribute has. */
  void set(long descriptor, Attribute name, long... values) {
    try (Arena arena = Arena.ofConfined()) {
      int width = name.type().byteSize();
      MemorySegment cells = arena.allocate((long) width * Math.max(1, values.length), 8);
      for (int i = 0; i < values.length; i++) {
        switch (width) {
          case 1 -> cells.setAtIndex(JAVA_BYTE, i, (byte) values[i]);
          case 4 -> cells.setAtIndex(JAVA_INT, i, (int) values[i]);
          default -> cells.setAtIndex(JAVA_LONG, i, values[i]);
        }
      }
      CudnnLibrary.setAttribute(descriptor, name, values.length, cells.address());
    }
  }

  /** Sets a text; the library counts its bytes without the end mark. */
  void set(long descriptor, Attribute name, String text) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocateFrom(text, StandardCharsets.UTF_8);
      CudnnLibrary.setAttribute(descriptor, name, bytes.byteSize() - 1, bytes.address());
    }
  }

  long number(long descriptor, Attribute name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment cells = arena.allocate(2 * JAVA_LONG.byteSize(), 8);
      CudnnLibrary.getAttribute(descriptor, name, 1, cells.address(), cells.address() + JAVA_LONG.byteSize());
      return cells.getAtIndex(JAVA_LONG, 1);
    }
  }

  String text(long descriptor, Attribute name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_LONG);
      CudnnLibrary.getAttribute(descriptor, name, 0, count.address(), 0);
      long bytes = count.get(JAVA_LONG, 0);
      MemorySegment text = arena.allocate(bytes + 1);
      CudnnLibrary.getAttribute(descriptor, name, bytes, count.address(), text.address());
      return text.getString(0);
    }
  }

  /** What a descriptor-valued attribute holds: the library fills descriptors that were made for it. */
  List<Long> descriptors(long descriptor, Attribute name, Kind kind) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_LONG);
      CudnnLibrary.getAttribute(descriptor, name, 0, count.address(), 0);
      int wanted = Math.toIntExact(count.get(JAVA_LONG, 0));
      if (wanted == 0) {
        return List.of();
      }
      MemorySegment cells = arena.allocate(JAVA_LONG, wanted);
      for (int i = 0; i < wanted; i++) {
        cells.setAtIndex(JAVA_LONG, i, make(kind));
      }
      CudnnLibrary.getAttribute(descriptor, name, wanted, count.address(), cells.address());
      var found = new ArrayList<Long>();
      for (int i = 0; i < Math.min(wanted, count.get(JAVA_LONG, 0)); i++) {
        found.add(cells.getAtIndex(JAVA_LONG, i));
      }
      return found;
    }
  }

  @Override
  public void close() {
    while (!made.isEmpty()) {
      CudnnLibrary.destroyDescriptor(made.removeLast());
    }
  }
}
