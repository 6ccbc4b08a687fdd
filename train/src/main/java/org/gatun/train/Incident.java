package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.io.Safetensors;
import org.gatun.io.SafetensorsWriter;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * A step that stood out: beside the model as it was before it, {@code batch.safetensors} with inputs and
 * targets I32 [micro-steps, B, T], and {@code incident.json}.
 *
 * @param step counted from one
 * @param reason why it stands out, as the end of a sentence
 * @param loss as text, for JSON has no NaN
 */
record Incident(long step, String reason, String loss, String gradientNorm, Map<String, String> options) {
  private static final String BATCH = "batch.safetensors";
  private static final String DESCRIPTION = "incident.json";

  static Incident of(long step, String reason, TrainStep.Outcome outcome, Map<String, String> options) {
    return new Incident(
        step, reason, Float.toString(outcome.loss()), Float.toString(outcome.gradientNorm()), options);
  }

  /** Writes everything but the model to a folder. */
  void write(Path folder, List<Batch> batches, Shape shape) throws IOException {
    int[] dims = {batches.size(), shape.dim(0), shape.dim(1)};
    new SafetensorsWriter()
        .add("inputs", flat(batches.stream().map(Batch::inputs).toList()), dims)
        .add("targets", flat(batches.stream().map(Batch::targets).toList()), dims)
        .write(folder.resolve(BATCH));
    var json = new LinkedHashMap<String, Object>();
    json.put("step", step);
    json.put("reason", reason);
    json.put("loss", loss);
    json.put("gradient_norm", gradientNorm);
    json.put("options", new java.util.TreeMap<>(options));
    AtomicFile.write(folder.resolve(DESCRIPTION), Json.text(json));
  }

  private static int[] flat(List<int[]> parts) {
    return parts.stream().flatMapToInt(Arrays::stream).toArray();
  }

  /** Reads what {@link #write} wrote. */
  static Incident read(Path folder) throws IOException {
    Path file = folder.resolve(DESCRIPTION);
    Map<String, Object> json = Json.read(file);
    if (json.get("step") instanceof Long step
        && json.get("reason") instanceof String reason
        && json.get("loss") instanceof String loss
        && json.get("gradient_norm") instanceof String norm
        && json.get("options") instanceof Map<?, ?> options) {
      var texts = new LinkedHashMap<String, String>();
      options.forEach((key, value) -> texts.put(String.valueOf(key), String.valueOf(value)));
      return new Incident(step, reason, loss, norm, texts);
    }
    throw new MalformedFileException(
        file, "step, reason, loss, gradient_norm or options is missing or of the wrong kind");
  }

  /** The micro-batches and the shape [B, T] of each. */
  record Batches(List<Batch> micro, Shape shape) {}

  /** Reads the batch of the step. */
  static Batches readBatches(Path folder, Scope scope) throws IOException {
    Path path = folder.resolve(BATCH);
    try (var file = Safetensors.open(path)) {
      List<Long> dims = file.entry("inputs").shape();
      if (dims.size() != 3 || dims.stream().anyMatch(dim -> dim < 1 || dim > Integer.MAX_VALUE)) {
        throw new MalformedFileException(path, "inputs are " + dims + ", expected [micro-steps, B, T]");
      }
      int[] shape = dims.stream().mapToInt(Long::intValue).toArray();
      int[] inputs = read(file, "inputs", scope, shape);
      int[] targets = read(file, "targets", scope, shape);
      int size = Math.multiplyExact(shape[1], shape[2]);
      List<Batch> micro =
          IntStream.range(0, shape[0])
              .mapToObj(
                  i -> new Batch(
                      Arrays.copyOfRange(inputs, i * size, (i + 1) * size),
                      Arrays.copyOfRange(targets, i * size, (i + 1) * size)))
              .toList();
      return new Batches(micro, Shape.of(shape[1], shape[2]));
    }
  }

  private static int[] read(Safetensors file, String name, Scope scope, int... shape) throws IOException {
    Tensor tensor = scope.tensor(new int[Math.toIntExact(Shape.of(shape).size())], Shape.of(shape));
    file.read(name, tensor);
    return tensor.toIntArray();
  }
}
