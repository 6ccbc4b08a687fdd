package org.gatun.train;

import org.gatun.tensor.Device;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * How fast a device multiplies large matrices, measured: what a training step can be compared with.
 */
final class PeakMeter {
  private static final int SIZE = 768;
  private static final int TRIALS = 8;

  private PeakMeter() {}

  /**
   * Floating-point operations a second of the best of some trials; takes about a tenth of a second.
   */
  static double measure(Device device) {
    double best = Double.MAX_VALUE;
    try (var scope = Scope.on(device)) {
      Tensor a = scope.full(1f, Shape.of(SIZE, SIZE));
      Tensor b = scope.full(1f, Shape.of(SIZE, SIZE));
      for (int trial = 0; trial < TRIALS; trial++) {
        long start = System.nanoTime();
        Tensor c = a.matmul(b);
        c.slice(0, 0, 1).slice(1, 0, 1).item(); // waits for the device
        best = Math.min(best, System.nanoTime() - start);
        scope.release(c);
      }
    }
    return 2.0 * SIZE * SIZE * SIZE / best * 1e9;
  }
}
