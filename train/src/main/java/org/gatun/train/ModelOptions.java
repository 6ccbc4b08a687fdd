package org.gatun.train;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import org.gatun.model.Gpt2Config;
import org.gatun.tensor.Kernels.Gelu;
import picocli.CommandLine.Option;

/** What to train. */
final class ModelOptions {
  @Option(names = "--preset", paramLabel = "NAME", description = "Size and recipe to start from: ${COMPLETION-CANDIDATES}. Single options override it."
      + " Default: quickstart")
  Preset preset;

  @Option(names = "--recipe", paramLabel = "NAME", description = "A published run to reproduce, size and all: ${COMPLETION-CANDIDATES}. Single options"
      + " override it.")
  Recipe recipe;

  @Option(names = "--layers", paramLabel = "N", description = "Transformer blocks.")
  Integer layers;

  @Option(names = "--heads", paramLabel = "N", description = "Attention heads of a block.")
  Integer heads;

  @Option(names = "--channels", paramLabel = "N", description = "Width of the model, a multiple of --heads.")
  Integer channels;

  @Option(names = "--context", paramLabel = "TOKENS", description = "Length of a training window, and the longest the model will see. With --init at most the"
      + " model's own.")
  Integer context;

  @Option(names = "--vocab", paramLabel = "N", description = "Number of tokens. Not given: the tokenizer's, the manifest's of a token file, or GPT-2's"
      + " 50257.")
  Integer vocab;

  @Option(names = "--bias", paramLabel = "true|false", arity = "0..1", fallbackValue = "true", defaultValue = "true", description = "Whether linear layers and norms have biases, as OpenAI's do.")
  boolean bias;

  @Option(names = "--gelu", paramLabel = "tanh|erf", defaultValue = "tanh", description = "Form of the GELU; OpenAI's is tanh.")
  Gelu gelu;

  @Option(names = "--dropout", paramLabel = "F", defaultValue = "0", description = "Share of activations dropped while training.")
  float dropout;

  @Option(names = "--precision", paramLabel = "f32|tf32|bf16", defaultValue = "f32", description = "Type of values and activations; weights are updated in f32 either way. tf32: f32 whose products a GPU"
      + " may round, for speed.")
  Arithmetic arithmetic;

  @Option(names = "--init", paramLabel = "DIR", description = "Start from the weights of this model (a Hugging Face GPT-2 folder).")
  Path init;

  void validate() {
    unlessPositive("--layers", layers);
    unlessPositive("--heads", heads);
    unlessPositive("--channels", channels);
    unlessPositive("--context", context);
    unlessPositive("--vocab", vocab);
    if (init == null && channels % heads != 0) {
      throw new WrongUse("--channels " + channels + " must be a multiple of --heads " + heads);
    }
    if (!(dropout >= 0 && dropout < 1)) {
      throw new WrongUse("--dropout " + dropout + ": must be at least 0 and below 1");
    }
  }

  private static void unlessPositive(String option, Integer value) {
    if (value != null) {
      WrongUse.unlessAtLeast(option, 1, value);
    }
  }

  /**
   * @throws WrongUse if an option that the user gave beside {@code --init} is not what that model
   *     has
   */
  void requireAgreement(Gpt2Config existing, Origins origins) {
    String form = existing.gelu().toString().toLowerCase(Locale.ROOT);
    Map<String, Object> has =
        Map.of(
            "layers", existing.layers(),
            "heads", existing.heads(),
            "channels", existing.channels(),
            "vocab", existing.vocabulary(),
            "bias", existing.bias(),
            "gelu", form,
            "preset", "a size of its own",
            "recipe", "a size of its own");
    Map<String, String> asked = origins.values();
    for (String key : new TreeSet<>(has.keySet())) {
      if (origins.isChosen(key) && !asked.get(key).equals(has.get(key).toString())) {
        throw new WrongUse(
            "--%s %s contradicts --init %s, a model with %s %s; leave --%s out"
                .formatted(key, asked.get(key), init, key, has.get(key), key));
      }
    }
    if (context != null && context > existing.context()) {
      throw new WrongUse(
          "--context %s is more than the %s of --init %s"
              .formatted(context, existing.context(), init));
    }
  }

  /** The configuration of a new model over this many tokens. */
  Gpt2Config configuration(int vocabulary) {
    return Gpt2Config.of(layers, heads, channels)
        .withContext(context)
        .withVocabulary(vocabulary)
        .withBias(bias)
        .withGelu(gelu)
        .withDropout(dropout);
  }
}
