package org.gatun.train.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.util.ArrayList;
import org.gatun.io.MalformedFileException;
import org.gatun.model.Utf8;

/** The text in a line of JSON. */
final class JsonText {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Records.MOST_BYTES)
                  .maxNestingDepth(200)
                  .build())
          .build();

  /** Fields that a message names at most. */
  private static final int NAMED_FIELDS = 8;

  private JsonText() {}

  /**
   * UTF-8 of a field of the object that the line consists of; null where the field is null.
   *
   * @throws MalformedFileException if there is no such object, field or text; names file and line
   */
  static byte[] of(Piece line, String field) throws MalformedFileException {
    byte[] text = null;
    var others = new ArrayList<String>();
    boolean found = false;
    try (JsonParser parser = FACTORY.createParser(line.bytes())) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw problem(line, "does not begin with {, expected a JSON object");
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        JsonToken value = parser.nextToken();
        if (name.equals(field)) {
          found = true;
          text = text(line, parser, field, value);
        } else if (others.size() < NAMED_FIELDS) {
          others.add(name);
        }
        parser.skipChildren();
      }
      if (parser.nextToken() != null) {
        throw problem(line, "goes on after its JSON object");
      }
    } catch (MalformedFileException e) {
      throw e;
    } catch (IOException e) {
      throw problem(line, "is no JSON object: " + reason(e));
    }
    if (!found) {
      throw problem(line, "has no field \"" + field + "\", but " + quoted(others) + "; choose with --text-field");
    }
    return text;
  }

  private static byte[] text(Piece line, JsonParser parser, String field, JsonToken value) throws IOException {
    return switch (value) {
      case VALUE_STRING -> Utf8.bytes(parser.getText());
      case VALUE_NULL -> null;
      default -> throw problem(line, "its field \"" + field + "\" is no text; choose another with --text-field");
    };
  }

  private static String reason(IOException e) {
    String message =
        e instanceof com.fasterxml.jackson.core.JsonProcessingException json ? json.getOriginalMessage()
            : e.getMessage();
    return MalformedFileException.quote(String.valueOf(message));
  }

  private static String quoted(ArrayList<String> names) {
    return names.isEmpty() ? "none" : String.join(", ", names.stream().map(MalformedFileException::quote).toList());
  }

  private static MalformedFileException problem(Piece line, String problem) {
    return new MalformedFileException(line.source().path(), "line " + line.number() + " " + problem);
  }
}
