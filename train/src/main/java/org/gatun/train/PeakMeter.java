package org.gatun.train;

import java.util.SplittableRandom;
import org.gatun.tensor.DType;
import org.gatun.tensor.Device;
import org.gatun.tensor.Device.Moment;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/**
 * How fast a device multiplies large matrices, measured: what a training step can be compared with.
 */
final class PeakMeter {
  private static final int SIZE = 768;
  private static final int TRIALS = 8;

  /** Nanoseconds, and trials, without a better one after which the best is believed: an interpreter can take that long for a single one. */
  private static final long PATIENCE = 300_000_000;
  private static final int PATIENCE_TRIALS = 8;

  /** Sizes grow until a trial takes so long, or to the largest: a card is only fast on what is large, others need not wait for it. */
  private static final double ENOUGH_MILLISECONDS = 5;

  private static final int LEAST_MATRIX = 256;
  private static final int LARGEST_MATRIX = 4096;
  private static final int LEAST_COPY = 1 << 20;
  private static final int LARGEST_COPY = 1 << 28;

  private PeakMeter() {}

  /**
   * Floating-point operations a second of the best of some trials, where products have been at work
   * for some time; takes about a tenth of a second.
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

  /** Floating-point operations a second of products of large square matrices of random numbers in this type, at their best; takes about a second, for it warms up. */
  static double products(Device device, DType dtype) {
    for (int size = LEAST_MATRIX;; size *= 2) {
      double milliseconds = product(device, dtype, size);
      if (milliseconds > ENOUGH_MILLISECONDS || size == LARGEST_MATRIX) {
        return 2.0 * size * size * size / milliseconds * 1e3;
      }
    }
  }

  private static double product(Device device, DType dtype, int size) {
    var values = new float[size * size];
    var random = new SplittableRandom(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-1, 1); // a card draws less power on numbers that are all the same
    }
    try (var scope = Scope.on(device)) {
      Tensor a = scope.tensor(values, Shape.of(size, size), dtype);
      Tensor b = scope.tensor(values, Shape.of(size, size), dtype);
      return best(device, () -> scope.release(a.matmul(b)));
    }
  }

  /** Bytes a second, read and written together, of copies of many F32 numbers, at their best. */
  static double copies(Device device) {
    for (int size = LEAST_COPY;; size *= 4) {
      double milliseconds = copy(device, size);
      if (milliseconds > ENOUGH_MILLISECONDS || size == LARGEST_COPY) {
        return 2.0 * size * Float.BYTES / milliseconds * 1e3;
      }
    }
  }

  private static double copy(Device device, int size) {
    try (var scope = Scope.on(device)) {
      Tensor from = scope.full(1f, Shape.of(size));
      Tensor to = scope.allocate(Shape.of(size), DType.F32);
      return best(device, () -> device.kernels().pointwise().copy(Sink.of(to), from));
    }
  }

  /** Milliseconds of the best trial; it ends when for a while none was better, for compilers need time to make code fast. */
  static double best(Device device, Runnable work) {
    double best = Double.MAX_VALUE;
    long since = System.nanoTime();
    for (int trials = 0; trials < PATIENCE_TRIALS || System.nanoTime() - since < PATIENCE; trials++) {
      Moment start = device.mark();
      work.run();
      double milliseconds = device.mark().millisecondsSince(start);
      if (milliseconds < 0.98 * best) {
        since = System.nanoTime();
        trials = 0;
      }
      best = Math.min(best, milliseconds);
    }
    return best;
  }
}
