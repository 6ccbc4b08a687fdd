package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/**
 * What, beside weights and moments, a run must know to go on: all random numbers are functions of
 * the seed (an option) and of the step, so a few numbers say where it is. None of them depends on how
 * a step is cut into micro-batches.
 *
 * @param step steps taken, counting those whose update was left out
 * @param updates updates of the optimizer
 * @param dataPosition windows taken from the data
 */
record RunState(
    long step, long updates, long dataPosition, SpikeGuard.State guard, Provenance provenance) {
  private static final long FORMAT = 2;

  /** A run that is about to begin. */
  static RunState begin(Provenance provenance) {
    return new RunState(0, 0, 0, SpikeGuard.State.NOTHING, provenance);
  }

  /** The same place in the run, in other surroundings. */
  RunState with(Provenance other) {
    return new RunState(step, updates, dataPosition, guard, other);
  }

  /** The run's options as text, by name without dashes. */
  Map<String, String> options() {
    return provenance.options();
  }

  /** As JSON. */
  String toJson() {
    var json = new LinkedHashMap<String, Object>();
    json.put("gatun_run", FORMAT);
    json.put("step", step);
    json.put("updates", updates);
    json.put("data_position", dataPosition);
    json.put("data_sha256", provenance.dataHash());
    json.put("data_manifest_sha256", provenance.manifestHash());
    json.put("command", provenance.command());
    json.put("options", new TreeMap<>(provenance.options()));
    json.put("versions", new TreeMap<>(provenance.versions()));
    json.put("skipped_in_a_row", guard.skipped());
    json.put("recent_losses", guard.losses());
    json.put("recent_gradient_norms", guard.norms());
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
    try {
      var guard =
          new SpikeGuard.State(
              floats(json, "recent_losses"),
              floats(json, "recent_gradient_norms"),
              Math.toIntExact(number(json, "skipped_in_a_row")));
      List<?> command = get(json, "command", List.class);
      var provenance =
          new Provenance(
              command.stream().map(String::valueOf).toList(),
              strings(get(json, "options", Map.class)),
              get(json, "data_sha256", String.class),
              get(json, "data_manifest_sha256", String.class),
              strings(get(json, "versions", Map.class)));
      return new RunState(
          number(json, "step"), number(json, "updates"), number(json, "data_position"), guard, provenance);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new MalformedFileException(file, e.getMessage());
    }
  }

  private static <T> T get(Map<String, Object> json, String key, Class<T> type) {
    if (!type.isInstance(json.get(key))) {
      throw new IllegalArgumentException(key + " is missing or of the wrong kind");
    }
    return type.cast(json.get(key));
  }

  private static long number(Map<String, Object> json, String key) {
    long value = get(json, key, Long.class);
    if (value < 0) {
      throw new IllegalArgumentException(key + " is " + value + ", expected zero or more");
    }
    return value;
  }

  private static List<Float> floats(Map<String, Object> json, String key) {
    List<?> values = get(json, key, List.class);
    return values.stream().map(value -> {
      if (value instanceof Number number) {
        return number.floatValue();
      }
      throw new IllegalArgumentException(key + " holds something other than numbers");
    }).toList();
  }

  private static Map<String, String> strings(Map<?, ?> map) {
    var strings = new TreeMap<String, String>();
    map.forEach((key, value) -> strings.put(String.valueOf(key), String.valueOf(value)));
    return strings;
  }
}
