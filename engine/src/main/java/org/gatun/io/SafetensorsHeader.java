package org.gatun.io;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.Safetensors.Entry;

/**
 * Reads and checks the JSON header of a safetensors file. Offsets in an entry count from the first
 * byte after the header.
 */
final class SafetensorsHeader {
  static final String METADATA = "__metadata__";

  private final Path file;
  private final long dataSize;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  private SafetensorsHeader(Path file, long dataSize) {
    this.file = file;
    this.dataSize = dataSize;
  }

  /** {@code dataSize} is the number of bytes that follow the header. */
  static SafetensorsHeader parse(Path file, byte[] json, long dataSize) throws IOException {
    var header = new SafetensorsHeader(file, dataSize);
    char[] text = Json.decode(file, ByteBuffer.wrap(json));
    try (JsonParser parser = Json.FACTORY.createParser(text)) {
      header.read(parser);
    } catch (JsonProcessingException e) {
      throw new MalformedFileException(file, "the header is not JSON as expected: " + Json.reason(e), e);
    }
    header.checkTiling();
    return header;
  }

  Map<String, Entry> entries() {
    return entries;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  private MalformedFileException malformed(String problem) {
    return new MalformedFileException(file, problem);
  }

  private void read(JsonParser parser) throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw malformed("the header does not begin with {, expected a JSON object");
    }
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw malformed(MalformedFileException.quote(name) + " in the header is " + parser.currentToken()
            + ", expected an object");
      }
      if (name.equals(METADATA)) {
        readMetadata(parser);
      } else {
        entries.put(name, readEntry(name, parser));
      }
    }
    if (parser.nextToken() != null) {
      throw malformed("the header goes on after its JSON object, expected only spaces");
    }
  }

  private void readMetadata(JsonParser parser) throws IOException {
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      if (parser.nextToken() != JsonToken.VALUE_STRING) {
        throw malformed("metadata " + MalformedFileException.quote(key) + " is " + parser.currentToken()
            + ", expected a string");
      }
      metadata.put(key, parser.getText());
    }
  }

  private Entry readEntry(String name, JsonParser parser) throws IOException {
    String tensor = "tensor " + MalformedFileException.quote(name);
    ElementType type = null;
    long[] shape = null;
    long[] offsets = null;
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      parser.nextToken();
      switch (key) {
        case "dtype" -> type = type(tensor, parser);
        case "shape" -> shape = numbers(tensor + ": shape", parser);
        case "data_offsets" -> offsets = numbers(tensor + ": data_offsets", parser);
        default -> parser.skipChildren();
      }
    }
    if (type == null || shape == null || offsets == null) {
      throw malformed(tensor + " lacks " + (type == null ? "dtype" : shape == null ? "shape" : "data_offsets")
          + ", expected dtype, shape and data_offsets");
    }
    checkExtent(tensor, type, shape, offsets);
    List<Long> dims = Arrays.stream(shape).boxed().toList();
    return new Entry(name, type, dims, offsets[0], offsets[1] - offsets[0]);
  }

  private ElementType type(String tensor, JsonParser parser) throws IOException {
    if (parser.currentToken() == JsonToken.VALUE_STRING) {
      for (ElementType type : ElementType.values()) {
        if (type.name().equals(parser.getText())) {
          return type;
        }
      }
    }
    throw malformed(tensor + " has dtype " + MalformedFileException.quote(String.valueOf(parser.getText()))
        + ", expected one of " + Arrays.toString(ElementType.values()));
  }

  /** An array of integers from 0 to 2⁶³ - 1. */
  private long[] numbers(String what, JsonParser parser) throws IOException {
    if (parser.currentToken() != JsonToken.START_ARRAY) {
      throw malformed(what + " is " + parser.currentToken() + ", expected an array of integers");
    }
    var numbers = new ArrayList<Long>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      boolean fits = parser.currentToken() == JsonToken.VALUE_NUMBER_INT
          && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER && parser.getLongValue() >= 0;
      if (!fits) {
        throw malformed(what + " has " + MalformedFileException.quote(String.valueOf(parser.getText()))
            + ", expected an integer of at least 0 and below 2^63");
      }
      numbers.add(parser.getLongValue());
    }
    return numbers.stream().mapToLong(Long::longValue).toArray();
  }

  private void checkExtent(String tensor, ElementType type, long[] shape, long[] offsets)
      throws MalformedFileException {
    if (offsets.length != 2 || offsets[0] > offsets[1] || offsets[1] > dataSize) {
      throw malformed(tensor + " has data_offsets " + Arrays.toString(offsets)
          + ", expected a begin and an end within the file's " + dataSize + " bytes of data");
    }
    long bytes = type.byteSize();
    boolean overflow = false;
    boolean empty = Arrays.stream(shape).anyMatch(dim -> dim == 0);
    for (long dim : empty ? new long[]{0} : shape) {
      overflow |= Math.multiplyHigh(bytes, dim) != 0 || bytes * dim < 0;
      bytes *= dim;
    }
    if (overflow || bytes != offsets[1] - offsets[0]) {
      throw malformed(tensor + " takes " + (offsets[1] - offsets[0]) + " bytes, expected "
          + (overflow ? "more than 2^63" : bytes) + " for " + type + shapeText(shape));
    }
  }

  private static String shapeText(long[] shape) {
    return shape.length <= 16 ? Arrays.toString(shape) : " of " + shape.length + " dimensions";
  }

  /** The tensors must cover the data without gap or overlap, as the reference implementation demands. */
  private void checkTiling() throws MalformedFileException {
    List<Entry> ordered = entries.values().stream()
        .sorted(Comparator.comparingLong(Entry::start).thenComparingLong(Entry::byteSize)).toList();
    long end = 0;
    for (Entry entry : ordered) {
      if (entry.start() != end) {
        throw malformed("tensor " + MalformedFileException.quote(entry.name()) + " begins at byte " + entry.start()
            + " of the data, expected " + end + ": tensors must neither overlap nor leave a gap");
      }
      end += entry.byteSize();
    }
    if (end != dataSize) {
      throw malformed((dataSize - end) + " bytes follow the last tensor, expected none");
    }
  }
}
