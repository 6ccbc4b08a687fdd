package org.gatun.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.gatun.cpu.CpuDevice;
import org.gatun.nn.Linear;
import org.gatun.optim.AdamW.Config;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;

class AdamWTest {
  private static final int STEPS = 3;

  @Test
  void preparingAndApplyingIsAStep() {
    assertArrayEquals(train(false), train(true));
  }

  /** Three steps of a layer, each learning rate another, so that a stale schedule would show. */
  private static float[] train(boolean apart) {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      var layer = new Linear(parameters.in("layer"), 5, 3);
      parameters.initialize(42);
      try (var adamw = new AdamW(parameters, Config.defaults()); var scope = Scope.on(device)) {
        Tensor scale = scope.full(0.5f, Shape.of());
        for (int step = 1; step <= STEPS; step++) {
          try (var tape = Tape.on(device)) {
            tape.backward(layer.forward(tape.full(1f, Shape.of(2, 5))).square().mean());
          }
          if (apart) {
            adamw.prepare(0.1f / step);
            adamw.apply(scale);
          } else {
            adamw.step(0.1f / step, scale);
          }
        }
        assertEquals(STEPS, adamw.steps());
        return scope.borrow(parameters.masters()).toArray();
      }
    }
  }

  @Test
  void applyingBeforePreparingIsRefused() {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      new Linear(parameters.in("layer"), 5, 3);
      parameters.initialize(42);
      try (var adamw = new AdamW(parameters, Config.defaults()); var scope = Scope.on(device)) {
        Tensor scale = scope.full(1f, Shape.of());
        var thrown = assertThrows(IllegalStateException.class, () -> adamw.apply(scale));
        assertEquals("adamw: no step is prepared; call prepare(learningRate) before apply(scale)",
            thrown.getMessage());
      }
    }
  }
}
