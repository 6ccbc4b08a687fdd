package org.gatun.proof;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.optim.Sgd;
import org.gatun.proof.Checks.Size;
import org.gatun.tensor.Device;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Kernels.Gelu;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Residual;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/** Work at the widths of a model: beyond the sizes at which the oracle can be waited for. */
final class Parity {
  private static final String SUBJECT = "beside the processor";
  private static final int STEPS = 3;
  private static final int MOST_EMBEDDED = 8192;
  private static final int MOST_LOGITS = 128;

  private Parity() {}

  /** One operation: the longest sum forward or backward, and the longest chain of stored results. */
  private record Case(String name, int terms, int stored, Comparison.Work work, int[]... shapes) {
    Check check(Precision precision) {
      return new Check(SUBJECT, name + " " + precision, device -> {
        try (var processor = new CpuDevice(1)) {
          List<float[]> expected = Comparison.results(processor, precision, work, shapes);
          List<float[]> actual = Comparison.results(device, precision, work, shapes);
          return Comparison.worst(actual, expected, Comparison.tolerance(precision, terms, stored));
        }
      });
    }
  }

  static List<Check> checks(Size size) {
    var checks = new ArrayList<Check>();
    for (Precision precision : Precision.values()) {
      cases(size).forEach(each -> checks.add(each.check(precision)));
      checks.add(new Check(SUBJECT, "AdamW " + precision, device -> updates(device, precision, Parity::adamw)));
      checks.add(new Check(SUBJECT, "SGD " + precision, device -> updates(device, precision, Parity::sgd)));
    }
    return checks;
  }

  private static List<Case> cases(Size size) {
    int n = size.rows();
    int c = size.channels();
    int v = size.vocabulary();
    int longest = Math.max(n, 4 * c);
    // What is compared lies on the heap: fewer rows of the widest tensors.
    int few = Math.min(v, MOST_EMBEDDED);
    int rows = Math.min(n, MOST_LOGITS);
    return List.of(
        new Case("linear", longest, 1, (_, x) -> x[0].linear(x[1], x[2]), of(n, c), of(3 * c, c), of(3 * c)),
        new Case("linearGelu", longest, 3, (_, x) -> x[0].linearGelu(x[1], x[2], Gelu.TANH), of(n, c), of(4 * c, c),
            of(4 * c)),
        new Case("mlp", longest, 4, (_, x) -> x[0].mlp(x[1], x[2], x[3], x[4], Gelu.TANH), of(n, c), of(4 * c, c),
            of(4 * c), of(c, 4 * c), of(c)),
        new Case("layerNorm", longest, 2, (_, x) -> x[0].layerNorm(x[1], x[2], 1e-5f), of(n, c), of(c), of(c)),
        new Case("rmsNorm", longest, 2, (_, x) -> x[0].rmsNorm(x[1], 1e-5f), of(n, c), of(c)),
        new Case("addLayerNorm", longest, 4, (_, x) -> {
          Residual r = x[0].addLayerNorm(x[3].times((float) Math.sqrt(c)), x[1], x[2], 1e-5f);
          return r.stream().plus(r.normed());
        }, of(n, c), of(c), of(c), of(n, c)),
        new Case("softmax", c, 2, (_, x) -> x[0].softmax(), of(n, c)),
        new Case("gelu", 1, 2, (_, x) -> x[0].gelu(), of(n, c)),
        new Case("dropout", 1, 1, (_, x) -> x[0].dropout(0.1f, 7), of(n, c)),
        new Case("sum of rows", n, 1, (_, x) -> x[0].sum(0), of(n, c)),
        new Case("embedding", n, 1, (tape, x) -> x[0].embedding(tokens(tape, n, few)), of(few, c)),
        new Case("crossEntropy", v, 2, (tape, x) -> x[0].crossEntropy(tokens(tape, rows, v - 47), v - 47, -1),
            of(rows, v)));
  }

  private static int[] of(int... dims) {
    return dims;
  }

  /** Half of them one token, as the commonest of a text: its row of the table gets a long sum. */
  private static Tensor tokens(Tape tape, int count, int vocabulary) {
    var tokens = new int[count];
    Arrays.setAll(tokens, i -> i % 2 == 0 ? 5 : Integer.remainderUnsigned(Philox.bits(3, i), vocabulary));
    return tape.tensor(tokens, Shape.of(count));
  }

  // Optimizers.

  private interface Optimizer {
    /** Takes some steps with the gradients that are there. */
    void steps(Parameters parameters);
  }

  private static void adamw(Parameters parameters) {
    try (var clip = new GradientClip(parameters, 0.5f); var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
      for (int step = 0; step < STEPS; step++) {
        adamw.step(1e-2f, clip.measure());
        parameters.recallGradients();
      }
    }
  }

  private static void sgd(Parameters parameters) {
    try (var clip = new GradientClip(parameters, 0.5f); var sgd = new Sgd(parameters, 0.9f, 0.1f)) {
      for (int step = 0; step < STEPS; step++) {
        sgd.step(1e-2f, clip.measure());
        parameters.recallGradients();
      }
    }
  }

  /** A weight is stored once in F32 a step; what it is stepped by is made by some ten operations. Then it is rounded once. */
  private static double updates(Device device, Precision precision, Optimizer optimizer) {
    try (var processor = new CpuDevice(1)) {
      List<float[]> actual = updated(device, precision, optimizer);
      List<float[]> expected = updated(processor, precision, optimizer);
      int chain = 10 * STEPS;
      return Math.max(
          Comparison.worst(actual.subList(0, 1), expected.subList(0, 1), Comparison.tolerance(Precision.F32, 1, chain)),
          Comparison.worst(actual.subList(1, 2), expected.subList(1, 2),
              Comparison.tolerance(precision, 1, precision == Precision.F32 ? chain : 1)));
    }
  }

  private static List<float[]> updated(Device device, Precision precision, Optimizer optimizer) {
    try (var parameters = new Parameters(device, precision)) {
      parameters.add("matrix", Initializer.normal(1), 257, 311);
      parameters.add("vector", Initializer.normal(1), 1001);
      parameters.initialize(1);
      Shape shape = parameters.gradients().shape();
      var gradients = new float[Math.toIntExact(shape.size())];
      for (int i = 0; i < gradients.length; i++) {
        gradients[i] = Philox.normal(2, i);
      }
      device.upload(parameters.gradients(), MemorySegment.ofArray(gradients));
      parameters.recallGradients();
      optimizer.steps(parameters);
      return List.of(parameters.masters().toArray(), parameters.values().toArray());
    }
  }
}
