package org.gatun.model;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.gatun.io.MalformedFileException;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * A GPT-2 in GGUF, as llama.cpp lays it out: matrices are [out, in], the head stands beside the token
 * table once more, and whatever is no matrix is F32, as is the table of positions.
 *
 * @see <a href="https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py">names of keys and tensors</a>
 */
final class GgufModel implements Gpt2Source {
  private static final String ARCHITECTURE = "general.architecture";
  private static final String GPT2 = "gpt2";
  private static final String EPSILON = "gpt2.attention.layer_norm_epsilon";
  private static final String HEAD = "output.weight";
  private static final String TOKENS = "token_embd.weight";
  private static final Pattern LAYERED = Pattern.compile("h\\.(\\d+)\\.(.+)\\.(weight|bias)");
  private static final Map<String, String> LAYERS = Map.of("ln_1", "attn_norm", "attn.c_attn", "attn_qkv",
      "attn.c_proj", "attn_output", "ln_2", "ffn_norm", "mlp.c_fc", "ffn_up", "mlp.c_proj", "ffn_down");
  private static final Map<WeightType, Integer> FILE_TYPES =
      Map.of(WeightType.F32, 0, WeightType.F16, 1, WeightType.BF16, 32);

  private final GgufFile file;
  private final Gpt2Config config;

  private GgufModel(GgufFile file) throws IOException {
    this.file = file;
    if (!GPT2.equals(file.value(ARCHITECTURE))) {
      throw new MalformedFileException(file.file(), ARCHITECTURE + " is "
          + MalformedFileException.quote(String.valueOf(file.value(ARCHITECTURE))) + ", expected " + GPT2);
    }
    config = readConfig();
    requireFit();
  }

  static GgufModel open(Path path) throws IOException {
    GgufFile file = GgufFile.open(path);
    try {
      return new GgufModel(file);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private Gpt2Config readConfig() throws MalformedFileException {
    int channels = integer("gpt2.embedding_length");
    if (file.value("gpt2.feed_forward_length") instanceof Long inner && inner != 4L * channels) {
      throw new MalformedFileException(file.file(), "gpt2.feed_forward_length is " + inner
          + ", expected four times gpt2.embedding_length");
    }
    if (!(file.value(EPSILON) instanceof Double epsilon)) {
      throw new MalformedFileException(file.file(), EPSILON + " is " + file.value(EPSILON) + ", expected a number");
    }
    GgufFile.Entry tokens = file.tensors().get(TOKENS);
    long vocabulary = tokens == null || tokens.dims().size() != 2 ? 0 : tokens.dims().get(1);
    try {
      return Gpt2Config.of(integer("gpt2.block_count"), integer("gpt2.attention.head_count"), channels)
          .withContext(integer("gpt2.context_length"))
          .withVocabulary(Math.clamp(vocabulary, 0, Integer.MAX_VALUE))
          .withLayerNormEps(epsilon.floatValue());
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(file.file(), e.getMessage(), e);
    }
  }

  private int integer(String key) throws MalformedFileException {
    if (file.value(key) instanceof Long number && number >= 1 && number <= Integer.MAX_VALUE) {
      return number.intValue();
    }
    throw new MalformedFileException(file.file(), key + " is "
        + MalformedFileException.quote(String.valueOf(file.value(key))) + ", expected an integer of at least 1");
  }

  /** Every tensor is there in its shape, and the head is the token table. */
  private void requireFit() throws IOException {
    if (config.layers() > file.tensors().size()) {
      throw new MalformedFileException(file.file(), file.tensors().size() + " tensors, expected those of "
          + config.layers() + " layers");
    }
    for (var expected : Gpt2Tensors.shapes(config).entrySet()) {
      bytes(name(expected.getKey()), ours(expected.getKey(), expected.getValue()));
    }
    if (file.tensors().containsKey(HEAD)) {
      Shape table = Shape.of(config.vocabulary(), config.channels());
      if (bytes(HEAD, table).mismatch(bytes(TOKENS, table)) >= 0) {
        throw new MalformedFileException(file.file(), HEAD + " differs from " + TOKENS
            + ", expected a head that is tied to the token table");
      }
    }
  }

  /** The bytes of a tensor, which must have this shape. */
  private MemorySegment bytes(String name, Shape shape) throws MalformedFileException {
    GgufFile.Entry entry = file.tensors().get(name);
    if (entry == null) {
      throw new MalformedFileException(file.file(), "no tensor " + name + " " + shape + " among its "
          + file.tensors().size());
    }
    var dims = new ArrayList<>(Arrays.stream(shape.toArray()).mapToObj(Long::valueOf).toList());
    Collections.reverse(dims); // the innermost comes first there
    if (!entry.dims().equals(dims)) {
      throw new MalformedFileException(file.file(), "tensor " + name + " is " + entry.dims() + ", expected " + dims);
    }
    return file.bytes(entry, shape.size());
  }

  /** The shape that our parameter of this name has. */
  private static Shape ours(String name, Shape shape) {
    return Gpt2Tensors.isTransposed(name) ? Shape.of(shape.dim(1), shape.dim(0)) : shape;
  }

  /** The name there of a parameter of ours. */
  private static String name(String name) {
    Matcher layered = LAYERED.matcher(name);
    if (layered.matches()) {
      return "blk." + layered.group(1) + "." + LAYERS.get(layered.group(2)) + "." + layered.group(3);
    }
    return switch (name) {
      case Gpt2Tensors.TOKENS -> TOKENS;
      case Gpt2Tensors.POSITIONS -> "position_embd.weight";
      default -> name.replace("ln_f", "output_norm");
    };
  }

  /** llama.cpp computes with norms, biases and positions in F32 only. */
  static WeightType typeOf(String name, WeightType type) {
    boolean matrix = Gpt2Tensors.isTransposed(name) || name.equals(Gpt2Tensors.TOKENS);
    return matrix ? type : WeightType.F32;
  }

  @Override
  public Gpt2Config config() {
    return config;
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return GgufTokens.read(file);
  }

  @Override
  public void readInto(Gpt2 model) throws IOException {
    try (Scope scope = model.inference()) {
      for (var expected : Gpt2Tensors.shapes(config).entrySet()) {
        String name = expected.getKey();
        Shape shape = ours(name, expected.getValue());
        MemorySegment stored = bytes(name(name), shape);
        WeightType type = file.type(file.tensors().get(name(name)));
        if (!Gpt2Tensors.isLearned(name, model.config())) {
          requireZero(name, type.read(stored, 0, shape.dim(0)));
          continue;
        }
        Tensor master = scope.borrow(model.parameters().get(name).master());
        type.read(stored, name.equals(Gpt2Tensors.TOKENS) ? master.slice(0, 0, shape.dim(0)) : master);
      }
    }
    model.parameters().mastersChanged();
  }

  private void requireZero(String name, float[] values) throws MalformedFileException {
    for (float value : values) {
      if (value != 0) {
        throw new MalformedFileException(file.file(), name(name) + " has element " + value
            + ", expected zeros in a model without biases");
      }
    }
  }

  /** Writes the masters in GGUF 3; biases that the model lacks are zeros. */
  static void write(WritableByteChannel out, Gpt2 model, Optional<Tokenizer> tokenizer, WeightType type)
      throws IOException {
    Gpt2Config config = model.config();
    var writer = new GgufWriter().value(ARCHITECTURE, GPT2).value("general.type", "model")
        .value("general.name", GPT2 + "-" + config.layers() + "x" + config.channels())
        .value("general.file_type", FILE_TYPES.get(type)).value("general.alignment", GgufFile.ALIGNMENT)
        .value("general.quantization_version", 2)
        .value("gpt2.block_count", config.layers()).value("gpt2.context_length", config.context())
        .value("gpt2.embedding_length", config.channels()).value("gpt2.feed_forward_length", 4 * config.channels())
        .value("gpt2.attention.head_count", config.heads()).value(EPSILON, config.layerNormEps());
    GgufTokens.write(writer, tokenizer, config.vocabulary());
    try (Scope scope = model.inference()) {
      for (var tensor : Gpt2Tensors.shapes(config).entrySet()) {
        add(writer, tensor.getKey(), name(tensor.getKey()), ours(tensor.getKey(), tensor.getValue()), model, scope,
            type);
      }
      // Older releases of llama.cpp demand the head; newer ones would do without it.
      add(writer, Gpt2Tensors.TOKENS, HEAD, Shape.of(config.vocabulary(), config.channels()), model, scope, type);
      writer.writeTo(out);
    }
  }

  private static void add(GgufWriter writer, String ours, String theirs, Shape shape, Gpt2 model, Scope scope,
      WeightType asked) {
    WeightType type = typeOf(ours, asked);
    if (!Gpt2Tensors.isLearned(ours, model.config())) {
      writer.tensor(theirs, type, shape, out -> type.write(out, theirs, new float[shape.dim(0)]));
      return;
    }
    Tensor master = scope.borrow(model.parameters().get(ours).master());
    Tensor rows = ours.equals(Gpt2Tensors.TOKENS) ? master.slice(0, 0, shape.dim(0)) : master;
    writer.tensor(theirs, type, shape, out -> type.write(out, theirs, rows));
  }

  /** What llama.cpp computes: it reads the epsilon, but not the form of the GELU. */
  static void requireFit(Gpt2Config config) {
    if (config.gelu() != Gelu.TANH) {
      throw new IllegalArgumentException("llama.cpp computes the tanh form of GELU, this model has the form "
          + config.gelu() + "; export it as hf");
    }
  }

  @Override
  public void close() {
    file.close();
  }
}
