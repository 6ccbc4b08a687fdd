package org.gatun.tensor;

import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Finds the first operation of a step that made a NaN or an infinity, by reading whatever each of them
 * makes: several times as slow as the step itself. Give it to {@link Tape#observe}.
 *
 * <p>A tensor whose norm is beyond the range of F32 counts as not finite.
 */
public final class FiniteCheck implements Tape.Observer {
  private final Map<Node, String> places = new IdentityHashMap<>();
  private String place = "the input";
  private String finding;

  /** A check that has seen nothing yet. */
  public FiniteCheck() {}

  /** √Σ x² of a contiguous tensor. */
  public static float norm(Tensor x) {
    try (Scope scope = Scope.on(x.device())) {
      Tensor norm = scope.allocate(Shape.of(), DType.F32);
      x.kernels().update().norm(norm, x);
      return norm.item();
    }
  }

  private static boolean isFinite(Tensor x) {
    return Float.isFinite(norm(x));
  }

  /** Looks at the values of parameters, before a step uses them. */
  public void examine(Parameters parameters) {
    for (Parameter parameter : parameters.all()) {
      if (finding == null && !isFinite(parameter.master())) {
        finding = "parameter " + parameter.name() + " was not finite before the step";
      }
    }
  }

  /** Where it began, as the second half of a sentence; null while everything was finite. */
  public String finding() {
    return finding;
  }

  @Override
  public void recorded(Node node) {
    String own = place(node);
    place = own.isEmpty() ? place : own;
    places.put(node, (own.isEmpty() ? " after " : " of ") + place);
    if (finding == null && !areFinite(node.outputs().stream())) {
      finding = node.operation() + places.get(node) + " was the first to make a value that is not finite";
    }
  }

  @Override
  public void carriedBack(Node node, Gradients gradients) {
    if (finding != null) {
      return;
    }
    Stream<Tensor> made = node.inputs().stream().filter(Tensor::isTracked)
        .map(x -> x.parameter() != null ? x.parameter().gradient() : gradients.has(x) ? gradients.of(x) : null);
    if (!areFinite(made)) {
      finding = "the derivative of " + node.operation() + places.getOrDefault(node, "")
          + " was the first to make a gradient that is not finite";
    }
  }

  private static boolean areFinite(Stream<Tensor> tensors) {
    return tensors.allMatch(x -> x == null || !x.dtype().isFloating() || !x.isContiguous() || isFinite(x));
  }

  /** What the names of the parameters of an operation have in common: h.3.mlp of h.3.mlp.c_fc.weight and others. */
  private static String place(Node node) {
    if (node instanceof Recomputed) {
      return "";
    }
    List<String[]> names = node.inputs().stream().filter(input -> input.parameter() != null)
        .map(input -> input.parameter().name().split("\\.")).toList();
    if (names.isEmpty()) {
      return "";
    }
    int common = names.getFirst().length - 1;
    for (String[] name : names) {
      int mismatch = Arrays.mismatch(names.getFirst(), name);
      common = mismatch < 0 ? common : Math.min(common, mismatch);
    }
    return String.join(".", Arrays.copyOf(names.getFirst(), common));
  }
}
