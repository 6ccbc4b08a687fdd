package org.gatun.example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.gatun.cpu.CpuDevice;
import org.gatun.nn.Linear;
import org.gatun.optim.AdamW;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The library example of the README: what it shows must work as it stands. */
class XorTest {
  private static final float[] POINTS = {0, 0, 0, 1, 1, 0, 1, 1};

  @Test
  void aPerceptronWithOneHiddenLayerLearnsXor() {
    try (Device device = new CpuDevice();
        var parameters = new Parameters(device, Precision.F32)) {
      var hidden = new Linear(parameters.in("hidden"), 2, 32);
      var head = new Linear(parameters.in("head"), 32, 2);
      parameters.initialize(42);

      try (var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
        for (int step = 0; step < 500; step++) {
          try (var tape = Tape.on(device)) {
            Tensor x = tape.tensor(POINTS, Shape.of(4, 2));
            Tensor logits = head.forward(hidden.forwardGelu(x));
            Tensor loss = logits.crossEntropy(tape.tensor(new int[]{0, 1, 1, 0}, Shape.of(4)));
            tape.backward(loss);
            adamw.step(1e-2f);
          }
        }
      }
      try (var scope = Scope.on(device)) {
        Tensor logits = head.forward(hidden.forwardGelu(scope.tensor(POINTS, Shape.of(4, 2))));
        assertArrayEquals(new int[]{0, 1, 1, 0}, logits.argMax().toIntArray());
      }
    }
  }
}
