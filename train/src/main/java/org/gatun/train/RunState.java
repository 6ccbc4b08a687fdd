package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/**
 * What, beside weights and moments, a run must know to go on: all random numbers are functions of
 * the seed (an option) and of the step, so two numbers say where it is.
 *
 * @param step optimizer steps taken
 * @param dataPosition windows taken from the data
 * @param dataHash {@link Tokens#sha256} of the training data
 * @param options every option of the run as text, by name without dashes
 * @param versions what wrote it
 */
record RunState(
    long step,
    long dataPosition,
    String dataHash,
    Map<String, String> options,
    Map<String, String> versions) {
  private static final long FORMAT = 1;

  RunState {
    options = Map.copyOf(options);
    versions = Map.copyOf(versions);
  }

  /** The same run later. */
  RunState at(long newStep, long newPosition) {
    return new RunState(newStep, newPosition, dataHash, options, versions);
  }

  /** As JSON. */
  String toJson() {
    var json = new LinkedHashMap<String, Object>();
    json.put("gatun_run", FORMAT);
    json.put("step", step);
    json.put("data_position", dataPosition);
    json.put("data_sha256", dataHash);
    json.put("options", new TreeMap<>(options));
    json.put("versions", new TreeMap<>(versions));
    return Json.text(json);
  }

  /**
   * Reads what {@link #toJson} wrote.
   *
   * @throws IOException if the file holds something else
   */
  static RunState read(Path file) throws IOException {
    Map<String, Object> json = Json.read(file);
    if (!(json.get("gatun_run") instanceof Long format)) {
      throw new MalformedFileException(
          file, "no \"gatun_run\" in it, so it is not the state of a run");
    }
    if (format != FORMAT) {
      throw new MalformedFileException(
          file,
          "a run's state of format "
              + format
              + ", expected "
              + FORMAT
              + "; use the version that wrote it");
    }
    if (json.get("step") instanceof Long step
        && step >= 0
        && json.get("data_position") instanceof Long position
        && position >= 0
        && json.get("data_sha256") instanceof String hash
        && json.get("options") instanceof Map<?, ?> options
        && json.get("versions") instanceof Map<?, ?> versions) {
      return new RunState(step, position, hash, strings(options), strings(versions));
    }
    throw new MalformedFileException(
        file,
        "step, data_position, data_sha256, options or versions is missing or of the wrong kind");
  }

  private static Map<String, String> strings(Map<?, ?> map) {
    var strings = new TreeMap<String, String>();
    map.forEach((key, value) -> strings.put(String.valueOf(key), String.valueOf(value)));
    return strings;
  }
}
