package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.gatun.io.AtomicFile;
import org.gatun.io.MalformedFileException;
import org.gatun.io.Safetensors;
import org.gatun.io.SafetensorsWriter;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Folder;
import org.gatun.model.Tokenizer;
import org.gatun.optim.AdamW;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Tensor;

/**
 * The files of a checkpoint: a Hugging Face model folder, {@code optimizer.safetensors} with both
 * moments of each parameter under PyTorch's names, and {@code state.json}.
 */
final class Checkpoint {
  static final String OPTIMIZER = "optimizer.safetensors";
  private static final String STEP = "step";

  /** Sorted, because Map.of has another order in every process, and equal runs write equal files. */
  private static final Map<String, Function<Moments, Tensor>> MOMENTS =
      new TreeMap<>(Map.of(".exp_avg", Moments::first, ".exp_avg_sq", Moments::second));

  /** The optimizer's flat moments after some updates. */
  record Moments(Tensor first, Tensor second, long updates) {
    static Moments of(AdamW adamw) {
      return new Moments(adamw.firstMoment(), adamw.secondMoment(), adamw.steps());
    }
  }

  private Checkpoint() {}

  /** Writes to an empty folder; without a tokenizer, where that is null. */
  static void write(Path folder, Gpt2 model, Tokenizer tokenizer, Moments moments, RunState state)
      throws IOException {
    writeModel(folder, model, tokenizer);
    var writer = new SafetensorsWriter().metadata(STEP, Long.toString(moments.updates()));
    for (Parameter parameter : model.parameters().all()) {
      MOMENTS.forEach(
          (suffix, moment) -> writer.add(parameter.name() + suffix, slice(moment.apply(moments), parameter)));
    }
    writer.write(folder.resolve(OPTIMIZER));
    AtomicFile.write(folder.resolve(RunFolder.STATE), state.toJson());
  }

  /** Writes the model alone. */
  static void writeModel(Path folder, Gpt2 model, Tokenizer tokenizer) throws IOException {
    var modelFolder = new Gpt2Folder(folder);
    if (tokenizer == null) {
      modelFolder.write(model);
    } else {
      modelFolder.write(model, tokenizer);
    }
  }

  /**
   * Reads the moments of every parameter.
   *
   * @throws IOException if they are not those of this model after as many updates
   */
  static void readMoments(Path folder, Parameters parameters, AdamW adamw, long updates)
      throws IOException {
    Moments moments = Moments.of(adamw);
    Path path = folder.resolve(OPTIMIZER);
    try (var file = Safetensors.open(path)) {
      String written = file.metadata().get(STEP);
      if (!Long.toString(updates).equals(written)) {
        throw new MalformedFileException(
            path,
            "of "
                + written
                + " updates, but "
                + RunFolder.STATE
                + " is of "
                + updates
                + "; the files of this folder do not belong together");
      }
      Set<String> left = new HashSet<>(file.names());
      for (Parameter parameter : parameters.all()) {
        for (var moment : MOMENTS.entrySet()) {
          String name = parameter.name() + moment.getKey();
          file.read(name, slice(moment.getValue().apply(moments), parameter));
          left.remove(name);
        }
      }
      if (!left.isEmpty()) {
        throw new MalformedFileException(
            path,
            "has tensors the model has no parameters for, "
                + left.iterator().next()
                + " among them");
      }
    }
    adamw.resumeAt(updates);
  }

  private static Tensor slice(Tensor flat, Parameter parameter) {
    int start = Math.toIntExact(parameter.start());
    return flat.slice(0, start, start + Math.toIntExact(parameter.shape().size()))
        .reshape(parameter.shape().toArray());
  }
}
