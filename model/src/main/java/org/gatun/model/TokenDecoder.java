package org.gatun.model;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Turns tokens into text as they come: a character split over tokens appears with its last byte. */
public final class TokenDecoder {
  private final Tokenizer tokenizer;
  private final CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder()
      .onMalformedInput(CodingErrorAction.REPLACE).onUnmappableCharacter(CodingErrorAction.REPLACE);
  private ByteBuffer pending = ByteBuffer.allocate(0);

  /** At the beginning of a text. */
  public TokenDecoder(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The characters that this token completes, perhaps none. */
  public String next(int token) {
    byte[] bytes = tokenizer.bytes(token);
    return decode(ByteBuffer.allocate(pending.remaining() + bytes.length).put(pending).put(bytes).flip(), false);
  }

  /** What is left at the end of the text: U+FFFD for an unfinished character. */
  public String rest() {
    String text = decode(pending, true);
    utf8.reset();
    return text;
  }

  private String decode(ByteBuffer bytes, boolean last) {
    var characters = CharBuffer.allocate(bytes.remaining() + 1);
    utf8.decode(bytes, characters, last);
    if (last) {
      utf8.flush(characters);
    }
    pending = bytes;
    return characters.flip().toString();
  }
}
