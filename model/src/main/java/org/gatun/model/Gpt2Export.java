package org.gatun.model;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.gatun.io.AtomicFile;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;

/**
 * Writes models in the formats of others, and believes only what it has read back: the file gets its
 * name after the model in it was loaded again and found to predict what it must.
 */
public record Gpt2Export(ModelFormat format, WeightType type) {
  private static final int TOKENS = 32;

  /**
   * How many times the expected relative change of the logits is taken for an error. A change within
   * comes from rounding; weights in the wrong place change logits by about as much as they are.
   */
  private static final double MARGIN = 8;

  /** @throws IllegalArgumentException if the format has no such type */
  public Gpt2Export {
    if (!format.holds(type)) {
      throw new IllegalArgumentException("an llm.c checkpoint holds f32 or bf16, not "
          + type.name().toLowerCase(Locale.ROOT));
    }
  }

  /**
   * Writes a model to a place that must be free: a folder for Hugging Face, else a file. Afterwards the
   * model is the one that was written, with weights rounded to the type.
   *
   * @return the largest change of a logit, of some fixed tokens, by that rounding
   * @throws IOException if the place is taken or cannot be written, or if what was read back differs;
   *     then nothing is left there
   * @throws IllegalArgumentException if programs that read the format would compute something else
   */
  public double write(Gpt2 model, Optional<Tokenizer> tokenizer, Path output) throws IOException {
    requireFit(model.config());
    Path target = output.toAbsolutePath().normalize();
    if (Files.exists(target)) {
      throw new FileAlreadyExistsException(output.toString());
    }
    Files.createDirectories(target.getParent());
    Path temporary = target.resolveSibling("." + target.getFileName() + ".tmp");
    delete(temporary);
    try {
      put(model, tokenizer, temporary);
      double change = requireEqual(model, temporary);
      AtomicFile.rename(temporary, target);
      return change;
    } finally {
      delete(temporary);
    }
  }

  private void requireFit(Gpt2Config config) {
    switch (format) {
      case HF -> {}
      case LLMC -> LlmcModel.requireFit(config);
      case GGUF -> GgufModel.requireFit(config);
    }
  }

  private void put(Gpt2 model, Optional<Tokenizer> tokenizer, Path path) throws IOException {
    if (format == ModelFormat.HF) {
      new Gpt2Folder(path).write(model, tokenizer, type);
      return;
    }
    try (var out = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      if (format == ModelFormat.LLMC) {
        LlmcModel.write(out, model, type);
      } else {
        GgufModel.write(out, model, tokenizer, type);
      }
      out.force(true);
    }
  }

  /** Reads the model back into the same memory: of a large one there is no second copy. */
  private double requireEqual(Gpt2 model, Path written) throws IOException {
    float[] exact = logits(model);
    for (Parameter parameter : model.parameters().all()) {
      format.typeOf(parameter.name(), type).round(parameter.master());
    }
    model.parameters().mastersChanged();
    float[] rounded = logits(model);
    try (var source = Gpt2Source.open(written, format)) {
      requireEqual(model.config(), source.config(), written);
      // What the file lacks must not be found in memory.
      model.parameters().device().kernels().pointwise().fill(model.parameters().masters(), 0f);
      source.readInto(model);
    }
    float[] read = logits(model);
    for (int i = 0; i < rounded.length; i++) {
      if (Float.floatToIntBits(read[i]) != Float.floatToIntBits(rounded[i])) {
        throw new IOException(written + ": logit " + i + " of the model read back is " + read[i] + ", expected "
            + rounded[i] + "; nothing was exported");
      }
    }
    return requireClose(exact, rounded, model.config(), written);
  }

  private static void requireEqual(Gpt2Config expected, Gpt2Config found, Path written) throws IOException {
    if (!found.withBias(true).withDropout(0).equals(expected.withBias(true).withDropout(0))) {
      throw new IOException(written + ": the configuration read back is " + found + ", expected " + expected
          + "; nothing was exported");
    }
  }

  /**
   * Rounding changes each product by a relative error that is evenly spread up to the unit roundoff u,
   * so by u / √3 on average, independently in the 4 L matrices and 3 tables on the way to a logit.
   */
  private double requireClose(float[] exact, float[] rounded, Gpt2Config config, Path written) throws IOException {
    double change = 0;
    double size = 0;
    double largest = 0;
    for (int i = 0; i < exact.length; i++) {
      double difference = (double) rounded[i] - exact[i];
      change += difference * difference;
      size += (double) exact[i] * exact[i];
      largest = Math.max(largest, Math.abs(difference));
    }
    double bound = MARGIN * type.unitRoundoff() / Math.sqrt(3) * Math.sqrt(4.0 * config.layers() + 3);
    if (!(Math.sqrt(change) <= bound * Math.sqrt(size))) {
      throw new IOException(String.format(Locale.ROOT, "%s: rounding to %s changes the logits by %.3g of their size,"
          + " expected at most %.3g; nothing was exported", written, type, Math.sqrt(change / size), bound));
    }
    return largest;
  }

  /** The logits of some tokens spread over the vocabulary, without those of padding. */
  private static float[] logits(Gpt2 model) {
    Gpt2Config config = model.config();
    int time = Math.min(TOKENS, config.context());
    var tokens = new int[time];
    for (int i = 0; i < time; i++) {
      tokens[i] = (int) ((i * 7_919L + 13) % config.vocabulary());
    }
    try (Scope scope = model.inference()) {
      return model.logits(scope.tensor(tokens, Shape.of(1, time))).slice(2, 0, config.vocabulary()).toArray();
    }
  }

  private static void delete(Path path) throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    List<Path> all;
    try (Stream<Path> walk = Files.walk(path)) {
      all = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path file : all) {
      Files.delete(file);
    }
  }
}
