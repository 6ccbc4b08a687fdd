package org.gatun.model;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.gatun.io.AtomicFile;
import org.gatun.io.ElementType;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.io.Safetensors;
import org.gatun.io.SafetensorsWriter;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * The weights of a Hugging Face GPT-2 folder, open for reading.
 *
 * <p>There the four matrices of a block are [in, out] (its Conv1D), ours are [out, in]; the token
 * table has no padding; names may begin with {@code transformer.}; buffers of the attention mask and a
 * second copy of the tied head may lie beside the weights. OpenAI's own names ({@code
 * model/h0/attn/c_attn/w}) are known too, whose matrices are [1, in, out].
 */
final class Gpt2Weights implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final String PREFIX = "transformer.";
  private static final String HEAD = "lm_head.weight";
  private static final Pattern BUFFER = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");
  private static final Set<ElementType> FLOATING = Set.of(ElementType.F32, ElementType.BF16, ElementType.F16);
  private static final int MOST_NAMED = 5;
  private static final int TILE = 16;

  private final Path folder;
  private final List<Safetensors> files = new ArrayList<>();
  private final Map<String, Stored> tensors = new LinkedHashMap<>();

  /** Where a tensor lies, and the name it has there. */
  private record Stored(Safetensors file, String name) {
    Safetensors.Entry entry() throws IOException {
      return file.entry(name);
    }
  }

  private Gpt2Weights(Path folder) {
    this.folder = folder;
  }

  /** The weights of a folder, or of one safetensors file. */
  static Gpt2Weights open(Path folder) throws IOException {
    var weights = new Gpt2Weights(folder);
    try {
      for (Path file : weights.parts()) {
        weights.add(Safetensors.open(file));
      }
      return weights;
    } catch (IOException | RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  private List<Path> parts() throws IOException {
    if (Files.isRegularFile(folder)) {
      return List.of(folder);
    }
    Path single = folder.resolve(SINGLE);
    Path index = folder.resolve(INDEX);
    if (Files.exists(single)) {
      return List.of(single);
    }
    if (!Files.exists(index)) {
      throw new MalformedFileException(folder, "no " + SINGLE + " and no " + INDEX
          + ", expected a Hugging Face GPT-2 folder with one of them");
    }
    if (!(Json.read(index).get("weight_map") instanceof Map<?, ?> map)) {
      throw new MalformedFileException(index, "no weight_map, expected names of tensors and their files");
    }
    var names = new TreeSet<String>();
    for (Object name : map.values()) {
      // Only names of files of this folder: an index from elsewhere must not reach out of it.
      if (!(name instanceof String text) || text.isEmpty() || !text.matches("[\\w.-]+") || text.startsWith(".")) {
        throw new MalformedFileException(index, "weight_map names file "
            + MalformedFileException.quote(String.valueOf(name)) + ", expected a file of the same folder");
      }
      names.add(text);
    }
    return names.stream().map(folder::resolve).toList();
  }

  private void add(Safetensors file) throws IOException {
    files.add(file);
    for (String name : file.names()) {
      String bare = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : Gpt2Tensors.fromOpenAi(name);
      if (!BUFFER.matcher(bare).matches() && tensors.putIfAbsent(bare, new Stored(file, name)) != null) {
        throw new MalformedFileException(file.file(), "tensor " + MalformedFileException.quote(name)
            + " is there twice, expected once");
      }
    }
  }

  /** Checks names, types and shapes: before a model is built, because a wrong configuration may ask for any size. */
  void requireFit(Gpt2Config config) throws IOException {
    if (config.layers() > tensors.size()) {
      throw new MalformedFileException(folder, "the weights are " + tensors.size() + " tensors, expected those of "
          + config.layers() + " layers as " + Gpt2Folder.CONFIG + " says");
    }
    Map<String, Shape> expected = Gpt2Tensors.shapes(config);
    requireNames(expected);
    for (String name : expected.keySet()) {
      requireTypeAndShape(name, expected.get(name));
    }
    requireTiedHead();
    for (String name : expected.keySet()) {
      if (!Gpt2Tensors.isLearned(name, config)) {
        requireZero(name);
      }
    }
  }

  /** Overwrites the parameters of a model whose configuration fits. */
  void readInto(Gpt2 model) throws IOException {
    for (String name : Gpt2Tensors.shapes(model.config()).keySet()) {
      if (Gpt2Tensors.isLearned(name, model.config())) {
        read(name, model.parameters().get(name));
      }
    }
    model.parameters().mastersChanged();
  }

  private void requireNames(Map<String, Shape> expected) throws MalformedFileException {
    List<String> missing = expected.keySet().stream().filter(name -> !tensors.containsKey(name)).toList();
    List<String> unknown = tensors.keySet().stream()
        .filter(name -> !expected.containsKey(name) && !name.equals(HEAD)).toList();
    if (!missing.isEmpty()) {
      throw new MalformedFileException(folder, "the weights lack " + names(missing) + ", expected as "
          + Gpt2Folder.CONFIG + " says");
    }
    if (!unknown.isEmpty()) {
      throw new MalformedFileException(folder, "the weights have " + names(unknown)
          + ", expected only what " + Gpt2Folder.CONFIG + " says");
    }
  }

  private static String names(List<String> names) {
    String first = String.join(", ", names.stream().limit(MOST_NAMED).map(MalformedFileException::quote).toList());
    return names.size() <= MOST_NAMED ? first : first + " and " + (names.size() - MOST_NAMED) + " more";
  }

  private void requireTypeAndShape(String name, Shape expected) throws IOException {
    Stored stored = tensors.get(name);
    if (!FLOATING.contains(stored.entry().type())) {
      throw new MalformedFileException(stored.file().file(), "tensor " + MalformedFileException.quote(stored.name())
          + " is " + stored.entry() + ", expected F32, BF16 or F16");
    }
    List<Long> dims = Arrays.stream(expected.toArray()).mapToObj(Long::valueOf).toList();
    if (!shape(stored).equals(dims)) {
      throw new MalformedFileException(stored.file().file(), "tensor " + MalformedFileException.quote(stored.name())
          + " is " + stored.entry() + ", expected " + expected + " as " + Gpt2Folder.CONFIG + " says");
    }
  }

  /** Without the leading 1 that OpenAI's matrices have, being kernels of a convolution of width 1. */
  private static List<Long> shape(Stored stored) throws IOException {
    List<Long> shape = stored.entry().shape();
    boolean kernel = shape.size() == 3 && shape.getFirst() == 1 && Gpt2Tensors.isOpenAi(stored.name());
    return kernel ? shape.subList(1, 3) : shape;
  }

  /** The dimensions of a tensor without those of 1 in front; empty if there is none of this name. */
  List<Long> shape(String name) throws IOException {
    Stored stored = tensors.get(name);
    return stored == null ? List.of() : shape(stored);
  }

  private void requireTiedHead() throws IOException {
    Stored head = tensors.get(HEAD);
    if (head == null) {
      return;
    }
    Stored tokens = tensors.get(Gpt2Tensors.TOKENS);
    boolean same = head.entry().type() == tokens.entry().type() && head.entry().shape().equals(tokens.entry().shape())
        && head.file().bytes(head.name()).mismatch(tokens.file().bytes(tokens.name())) < 0;
    if (!same) {
      throw new MalformedFileException(head.file().file(),
          HEAD + " differs from " + Gpt2Tensors.TOKENS + ", expected a head that is tied to the token table");
    }
  }

  private void requireZero(String name) throws IOException {
    Stored stored = tensors.get(name);
    for (float value : stored.file().floats(stored.name())) {
      if (value != 0) {
        throw new MalformedFileException(stored.file().file(), "tensor " + MalformedFileException.quote(stored.name())
            + " has element " + value + ", expected zeros in a model that " + Gpt2Folder.CONFIG
            + " calls one without biases");
      }
    }
  }

  private void read(String name, Parameter parameter) throws IOException {
    Stored stored = tensors.get(name);
    Tensor master = parameter.master();
    if (Gpt2Tensors.isTransposed(name)) {
      Shape shape = parameter.shape();
      float[] values = transposed(stored.file().floats(stored.name()), shape.dim(1), shape.dim(0));
      master.device().upload(master, MemorySegment.ofArray(values));
    } else if (name.equals(Gpt2Tensors.TOKENS)) {
      int rows = Math.toIntExact(stored.entry().shape().getFirst());
      try (Scope scope = Scope.on(master.device())) {
        stored.file().read(stored.name(), scope.borrow(master).slice(0, 0, rows));
      }
    } else {
      stored.file().read(stored.name(), master);
    }
  }

  /** [rows, columns] as [columns, rows]; in strips of one cache line, whose lines are used while they are near. */
  static float[] transposed(float[] values, int rows, int columns) {
    var result = new float[values.length];
    for (int top = 0; top < rows; top += TILE) {
      for (int j = 0; j < columns; j++) {
        for (int i = top; i < Math.min(rows, top + TILE); i++) {
          result[j * rows + i] = values[i * columns + j];
        }
      }
    }
    return result;
  }

  /** Writes the masters as one file, as {@code GPT2LMHeadModel} names them. */
  static void write(Path folder, Gpt2 model, WeightType type) throws IOException {
    var writer = new SafetensorsWriter().metadata("format", "pt");
    try (Scope scope = model.inference()) {
      Gpt2Tensors.shapes(model.config()).forEach((name, shape) -> {
        AtomicFile.Content content = Gpt2Tensors.isLearned(name, model.config())
            ? content(name, shape, scope.borrow(model.parameters().get(name).master()), type)
            : out -> type.write(out, name, new float[shape.dim(0)]);
        writer.add(PREFIX + name, type.element(), content, shape.toArray());
      });
      writer.write(folder.resolve(SINGLE));
    }
  }

  private static AtomicFile.Content content(String name, Shape shape, Tensor master, WeightType type) {
    if (Gpt2Tensors.isTransposed(name)) {
      return out -> type.write(out, name, transposed(master.toArray(), shape.dim(1), shape.dim(0)));
    }
    Tensor rows = name.equals(Gpt2Tensors.TOKENS) ? master.slice(0, 0, shape.dim(0)) : master;
    return out -> type.write(out, name, rows);
  }

  @Override
  public void close() {
    files.forEach(Safetensors::close);
  }
}
