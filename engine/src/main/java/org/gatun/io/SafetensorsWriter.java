package org.gatun.io;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * A safetensors file to be: tensors are named first, and then written one by one, piece by piece.
 *
 * <p>Tensors and arrays are read when the file is written; until then they must stay as they are.
 */
public final class SafetensorsWriter {
  private static final int ALIGNMENT = 8;
  private static final int CHUNK = 1 << 18;

  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final List<Item> items = new ArrayList<>();
  private final Set<String> names = new LinkedHashSet<>();

  private record Item(String name, ElementType type, Shape shape, AtomicFile.Content content) {
    long byteSize() {
      return shape.size() * type.byteSize();
    }
  }

  /** A file without tensors yet. */
  public SafetensorsWriter() {}

  /** Adds a line of free text to the header. */
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /** Adds a tensor in its own dtype; it may be a view. */
  public SafetensorsWriter add(String name, Tensor tensor) {
    return add(name, ElementType.of(tensor.dtype()), tensor.shape(), out -> write(out, tensor));
  }

  /** Adds a tensor F32 whose elements, row-major, are asked for when it is their turn. */
  public SafetensorsWriter add(String name, Supplier<float[]> values, int... dims) {
    Shape shape = Shape.of(dims);
    return add(name, ElementType.F32, shape, out -> {
      float[] elements = values.get();
      requireLength(name, elements.length, shape);
      write(out, MemorySegment.ofArray(elements), layout(Float.BYTES));
    });
  }

  /** Adds a tensor F32 of these elements, row-major. */
  public SafetensorsWriter add(String name, float[] values, int... dims) {
    requireLength(name, values.length, Shape.of(dims));
    return add(name, () -> values, dims);
  }

  /** Adds a tensor I32 of these elements, row-major. */
  public SafetensorsWriter add(String name, int[] values, int... dims) {
    requireLength(name, values.length, Shape.of(dims));
    return add(name, ElementType.I32, Shape.of(dims),
        out -> write(out, MemorySegment.ofArray(values), layout(Integer.BYTES)));
  }

  /** Adds a tensor I64 of these elements, row-major. */
  public SafetensorsWriter add(String name, long[] values, int... dims) {
    requireLength(name, values.length, Shape.of(dims));
    return add(name, ElementType.I64, Shape.of(dims),
        out -> write(out, MemorySegment.ofArray(values), layout(Long.BYTES)));
  }

  /** Adds a tensor of any type, whose bytes, little-endian and row-major, are written when it is their turn. */
  public SafetensorsWriter add(String name, ElementType type, AtomicFile.Content bytes, int... dims) {
    return add(name, type, Shape.of(dims), bytes);
  }

  private SafetensorsWriter add(String name, ElementType type, Shape shape, AtomicFile.Content content) {
    if (!names.add(name)) {
      throw new IllegalArgumentException("safetensors: two tensors are named " + name);
    }
    items.add(new Item(name, type, shape, content));
    return this;
  }

  private static void requireLength(String name, int length, Shape shape) {
    if (length != shape.size()) {
      throw new IllegalArgumentException(
          "safetensors: " + length + " elements do not fit tensor " + name + " of shape " + shape);
    }
  }

  /** Writes the file: complete, or not at all. */
  public void write(Path file) throws IOException {
    AtomicFile.write(file, this::writeTo);
  }

  /** Writes the file's bytes. */
  public void writeTo(WritableByteChannel out) throws IOException {
    // The widest elements first: every tensor then starts at a multiple of its element's size.
    List<Item> ordered = items.stream()
        .sorted(Comparator.comparingInt((Item item) -> item.type().byteSize()).reversed()).toList();
    byte[] header = header(ordered);
    var length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    writeAll(out, length.putLong(header.length).flip());
    writeAll(out, ByteBuffer.wrap(header));
    for (Item item : ordered) {
      item.content().writeTo(out);
    }
  }

  /** Padded with spaces, so that the data starts at a multiple of eight bytes. */
  private byte[] header(List<Item> ordered) throws IOException {
    var json = new ByteArrayOutputStream();
    try (JsonGenerator generator = Json.FACTORY.createGenerator(json)) {
      generator.writeStartObject();
      if (!metadata.isEmpty()) {
        generator.writeObjectFieldStart(SafetensorsHeader.METADATA);
        for (var entry : metadata.entrySet()) {
          generator.writeStringField(entry.getKey(), entry.getValue());
        }
        generator.writeEndObject();
      }
      long start = 0;
      for (Item item : ordered) {
        writeEntry(generator, item, start);
        start += item.byteSize();
      }
      generator.writeEndObject();
    }
    int size = (json.size() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    byte[] padded = Arrays.copyOf(json.toByteArray(), size);
    Arrays.fill(padded, json.size(), size, (byte) ' ');
    return padded;
  }

  private static void writeEntry(JsonGenerator generator, Item item, long start) throws IOException {
    generator.writeObjectFieldStart(item.name());
    generator.writeStringField("dtype", item.type().name());
    generator.writeFieldName("shape");
    generator.writeArray(item.shape().toArray(), 0, item.shape().rank());
    generator.writeFieldName("data_offsets");
    generator.writeArray(new long[]{start, start + item.byteSize()}, 0, 2);
    generator.writeEndObject();
  }

  private static void write(WritableByteChannel out, Tensor tensor) throws IOException {
    try (Scope scope = Scope.on(tensor.device())) {
      Tensor flat = scope.borrow(tensor).reshape(-1);
      int size = flat.shape().dim(0);
      int bytes = tensor.dtype().byteSize();
      ValueLayout layout = layout(bytes);
      for (int start = 0; start < size; start += CHUNK) {
        int count = Math.min(CHUNK, size - start);
        MemorySegment piece = MemorySegment.ofArray(new byte[count * bytes]);
        tensor.device().download(piece, flat.slice(0, start, start + count));
        write(out, piece, layout);
      }
    }
  }

  /** Native elements of a width in bytes; {@link ValueLayout} has no common name for them. */
  private static ValueLayout layout(int bytes) {
    return switch (bytes) {
      case 2 -> ValueLayout.JAVA_SHORT_UNALIGNED;
      case 4 -> ValueLayout.JAVA_INT_UNALIGNED;
      default -> ValueLayout.JAVA_LONG_UNALIGNED;
    };
  }

  /** Writes native elements in little-endian order. */
  private static void write(WritableByteChannel out, MemorySegment elements, ValueLayout layout) throws IOException {
    ValueLayout littleEndian = layout.withOrder(ByteOrder.LITTLE_ENDIAN);
    var buffer = new byte[CHUNK * Long.BYTES / 2];
    for (long start = 0; start < elements.byteSize(); start += buffer.length) {
      int count = (int) Math.min(buffer.length, elements.byteSize() - start);
      MemorySegment.copy(elements, layout, start, MemorySegment.ofArray(buffer), littleEndian, 0,
          count / layout.byteSize());
      writeAll(out, ByteBuffer.wrap(buffer, 0, count));
    }
  }

  private static void writeAll(WritableByteChannel out, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }
}
