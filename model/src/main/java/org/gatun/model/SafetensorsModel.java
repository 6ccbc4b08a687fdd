package org.gatun.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.gatun.io.MalformedFileException;

/** A GPT-2 in safetensors under Hugging Face's or OpenAI's names: a folder, or the one file. */
final class SafetensorsModel implements Gpt2Source {
  private static final String HPARAMS = "hparams.json";

  private final Path folder;
  private final Gpt2Weights weights;
  private final Gpt2Config config;

  private SafetensorsModel(Path folder, Gpt2Weights weights, Gpt2Config config) {
    this.folder = folder;
    this.weights = weights;
    this.config = config;
  }

  static SafetensorsModel open(Path path) throws IOException {
    Path folder = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    Gpt2Weights weights = Gpt2Weights.open(path);
    try {
      Gpt2Config config = config(folder, path, weights);
      weights.requireFit(config);
      return new SafetensorsModel(folder, weights, config);
    } catch (IOException | RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  private static Gpt2Config config(Path folder, Path path, Gpt2Weights weights) throws IOException {
    if (Files.exists(folder.resolve(Gpt2Folder.CONFIG))) {
      return new Gpt2Folder(folder).config();
    }
    Path hparams = folder.resolve(HPARAMS);
    return Files.exists(hparams) ? Gpt2ConfigFile.readHparams(hparams) : published(path, weights);
  }

  /** Shapes tell all but the number of heads, and that only for the sizes that OpenAI published. */
  private static Gpt2Config published(Path path, Gpt2Weights weights) throws IOException {
    List<Long> tokens = weights.shape(Gpt2Tensors.TOKENS);
    List<Long> positions = weights.shape(Gpt2Tensors.POSITIONS);
    int layers = 0;
    while (!weights.shape("h." + layers + ".ln_1.weight").isEmpty()) {
      layers++;
    }
    for (Gpt2Config size : Stream.of("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl").map(Gpt2Config::preset).toList()) {
      if (size.layers() == layers && tokens.equals(List.of((long) size.vocabulary(), (long) size.channels()))
          && positions.equals(List.of((long) size.context(), (long) size.channels()))) {
        return size;
      }
    }
    throw new MalformedFileException(path, "no " + Gpt2Folder.CONFIG + " and no " + HPARAMS + " beside weights of "
        + layers + " layers with a token table " + tokens
        + ", expected one of them, or a GPT-2 of a size that OpenAI published");
  }

  @Override
  public Gpt2Config config() {
    return config;
  }

  @Override
  public Optional<Tokenizer> tokenizer() throws IOException {
    if (Files.exists(folder.resolve(Gpt2Folder.CONFIG))) {
      return TokenizerFolder.find(folder);
    }
    return config.vocabulary() == Gpt2Config.GPT2_VOCABULARY ? Optional.of(new Gpt2Tokenizer()) : Optional.empty();
  }

  @Override
  public void readInto(Gpt2 model) throws IOException {
    weights.requireFit(model.config());
    weights.readInto(model);
  }

  @Override
  public void close() {
    weights.close();
  }
}
