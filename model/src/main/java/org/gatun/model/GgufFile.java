package org.gatun.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.ElementType;
import org.gatun.io.MalformedFileException;

/**
 * A GGUF file, mapped into memory: a header of keys with values, a list of tensors, and their bytes.
 * All that it says is checked against the file's size before memory is taken for it.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">the format</a>
 */
final class GgufFile implements AutoCloseable {
  /** "GGUF". */
  static final int MAGIC = 0x46554747;
  static final int VERSION = 3;
  static final int ALIGNMENT = 32;

  private static final String ALIGNMENT_KEY = "general.alignment";
  private static final int OLDEST_VERSION = 2;
  private static final int MOST_DIMS = 4;
  private static final int DEEPEST = 4;
  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ORDER);

  /** The numbers that types of tensors have in a file. */
  static final Map<ElementType, Integer> TYPES = Map.of(ElementType.F32, 0, ElementType.F16, 1, ElementType.BF16, 30);

  /** A tensor: the innermost dimension comes first; {@code type} is the number in the file. */
  record Entry(String name, int type, List<Long> dims, long start) {}

  private final Path file;
  private final Arena arena;
  private final MemorySegment bytes;
  private final Map<String, Object> values = new LinkedHashMap<>();
  private final Map<String, Entry> tensors = new LinkedHashMap<>();
  private final long data;
  private long position;

  private GgufFile(Path file, Arena arena, MemorySegment bytes) throws IOException {
    this.file = file;
    this.arena = arena;
    this.bytes = bytes;
    if (bytes.byteSize() < 24 || int32() != MAGIC) {
      throw new MalformedFileException(file,
          bytes.byteSize() + " bytes that do not begin like GGUF, expected its header"
              + " of 24 bytes");
    }
    int version = int32();
    if (version < OLDEST_VERSION || version > VERSION) {
      throw new MalformedFileException(file, "GGUF of version " + Integer.toUnsignedString(version)
          + ", expected 2 or 3, little-endian");
    }
    long tensorCount = count(24); // a name's length, the number of dimensions, a type and an offset
    long valueCount = count(13); // a name's length, a type and one byte
    for (long i = 0; i < valueCount; i++) {
      putOnce(values, string(), value(int32(), 0));
    }
    for (long i = 0; i < tensorCount; i++) {
      Entry entry = entry();
      putOnce(tensors, entry.name(), entry);
    }
    long alignment = values.get(ALIGNMENT_KEY) instanceof Long number ? number : ALIGNMENT;
    if (alignment < 1 || alignment > 1 << 20) {
      throw new MalformedFileException(file, ALIGNMENT_KEY + " is " + alignment + ", expected 1 to 1048576");
    }
    data = (position + alignment - 1) / alignment * alignment;
  }

  static GgufFile open(Path file) throws IOException {
    Arena arena = Arena.ofShared();
    try (var channel = FileChannel.open(file)) {
      return new GgufFile(file, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private <V> void putOnce(Map<String, V> map, String name, V value) throws MalformedFileException {
    if (map.putIfAbsent(name, value) != null) {
      throw new MalformedFileException(file, MalformedFileException.quote(name) + " is there twice, expected once");
    }
  }

  /** Goes on by some bytes; returns where they start. */
  private long skip(long size) throws MalformedFileException {
    if (size < 0 || size > bytes.byteSize() - position) {
      throw new MalformedFileException(file, "cut off: " + Long.toUnsignedString(size) + " bytes expected at "
          + position + ", the file has " + bytes.byteSize());
    }
    position += size;
    return position - size;
  }

  private int int32() throws MalformedFileException {
    return bytes.get(INT, skip(Integer.BYTES));
  }

  private long int64() throws MalformedFileException {
    return bytes.get(LONG, skip(Long.BYTES));
  }

  /** How many there are of something that takes at least this many bytes each. */
  private long count(int leastBytes) throws MalformedFileException {
    long count = int64();
    long most = (bytes.byteSize() - position) / leastBytes;
    if (count < 0 || count > most) {
      throw new MalformedFileException(file, "a count of " + Long.toUnsignedString(count) + " at "
          + (position - Long.BYTES) + ", expected at most " + most + " in this file of " + bytes.byteSize() + " bytes");
    }
    return count;
  }

  private String string() throws MalformedFileException {
    long size = count(1);
    byte[] text = bytes.asSlice(skip(size), size).toArray(ValueLayout.JAVA_BYTE);
    return new String(text, StandardCharsets.UTF_8);
  }

  /** Integers as Long, other numbers as Double, arrays as lists. */
  private Object value(int type, int depth) throws MalformedFileException {
    return switch (type) {
      case 0 -> (long) Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, skip(1)));
      case 1 -> (long) bytes.get(ValueLayout.JAVA_BYTE, skip(1));
      case 2 -> (long) Short.toUnsignedInt(bytes.get(SHORT, skip(2)));
      case 3 -> (long) bytes.get(SHORT, skip(2));
      case 4 -> Integer.toUnsignedLong(int32());
      case 5 -> (long) int32();
      case 6 -> (double) bytes.get(FLOAT, skip(4));
      case 7 -> bytes.get(ValueLayout.JAVA_BYTE, skip(1)) != 0;
      case 8 -> string();
      case 9 -> array(depth);
      case 10, 11 -> int64();
      case 12 -> bytes.get(DOUBLE, skip(8));
      default -> throw new MalformedFileException(file, "a value of type " + Integer.toUnsignedString(type) + " at "
          + position + ", expected 0 to 12");
    };
  }

  private List<Object> array(int depth) throws MalformedFileException {
    if (depth == DEEPEST) {
      throw new MalformedFileException(file, "arrays nested more than " + DEEPEST + " deep");
    }
    int type = int32();
    long count = count(1);
    var array = new ArrayList<Object>();
    for (long i = 0; i < count; i++) {
      array.add(value(type, depth + 1));
    }
    return array;
  }

  private Entry entry() throws MalformedFileException {
    String name = string();
    int rank = int32();
    if (rank < 1 || rank > MOST_DIMS) {
      throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(name) + " has "
          + Integer.toUnsignedString(rank) + " dimensions, expected 1 to " + MOST_DIMS);
    }
    var dims = new ArrayList<Long>();
    for (int i = 0; i < rank; i++) {
      dims.add(int64());
    }
    return new Entry(name, int32(), dims, int64());
  }

  Path file() {
    return file;
  }

  /** The value of a key; null if it is not there. */
  Object value(String key) {
    return values.get(key);
  }

  Map<String, Entry> tensors() {
    return tensors;
  }

  /** The type of a tensor that is not quantised. */
  WeightType type(Entry entry) throws MalformedFileException {
    for (var known : TYPES.entrySet()) {
      if (known.getValue() == entry.type()) {
        return WeightType.of(known.getKey());
      }
    }
    throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(entry.name()) + " is of ggml type "
        + Integer.toUnsignedString(entry.type()) + ", expected 0 (F32), 1 (F16) or 30 (BF16): no quantised ones");
  }

  /** The bytes of a tensor of so many elements. */
  MemorySegment bytes(Entry entry, long elements) throws MalformedFileException {
    long size = elements * type(entry).byteSize();
    if (entry.start() < 0 || entry.start() > bytes.byteSize() - data
        || size > bytes.byteSize() - data - entry.start()) {
      throw new MalformedFileException(file, "tensor " + MalformedFileException.quote(entry.name()) + " of " + size
          + " bytes at " + Long.toUnsignedString(entry.start()) + " of the data, expected it within the file of "
          + bytes.byteSize() + " bytes");
    }
    return bytes.asSlice(data + entry.start(), size);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
