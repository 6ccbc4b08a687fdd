package org.gatun.model;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;

/**
 * A GPT-2 in a file or folder, open for reading; what it says of its size is found to fit its tensors
 * before a model of that size is built.
 */
public interface Gpt2Source extends AutoCloseable {
  /**
   * Opens a file or folder of a format.
   *
   * @throws IOException if it holds something else, or contradicts itself
   */
  static Gpt2Source open(Path path, ModelFormat format) throws IOException {
    return switch (format) {
      case HF -> SafetensorsModel.open(path);
      case LLMC -> LlmcModel.open(path);
      case GGUF -> GgufModel.open(path);
    };
  }

  /** The model's size and variants. */
  Gpt2Config config();

  /** The tokenizer that lies with it or follows from it; empty if that cannot be told. */
  Optional<Tokenizer> tokenizer() throws IOException;

  /** Overwrites all parameters of a model of this configuration, which may have no biases if those here are zero. */
  void readInto(Gpt2 model) throws IOException;

  /** The model in memory, which owns its parameters; the caller closes it. */
  default Gpt2 load(Device device) throws IOException {
    var parameters = new Parameters(device, Precision.F32);
    try {
      var gpt2 = new Gpt2(parameters, config());
      parameters.initializeToZero();
      readInto(gpt2);
      return gpt2;
    } catch (IOException | RuntimeException e) {
      parameters.close();
      throw e;
    }
  }

  @Override
  void close();
}
