package org.gatun.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tensor;

/**
 * A safetensors file, mapped into memory: eight bytes of header length, a JSON header, the elements.
 *
 * <p>The header is checked when the file is opened; what a tensor's segment shows is within the file.
 * Segments are gone once this is closed. Any thread may read.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class Safetensors implements AutoCloseable {
  /** As the reference implementation. */
  private static final long LARGEST_HEADER = 100_000_000;

  private static final int LENGTH_BYTES = 8;
  private static final int CHUNK = 1 << 18;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final Arena arena;
  private final MemorySegment data;
  private final SafetensorsHeader header;

  /** One tensor: {@code start} and {@code byteSize} in bytes of the file's data. */
  public record Entry(String name, ElementType type, List<Long> shape, long start, long byteSize) {
    /** The number of elements. */
    public long size() {
      return byteSize / type.byteSize();
    }

    /** The type and shape, such as {@code F32[768, 768]}. */
    @Override
    public String toString() {
      return type.toString() + shape;
    }
  }

  private Safetensors(Path file, Arena arena, MemorySegment all) throws IOException {
    this.file = file;
    this.arena = arena;
    long length = all.byteSize() < LENGTH_BYTES ? -1 : all.get(LONG, 0);
    long most = Math.min(LARGEST_HEADER, all.byteSize() - LENGTH_BYTES);
    if (length < 0 || length > most) {
      throw new MalformedFileException(file, all.byteSize() < LENGTH_BYTES
          ? "only " + all.byteSize() + " bytes, expected a safetensors file, which has at least 8"
          : "the header claims " + Long.toUnsignedString(length) + " bytes, expected at most " + most
              + " in this file of " + all.byteSize());
    }
    byte[] json = all.asSlice(LENGTH_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
    data = all.asSlice(LENGTH_BYTES + length);
    header = SafetensorsHeader.parse(file, json, data.byteSize());
  }

  /**
   * Opens a file and checks its header.
   *
   * @throws MalformedFileException if it is no safetensors file, is cut off, or contradicts itself
   */
  public static Safetensors open(Path file) throws IOException {
    Arena arena = Arena.ofShared();
    try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return new Safetensors(file, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Where it is. */
  public Path file() {
    return file;
  }

  /** The tensors' names, in the header's order. */
  public Set<String> names() {
    return Collections.unmodifiableSet(header.entries().keySet());
  }

  /** The free text of the header. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(header.metadata());
  }

  /** Type, shape and place of a tensor. */
  public Entry entry(String name) throws MalformedFileException {
    Entry entry = header.entries().get(name);
    if (entry == null) {
      throw new MalformedFileException(file, "no tensor " + MalformedFileException.quote(name) + " among its "
          + header.entries().size());
    }
    return entry;
  }

  /** A tensor's elements as they lie in the file: row-major, little-endian, perhaps not aligned. */
  public MemorySegment bytes(String name) throws MalformedFileException {
    Entry entry = entry(name);
    return data.asSlice(entry.start(), entry.byteSize());
  }

  /**
   * Overwrites a contiguous tensor with one of the file, of the same shape: F32 from F32, BF16 or F16,
   * BF16 from BF16, I32 from I32 or from I64 where every value fits.
   */
  public void read(String name, Tensor target) throws MalformedFileException {
    if (!target.isContiguous()) {
      throw new IllegalArgumentException(
          "safetensors: only a contiguous tensor can be read into, got a view " + target);
    }
    Entry entry = entry(name);
    List<Long> dims = Arrays.stream(target.shape().toArray()).mapToObj(Long::valueOf).toList();
    if (!entry.shape().equals(dims)) {
      throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(name) + " is " + entry
          + ", expected the shape of " + target);
    }
    switch (target.dtype()) {
      case F32 -> upload(target, entry, (start, count) -> MemorySegment.ofArray(floats(entry, start, count)));
      case I32 -> upload(target, entry, (start, count) -> MemorySegment.ofArray(ints(entry, start, count)));
      case BF16 -> upload(target, entry, (start, count) -> MemorySegment.ofArray(halves(entry, start, count)));
    }
  }

  private interface Part {
    MemorySegment of(long start, int count) throws MalformedFileException;
  }

  /** Piece by piece, so that no second copy of a large tensor is ever whole. */
  private static void upload(Tensor target, Entry entry, Part part) throws MalformedFileException {
    try (Scope scope = Scope.on(target.device())) {
      Tensor flat = scope.borrow(target).reshape(-1);
      for (long start = 0; start < entry.size(); start += CHUNK) {
        int count = (int) Math.min(CHUNK, entry.size() - start);
        int from = Math.toIntExact(start);
        target.device().upload(flat.slice(0, from, from + count), part.of(start, count));
      }
    }
  }

  /** All elements of a tensor of type F32, BF16 or F16, row-major. */
  public float[] floats(String name) throws MalformedFileException {
    Entry entry = entry(name);
    return floats(entry, 0, count(entry));
  }

  /** All elements of a tensor of type I32, or of type I64 where every value fits, row-major. */
  public int[] ints(String name) throws MalformedFileException {
    Entry entry = entry(name);
    return ints(entry, 0, count(entry));
  }

  /** All elements of a tensor of type I64 or I32, row-major. */
  public long[] longs(String name) throws MalformedFileException {
    Entry entry = entry(name);
    var values = new long[count(entry)];
    for (int i = 0; i < values.length; i++) {
      values[i] = integer(entry, i);
    }
    return values;
  }

  private int count(Entry entry) throws MalformedFileException {
    if (entry.size() > Integer.MAX_VALUE - 8) {
      throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(entry.name()) + " has "
          + entry.size() + " elements, more than fit into an array");
    }
    return (int) entry.size();
  }

  private float[] floats(Entry entry, long start, int count) throws MalformedFileException {
    var values = new float[count];
    MemorySegment from = part(entry, start, count);
    switch (entry.type()) {
      case F32 -> MemorySegment.copy(from, FLOAT, 0, values, 0, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          values[i] = Float.intBitsToFloat(from.getAtIndex(SHORT, i) << 16);
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          values[i] = Float.float16ToFloat(from.getAtIndex(SHORT, i));
        }
      }
      default -> throw refused(entry, "F32, BF16 or F16");
    }
    return values;
  }

  private short[] halves(Entry entry, long start, int count) throws MalformedFileException {
    if (entry.type() != ElementType.BF16) {
      throw refused(entry, "BF16");
    }
    var values = new short[count];
    MemorySegment.copy(part(entry, start, count), SHORT, 0, values, 0, count);
    return values;
  }

  private int[] ints(Entry entry, long start, int count) throws MalformedFileException {
    var values = new int[count];
    for (int i = 0; i < count; i++) {
      long value = integer(entry, start + i);
      if (value != (int) value) {
        throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(entry.name()) + " has element "
            + value + ", expected integers of 32 bits");
      }
      values[i] = (int) value;
    }
    return values;
  }

  private long integer(Entry entry, long index) throws MalformedFileException {
    return switch (entry.type()) {
      case I32 -> data.get(INT, entry.start() + index * Integer.BYTES);
      case I64 -> data.get(LONG, entry.start() + index * Long.BYTES);
      default -> throw refused(entry, "I32 or I64");
    };
  }

  private MemorySegment part(Entry entry, long start, int count) {
    int size = entry.type().byteSize();
    return data.asSlice(entry.start() + start * size, (long) count * size);
  }

  private MalformedFileException refused(Entry entry, String expected) {
    return new MalformedFileException(file, "tensor " + MalformedFileException.quote(entry.name()) + " is " + entry
        + ", expected " + expected);
  }

  /** Unmaps the file; a second call does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
