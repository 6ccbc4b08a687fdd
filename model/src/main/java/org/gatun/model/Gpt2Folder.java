package org.gatun.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.gatun.io.MalformedFileException;

/**
 * A GPT-2 as Hugging Face lays it out: a folder with {@code config.json}, {@code model.safetensors} (or
 * several files and {@code model.safetensors.index.json}) and the tokenizer's files.
 *
 * <p>A model without biases is written with biases of zero, which is the same to every reader, and
 * marked, so that it comes back here without them. Of dropout only {@code resid_pdrop} is read; it is
 * written for the embeddings too.
 */
public record Gpt2Folder(Path path) {
  static final String CONFIG = "config.json";

  /**
   * What {@code config.json} says.
   *
   * @throws IOException if it is missing, or describes something {@link Gpt2} does not compute
   */
  public Gpt2Config config() throws IOException {
    Path file = path.resolve(CONFIG);
    if (!Files.exists(file)) {
      throw new MalformedFileException(path, "no " + CONFIG + ", expected a Hugging Face GPT-2 folder");
    }
    return Gpt2ConfigFile.read(file);
  }

  /** The folder's tokenizer; see {@link Tokenizer#load}. */
  public Tokenizer tokenizer() throws IOException {
    return Tokenizer.load(path);
  }

  /**
   * Overwrites all parameters of a model with the folder's, of types F32, BF16 or F16.
   *
   * @throws IOException if tensors are missing, have other shapes, or are not known
   */
  public void readInto(Gpt2 model) throws IOException {
    try (var weights = Gpt2Weights.open(path)) {
      weights.requireFit(model.config());
      weights.readInto(model);
    }
  }

  /**
   * Writes configuration, master weights and tokenizer to the folder, which is made if need be; each
   * file is complete or not there, the weights come last.
   */
  public void write(Gpt2 model, Tokenizer tokenizer) throws IOException {
    write(model, Optional.of(tokenizer), WeightType.F32);
  }

  /** As {@link #write(Gpt2, Tokenizer)}, for a model of tokens that come from elsewhere. */
  public void write(Gpt2 model) throws IOException {
    write(model, Optional.empty(), WeightType.F32);
  }

  /** As {@link #write(Gpt2, Tokenizer)}, with weights rounded to a type. */
  void write(Gpt2 model, Optional<Tokenizer> tokenizer, WeightType type) throws IOException {
    Files.createDirectories(path);
    OptionalInt endOfText = OptionalInt.empty();
    if (tokenizer.isPresent()) {
      tokenizer.get().save(path);
      endOfText = tokenizer.get().endOfText();
    }
    Gpt2ConfigFile.write(path.resolve(CONFIG), model.config(), endOfText, type);
    Gpt2Weights.write(path, model, type);
  }
}
