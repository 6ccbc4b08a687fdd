package org.gatun.model;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;

/** GPT-2's byte-level byte-pair encoding: 50,256 merged byte strings and the end of text. */
public final class Gpt2Tokenizer implements Tokenizer {
  static final String NAME = "gpt2";
  static final int END_OF_TEXT = 50_256;

  private final Encoding encoding = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);

  /** Reads the vocabulary, which takes some tenths of a second. */
  public Gpt2Tokenizer() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int vocabulary() {
    return Gpt2Config.GPT2_VOCABULARY;
  }

  @Override
  public int[] encode(String text) {
    return encoding.encodeOrdinary(text).toArray();
  }

  @Override
  public byte[] bytes(int token) {
    if (token < 0 || token >= vocabulary()) {
      throw new IllegalArgumentException(
          "GPT-2 tokenizer: token " + token + " is outside of the vocabulary of " + vocabulary());
    }
    var one = new IntArrayList(1);
    one.add(token);
    return encoding.decodeBytes(one);
  }

  @Override
  public OptionalInt endOfText() {
    return OptionalInt.of(END_OF_TEXT);
  }

  @Override
  public void save(Path folder) throws IOException {
    Gpt2Vocabulary.write(folder, this);
    // Left by a model that had another tokenizer, they would come first.
    Files.deleteIfExists(folder.resolve(TokenizerFolder.FILE));
    Files.deleteIfExists(folder.resolve(TokenizerJson.FILE));
  }
}
