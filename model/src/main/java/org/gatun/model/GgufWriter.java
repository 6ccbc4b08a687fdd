package org.gatun.model;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.AtomicFile;
import org.gatun.tensor.Shape;

/** A GGUF file to be: keys and tensors are named first, and then written one by one. */
final class GgufWriter {
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  private final Map<String, Object> values = new LinkedHashMap<>();
  private final List<Item> items = new ArrayList<>();

  private record Item(String name, WeightType type, Shape shape, AtomicFile.Content content) {
    long byteSize() {
      return shape.size() * type.byteSize();
    }
  }

  /** Adds a key: an Integer is written as u32, a list's integers as i32; strings, floats and booleans as they are. */
  GgufWriter value(String key, Object value) {
    values.put(key, value);
    return this;
  }

  /** Adds a tensor whose bytes are written when it is their turn. */
  GgufWriter tensor(String name, WeightType type, Shape shape, AtomicFile.Content content) {
    items.add(new Item(name, type, shape, content));
    return this;
  }

  void writeTo(WritableByteChannel out) throws IOException {
    var header = new Bytes();
    header.int32(GgufFile.MAGIC).int32(GgufFile.VERSION).int64(items.size()).int64(values.size());
    values.forEach((key, value) -> header.string(key).value(value));
    long start = 0;
    for (Item item : items) {
      header.string(item.name()).int32(item.shape().rank());
      for (int axis = item.shape().rank() - 1; axis >= 0; axis--) {
        header.int64(item.shape().dim(axis));
      }
      header.int32(GgufFile.TYPES.get(item.type().element())).int64(start);
      start += padded(item.byteSize());
    }
    write(out, header.toByteArray());
    pad(out, header.size());
    for (Item item : items) {
      item.content().writeTo(out);
      pad(out, item.byteSize());
    }
  }

  private static long padded(long size) {
    return (size + GgufFile.ALIGNMENT - 1) / GgufFile.ALIGNMENT * GgufFile.ALIGNMENT;
  }

  private static void pad(WritableByteChannel out, long size) throws IOException {
    write(out, new byte[(int) (padded(size) - size)]);
  }

  private static void write(WritableByteChannel out, byte[] bytes) throws IOException {
    var buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      out.write(buffer);
    }
  }

  /** Little-endian bytes. */
  private static final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Bytes int32(int value) {
      out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
      return this;
    }

    Bytes int64(long value) {
      out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
      return this;
    }

    Bytes string(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      int64(utf8.length);
      out.writeBytes(utf8);
      return this;
    }

    void value(Object value) {
      switch (value) {
        case Integer number -> int32(UINT32).int32(number);
        case Float number -> int32(FLOAT32).int32(Float.floatToIntBits(number));
        case Boolean flag -> int32(BOOL).out.write(flag ? 1 : 0);
        case String text -> int32(STRING).string(text);
        case List<?> list -> array(list);
        default -> throw new IllegalArgumentException("gguf: cannot write " + value);
      }
    }

    private void array(List<?> list) {
      boolean numbers = !list.isEmpty() && list.getFirst() instanceof Integer;
      int32(ARRAY).int32(numbers ? INT32 : STRING).int64(list.size());
      for (Object element : list) {
        if (numbers) {
          int32((Integer) element);
        } else {
          string((String) element);
        }
      }
    }

    int size() {
      return out.size();
    }

    byte[] toByteArray() {
      return out.toByteArray();
    }
  }
}
