package org.gatun.model;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Text as bytes, with U+FFFD in place of what is no character. */
public final class Utf8 {
  private static final byte[] REPLACEMENT = "\ufffd".getBytes(StandardCharsets.UTF_8);

  private Utf8() {}

  /** A text's UTF-8; a surrogate without its other half becomes U+FFFD, as in OpenAI's tokenizer. */
  public static byte[] bytes(String text) {
    try {
      ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPLACE)
          .replaceWith(REPLACEMENT).encode(CharBuffer.wrap(text.toCharArray()));
      return Arrays.copyOf(bytes.array(), bytes.limit());
    } catch (CharacterCodingException e) {
      throw new IllegalStateException("every text has UTF-8 with replacements", e);
    }
  }

  /** Whether these bytes are UTF-8 from the first to the last. */
  public static boolean isValid(byte[] bytes, int start, int end) {
    int at = start;
    while (at < end && bytes[at] >= 0) {
      at++;
    }
    if (at == end) {
      return true;
    }
    byte[] again = new String(bytes, at, end - at, StandardCharsets.UTF_8).getBytes(StandardCharsets.UTF_8);
    return Arrays.equals(bytes, at, end, again, 0, again.length);
  }

  /** A copy that is UTF-8: bytes that are not become U+FFFD. */
  public static byte[] repaired(byte[] bytes, int start, int end) {
    return new String(bytes, start, end - start, StandardCharsets.UTF_8).getBytes(StandardCharsets.UTF_8);
  }
}
