package org.gatun.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Small JSON documents as maps: objects are {@code Map<String, Object>} in the file's order, arrays
 * {@code List<Object>}, integers {@code Long}, other numbers {@code Double}, and null is null.
 */
public final class Json {
  private static final int DEEPEST = 32;
  private static final long LARGEST_FILE = 100_000_000;

  static final JsonFactory FACTORY = JsonFactory.builder()
      .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
      .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(DEEPEST).build())
      .build();

  private Json() {}

  /**
   * The object a file consists of.
   *
   * @throws MalformedFileException if it is not one JSON object in UTF-8, or larger than 100 MB
   */
  public static Map<String, Object> read(Path file) throws IOException {
    long size = Files.size(file);
    if (size > LARGEST_FILE) {
      throw new MalformedFileException(file, size + " bytes, expected JSON of at most " + LARGEST_FILE);
    }
    return parse(file, decode(file, ByteBuffer.wrap(Files.readAllBytes(file))));
  }

  /**
   * The objects of a file that has one on each line; empty lines are none.
   *
   * @throws MalformedFileException naming the line if it is not one JSON object in UTF-8; also if the
   *     file is larger than 100 MB
   */
  public static List<Map<String, Object>> readLines(Path file) throws IOException {
    long size = Files.size(file);
    if (size > LARGEST_FILE) {
      throw new MalformedFileException(file, size + " bytes, expected lines of JSON of at most " + LARGEST_FILE);
    }
    var objects = new ArrayList<Map<String, Object>>();
    String text = new String(decode(file, ByteBuffer.wrap(Files.readAllBytes(file))));
    int number = 0;
    // Only at \n and \r\n: other separators of lines may stand within JSON's strings.
    for (String line : text.split("\r?\n")) {
      number++;
      if (!line.isBlank()) {
        objects.add(parse(file.resolveSibling(file.getFileName() + " line " + number), line.toCharArray()));
      }
    }
    return objects;
  }

  private static Map<String, Object> parse(Path file, char[] text) throws IOException {
    try (JsonParser parser = FACTORY.createParser(text)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new MalformedFileException(file, "does not begin with {, expected a JSON object");
      }
      Map<String, Object> object = object(file, parser);
      if (parser.nextToken() != null) {
        throw new MalformedFileException(file, "goes on after its JSON object, expected nothing more");
      }
      return object;
    } catch (JsonProcessingException e) {
      throw new MalformedFileException(file, "not JSON as expected: " + reason(e), e);
    }
  }

  /** Characters of strict UTF-8; the parser would otherwise guess other encodings. */
  static char[] decode(Path file, ByteBuffer bytes) throws MalformedFileException {
    try {
      var characters = StandardCharsets.UTF_8.newDecoder().decode(bytes);
      var text = new char[characters.remaining()];
      characters.get(text);
      return text;
    } catch (CharacterCodingException e) {
      throw new MalformedFileException(file, "bytes that are not UTF-8 where JSON was expected", e);
    }
  }

  /** The parser's reason on one line. */
  static String reason(JsonProcessingException e) {
    String reason = MalformedFileException.quote(e.getOriginalMessage());
    var location = e.getLocation();
    return location == null ? reason : reason + " at character " + location.getCharOffset();
  }

  private static Map<String, Object> object(Path file, JsonParser parser) throws IOException {
    var object = new LinkedHashMap<String, Object>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      object.put(name, value(file, parser));
    }
    return object;
  }

  private static Object value(Path file, JsonParser parser) throws IOException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> object(file, parser);
      case START_ARRAY -> array(file, parser);
      case VALUE_STRING -> parser.getText();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      default -> throw new MalformedFileException(file, "unexpected " + parser.currentToken() + " in JSON");
    };
  }

  private static List<Object> array(Path file, JsonParser parser) throws IOException {
    var array = new ArrayList<Object>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      array.add(value(file, parser));
    }
    return array;
  }

  /** The text of an object whose values are of the kinds named above; indented as Python's json does. */
  public static String text(Map<String, ?> object) {
    var text = new StringWriter();
    var printer = new DefaultPrettyPrinter();
    var indenter = new DefaultIndenter("  ", "\n");
    printer.indentObjectsWith(indenter);
    printer.indentArraysWith(indenter);
    try (JsonGenerator generator = FACTORY.createGenerator(text)) {
      generator.setPrettyPrinter(printer);
      write(generator, object);
    } catch (IOException e) {
      throw new IllegalArgumentException("json: " + e.getMessage(), e);
    }
    return text.append('\n').toString();
  }

  private static void write(JsonGenerator generator, Object value) throws IOException {
    switch (value) {
      case null -> generator.writeNull();
      case Map<?, ?> object -> {
        generator.writeStartObject();
        for (Map.Entry<?, ?> entry : object.entrySet()) {
          generator.writeFieldName((String) entry.getKey());
          write(generator, entry.getValue());
        }
        generator.writeEndObject();
      }
      case List<?> array -> {
        generator.writeStartArray();
        for (Object element : array) {
          write(generator, element);
        }
        generator.writeEndArray();
      }
      case String string -> generator.writeString(string);
      case Boolean bool -> generator.writeBoolean(bool);
      case Integer number -> generator.writeNumber(number);
      case Long number -> generator.writeNumber(number);
      case Float number when Float.isFinite(number) -> generator.writeNumber(number);
      case Double number when Double.isFinite(number) -> generator.writeNumber(number);
      default -> throw new IllegalArgumentException(
          "json: cannot write " + value.getClass().getSimpleName() + " " + value);
    }
  }
}
