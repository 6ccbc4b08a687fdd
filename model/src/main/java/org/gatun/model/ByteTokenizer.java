package org.gatun.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalInt;

/** Each byte of the UTF-8 text is a token. */
public final class ByteTokenizer implements Tokenizer {
  static final String NAME = "byte";

  /** There is only one such vocabulary. */
  public ByteTokenizer() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int vocabulary() {
    return 256;
  }

  @Override
  public int[] encode(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return encode(bytes, 0, bytes.length);
  }

  @Override
  public int[] encode(byte[] utf8, int start, int end) {
    var tokens = new int[end - start];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = utf8[start + i] & 0xFF;
    }
    return tokens;
  }

  @Override
  public byte[] bytes(int token) {
    if (token < 0 || token > 255) {
      throw new IllegalArgumentException("byte tokenizer: " + token + " is not a byte");
    }
    return new byte[]{(byte) token};
  }

  @Override
  public OptionalInt endOfText() {
    return OptionalInt.empty();
  }

  @Override
  public void save(Path folder) throws IOException {
    TokenizerFolder.write(folder, NAME, null);
    TokenizerJson.writeBytes(folder);
  }
}
