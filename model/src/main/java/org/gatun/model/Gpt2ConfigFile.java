package org.gatun.model;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.tensor.Kernels.Gelu;

/**
 * {@code config.json} as transformers writes and reads it for GPT-2. What is not named in the file has
 * the value that transformers gives it.
 */
final class Gpt2ConfigFile {
  /** Not a key of transformers: it knows no model without biases, and sees zeros instead. */
  private static final String BIAS = "gatun_bias";

  private static final Map<String, Gelu> ACTIVATIONS = Map.of(
      "gelu_new", Gelu.TANH, "gelu_pytorch_tanh", Gelu.TANH, "gelu_fast", Gelu.TANH,
      "gelu", Gelu.ERF, "gelu_python", Gelu.ERF);

  private static final Map<WeightType, String> TORCH_TYPES =
      Map.of(WeightType.F32, "float32", WeightType.F16, "float16", WeightType.BF16, "bfloat16");

  private final Path file;
  private final Map<String, Object> json;

  private Gpt2ConfigFile(Path file, Map<String, Object> json) {
    this.file = file;
    this.json = json;
  }

  static Gpt2Config read(Path file) throws IOException {
    return new Gpt2ConfigFile(file, Json.read(file)).config();
  }

  /** The sizes in {@code hparams.json} as OpenAI published them; all else was the same for all models. */
  static Gpt2Config readHparams(Path file) throws IOException {
    var hparams = new Gpt2ConfigFile(file, Json.read(file));
    try {
      return Gpt2Config.of(hparams.required("n_layer"), hparams.required("n_head"), hparams.required("n_embd"))
          .withContext(hparams.required("n_ctx")).withVocabulary(hparams.required("n_vocab"));
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(file, e.getMessage(), e);
    }
  }

  private int required(String key) throws MalformedFileException {
    return integer(key, 0);
  }

  private Gpt2Config config() throws MalformedFileException {
    require("model_type", "gpt2", "gpt2");
    require("scale_attn_weights", true, true);
    require("scale_attn_by_inverse_layer_idx", false, false);
    require("add_cross_attention", false, false);
    require("tie_word_embeddings", true, true);
    int channels = integer("n_embd", 768);
    if (json.get("n_inner") != null && integer("n_inner", 0) != 4L * channels) {
      throw unexpected("n_inner", "null or four times n_embd");
    }
    int context = integer(json.containsKey("n_positions") ? "n_positions" : "n_ctx", 1024);
    try {
      return new Gpt2Config(integer("n_layer", 12), integer("n_head", 12), channels, context,
          integer("vocab_size", Gpt2Config.GPT2_VOCABULARY), flag(BIAS), gelu(),
          number("resid_pdrop", 0.1f), number("layer_norm_epsilon", 1e-5f));
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(file, e.getMessage(), e);
    }
  }

  /** Refuses a model that computes something else than {@link Gpt2} does. */
  private void require(String key, Object only, Object absent) throws MalformedFileException {
    if (!only.equals(json.getOrDefault(key, absent))) {
      throw unexpected(key, only.toString());
    }
  }

  private Gelu gelu() throws MalformedFileException {
    Object name = json.getOrDefault("activation_function", "gelu_new");
    Gelu gelu = name instanceof String ? ACTIVATIONS.get(name) : null;
    if (gelu == null) {
      throw unexpected("activation_function",
          "one of " + String.join(", ", ACTIVATIONS.keySet().stream().sorted().toList()));
    }
    return gelu;
  }

  private boolean flag(String key) throws MalformedFileException {
    if (json.getOrDefault(key, true) instanceof Boolean flag) {
      return flag;
    }
    throw unexpected(key, "true or false");
  }

  private int integer(String key, int absent) throws MalformedFileException {
    Object value = json.getOrDefault(key, (long) absent);
    if (value instanceof Long number && number >= 1 && number <= Integer.MAX_VALUE) {
      return number.intValue();
    }
    throw unexpected(key, "an integer of at least 1");
  }

  private float number(String key, float absent) throws MalformedFileException {
    if (json.getOrDefault(key, absent) instanceof Number number) {
      return number.floatValue();
    }
    throw unexpected(key, "a number");
  }

  private MalformedFileException unexpected(String key, String expected) {
    return new MalformedFileException(file, key + " is " + MalformedFileException.quote(String.valueOf(json.get(key)))
        + ", expected " + expected);
  }

  /** {@code endOfText} is the token's number, if there is one. */
  static void write(Path file, Gpt2Config config, OptionalInt endOfText, WeightType type) throws IOException {
    Integer end = endOfText.isPresent() ? endOfText.getAsInt() : null;
    var json = new LinkedHashMap<String, Object>();
    json.put("activation_function", config.gelu() == Gelu.TANH ? "gelu_new" : "gelu");
    json.put("architectures", List.of("GPT2LMHeadModel"));
    json.put("attn_pdrop", 0.0f);
    json.put("bos_token_id", end);
    json.put("embd_pdrop", config.dropout());
    json.put("eos_token_id", end);
    json.put(BIAS, config.bias());
    json.put("initializer_range", 0.02f);
    json.put("layer_norm_epsilon", config.layerNormEps());
    json.put("model_type", "gpt2");
    json.put("n_ctx", config.context());
    json.put("n_embd", config.channels());
    json.put("n_head", config.heads());
    json.put("n_inner", null);
    json.put("n_layer", config.layers());
    json.put("n_positions", config.context());
    json.put("resid_pdrop", config.dropout());
    json.put("scale_attn_weights", true);
    json.put("tie_word_embeddings", true);
    json.put("torch_dtype", TORCH_TYPES.get(type));
    json.put("vocab_size", config.vocabulary());
    AtomicFile.write(file, Json.text(json));
  }
}
