package org.gatun.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.gatun.io.MalformedFileException;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Tensor;

/**
 * A checkpoint of llm.c: 256 integers of 32 bits, then all parameters in a fixed order, each kind for
 * all layers side by side; matrices are [out, in] and the token table is padded to a multiple of 128.
 *
 * @see <a href="https://github.com/karpathy/llm.c/blob/master/train_gpt2.py">write_model in train_gpt2.py</a>
 */
final class LlmcModel implements Gpt2Source {
  static final int MAGIC = 20240326;

  private static final int F32_VERSION = 3;
  private static final int BF16_VERSION = 5;
  private static final int HEADER_BYTES = 1024;
  private static final float EPSILON = 1e-5f;
  private static final List<String> KINDS = List.of("ln_1.weight", "ln_1.bias", "attn.c_attn.weight",
      "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",
      "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias");
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final Arena arena;
  private final MemorySegment bytes;
  private final WeightType type;
  private final Gpt2Config config;
  private final int rows;

  private LlmcModel(Path file, Arena arena, MemorySegment bytes) throws IOException {
    this.file = file;
    this.arena = arena;
    this.bytes = bytes;
    if (bytes.byteSize() < HEADER_BYTES || at(0) != MAGIC) {
      throw new MalformedFileException(file, bytes.byteSize() + " bytes that do not begin with llm.c's header,"
          + " expected " + HEADER_BYTES + " bytes of header with magic " + MAGIC);
    }
    type = switch (at(1)) {
      case F32_VERSION -> WeightType.F32;
      case BF16_VERSION -> WeightType.BF16;
      default -> throw new MalformedFileException(file, "an llm.c checkpoint of version " + at(1)
          + ", expected 3 (f32) or 5 (bf16); write it again with a current llm.c");
    };
    try {
      config = Gpt2Config.of(at(4), at(5), at(6)).withContext(at(2)).withVocabulary(at(3));
    } catch (IllegalArgumentException e) {
      throw new MalformedFileException(file, e.getMessage(), e);
    }
    rows = at(7) == 0 ? config.paddedVocabulary() : at(7);
    requireSize();
  }

  static LlmcModel open(Path file) throws IOException {
    Arena arena = Arena.ofShared();
    try (var channel = FileChannel.open(file)) {
      return new LlmcModel(file, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private int at(int index) {
    return bytes.getAtIndex(INT, index);
  }

  private void requireSize() throws MalformedFileException {
    long padding = rows - (long) config.vocabulary();
    long expected = HEADER_BYTES + (config.parameterCount() + padding * config.channels()) * type.byteSize();
    if (padding < 0 || bytes.byteSize() != expected) {
      throw new MalformedFileException(file, bytes.byteSize() + " bytes and a token table of " + rows
          + " rows, expected " + expected + " bytes and at least " + config.vocabulary() + " rows of " + config.layers()
          + " layers with " + config.channels() + " channels in " + type);
    }
  }

  @Override
  public Gpt2Config config() {
    return config;
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return config.vocabulary() == Gpt2Config.GPT2_VOCABULARY ? Optional.of(new Gpt2Tokenizer()) : Optional.empty();
  }

  /** The names of our parameters in the order of the file. */
  private static List<String> order(int layers) {
    var names = new ArrayList<String>();
    names.add(Gpt2Tensors.TOKENS);
    names.add(Gpt2Tensors.POSITIONS);
    for (String kind : KINDS) {
      for (int i = 0; i < layers; i++) {
        names.add("h." + i + "." + kind);
      }
    }
    names.add("ln_f.weight");
    names.add("ln_f.bias");
    return names;
  }

  @Override
  public void readInto(Gpt2 model) throws IOException {
    long start = HEADER_BYTES;
    var shapes = Gpt2Tensors.shapes(config);
    for (String name : order(config.layers())) {
      long size = shapes.get(name).size();
      MemorySegment stored = bytes.asSlice(start, size * type.byteSize());
      if (Gpt2Tensors.isLearned(name, model.config())) {
        read(stored, name, model.parameters().get(name));
      } else {
        requireZero(stored, name, Math.toIntExact(size));
      }
      boolean padded = name.equals(Gpt2Tensors.TOKENS);
      start += (padded ? (long) rows * config.channels() : size) * type.byteSize();
    }
    model.parameters().mastersChanged();
  }

  /** Of the token table only the rows of the vocabulary: those of ours beyond it stay zero. */
  private void read(MemorySegment stored, String name, Parameter parameter) {
    try (Scope scope = Scope.on(parameter.master().device())) {
      Tensor master = scope.borrow(parameter.master());
      type.read(stored, name.equals(Gpt2Tensors.TOKENS) ? master.slice(0, 0, config.vocabulary()) : master);
    }
  }

  private void requireZero(MemorySegment stored, String name, int size) throws MalformedFileException {
    for (float value : type.read(stored, 0, size)) {
      if (value != 0) {
        throw new MalformedFileException(file, name + " has element " + value + ", expected zeros in a model without"
            + " biases");
      }
    }
  }

  /** Writes the masters; biases that the model lacks are zeros. */
  static void write(WritableByteChannel out, Gpt2 model, WeightType type) throws IOException {
    Gpt2Config config = model.config();
    var header = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    header.putInt(MAGIC).putInt(type == WeightType.F32 ? F32_VERSION : BF16_VERSION).putInt(config.context())
        .putInt(config.vocabulary()).putInt(config.layers()).putInt(config.heads()).putInt(config.channels())
        .putInt(config.paddedVocabulary()).rewind();
    while (header.hasRemaining()) {
      out.write(header);
    }
    var shapes = Gpt2Tensors.shapes(config);
    try (Scope scope = model.inference()) {
      for (String name : order(config.layers())) {
        if (Gpt2Tensors.isLearned(name, config)) {
          type.write(out, name, scope.borrow(model.parameters().get(name).master()));
        } else {
          type.write(out, name, new float[shapes.get(name).dim(0)]);
        }
      }
    }
  }

  /** What llm.c computes: it reads neither the form of the GELU nor the epsilon from anywhere. */
  static void requireFit(Gpt2Config config) {
    if (config.gelu() != Gelu.TANH || config.layerNormEps() != EPSILON) {
      throw new IllegalArgumentException("llm.c computes the tanh form of GELU and norms with epsilon " + EPSILON
          + ", this model has " + config.gelu() + " and " + config.layerNormEps() + "; export it as hf");
    }
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
