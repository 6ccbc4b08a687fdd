package org.gatun.model;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.gatun.io.Json;
import org.gatun.io.Safetensors;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** A two-layer GPT-2 and what PyTorch computes with it; see src/test/python/make_fixture.py. */
final class Reference implements AutoCloseable {
  static final Path FOLDER = folder();

  private final Safetensors tensors;
  private final Map<String, Object> numbers;

  Reference() throws IOException {
    numbers = Json.read(FOLDER.resolve("reference.json"));
    tensors = Safetensors.open(FOLDER.resolve("reference.safetensors"));
  }

  private static Path folder() {
    try {
      return Path.of(Reference.class.getResource("fixture/config.json").toURI()).getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** I32 [B, T]. */
  Tensor tokens(Scope scope) throws IOException {
    return indices(scope, "tokens");
  }

  /** I32 [B, T]. */
  Tensor targets(Scope scope) throws IOException {
    return indices(scope, "targets");
  }

  private Tensor indices(Scope scope, String name) throws IOException {
    int[] dims = tensors.entry(name).shape().stream().mapToInt(Long::intValue).toArray();
    return scope.tensor(tensors.ints(name), Shape.of(dims));
  }

  float[] tensor(String name) throws IOException {
    return tensors.floats(name);
  }

  double number(String name) {
    return ((Number) numbers.get(name)).doubleValue();
  }

  double[] series(String name) {
    return ((List<?>) numbers.get(name)).stream().mapToDouble(value -> ((Number) value).doubleValue()).toArray();
  }

  @Override
  public void close() {
    tensors.close();
  }
}
