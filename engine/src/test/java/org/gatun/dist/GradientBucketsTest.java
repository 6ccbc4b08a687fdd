package org.gatun.dist;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.gatun.cpu.CpuDevice;
import org.gatun.nn.Linear;
import org.gatun.optim.AdamW;
import org.gatun.tensor.Device;
import org.gatun.tensor.Initializer;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.Test;

class GradientBucketsTest {
  private static final int ROWS = 8;
  private static final int WIDTH = 6;
  private static final int STEPS = 5;

  /** Notes which slices are reduced, of what length. */
  private static final class Recorder implements Communicator {
    private final SingleProcess single = new SingleProcess();
    private final List<Long> offsets = new ArrayList<>();
    private int joins;

    @Override
    public int rank() {
      return 0;
    }

    @Override
    public int size() {
      return 1;
    }

    @Override
    public void allReduceMean(Tensor tensor) {
      offsets.add(tensor.shape().size());
    }

    @Override
    public void broadcast(Tensor tensor, int root) {
      single.broadcast(tensor, root);
    }

    @Override
    public void join() {
      joins++;
    }

    @Override
    public void requireSame(String what, long value) {}

    @Override
    public void abort() {}

    @Override
    public void close() {}
  }

  @Test
  void aBucketLeavesWithItsLastParameterAndTheRestAtTheEnd() {
    try (var device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      Parameter a = parameters.add("a", Initializer.normal(1), 128);
      Parameter b = parameters.add("b", Initializer.normal(1), 64);
      Parameter c = parameters.add("c", Initializer.normal(1), 256);
      Parameter unused = parameters.add("unused", Initializer.normal(1), 3);
      parameters.initialize(1);
      var recorder = new Recorder();
      var buckets = new GradientBuckets(parameters, recorder, 4 * 200);
      assertEquals(2, buckets.count(), "c with unused, then a with b");
      for (int step = 1; step <= 2; step++) {
        buckets.ready(c);
        assertEquals(List.of(), recorder.offsets, "unused is in c's bucket and has not come");
        buckets.ready(b);
        buckets.ready(a);
        assertEquals(List.of(128L + 64), recorder.offsets);
        buckets.finish();
        assertEquals(List.of(128L + 64, 256L + 3), recorder.offsets);
        assertEquals(step, recorder.joins);
        recorder.offsets.clear();
      }
      assertArrayEquals(new float[3], unused.gradient().toArray(), "took no part");
    }
  }

  @Test
  void refusesAParameterOfOthersAndBucketsOfNothing() {
    try (var device = new CpuDevice(1);
        var parameters = new Parameters(device, Precision.F32);
        var others = new Parameters(device, Precision.F32)) {
      parameters.add("a", Initializer.normal(1), 4);
      Parameter foreign = others.add("b", Initializer.normal(1), 4);
      var buckets = new GradientBuckets(parameters, new SingleProcess());
      String message = assertThrows(IllegalArgumentException.class, () -> buckets.ready(foreign)).getMessage();
      assertEquals("b [4] is not one of the parameters these buckets were made for", message);
      assertThrows(
          IllegalArgumentException.class, () -> new GradientBuckets(parameters, new SingleProcess(), 0));
    }
  }

  /**
   * A mean of two halves' means is the mean of the whole, so both train alike but for the order of float sums: a dozen roundings of 6e-8 a
   * step on weights below 2, times AdamW's normalisation, stay below 2e-5 in five steps of 1e-2 wherever a gradient is not itself rounding
   * noise; seeds are fixed.
   */
  @Test
  void twoRanksWithHalfTheRowsEqualOneWithAll() throws Exception {
    float[] alone = train(new SingleProcess());
    List<ThreadRank> group = ThreadRank.group(2);
    var results = new ArrayList<float[]>();
    try (var threads = Executors.newFixedThreadPool(2)) {
      List<Future<float[]>> running = group.stream().map(rank -> threads.submit(() -> train(rank))).toList();
      for (Future<float[]> each : running) {
        results.add(each.get());
      }
    }
    assertArrayEquals(results.get(0), results.get(1), "both ranks hold the same bits");
    assertArrayEquals(alone, results.get(0), 2e-5f);
  }

  @Test
  void ranksThatDifferAreToldSo() {
    List<ThreadRank> group = ThreadRank.group(2);
    try (var threads = Executors.newFixedThreadPool(2)) {
      List<? extends Future<?>> running = group.stream()
          .map(rank -> threads.submit(() -> rank.requireSame("the initial weights", rank.rank())))
          .toList();
      var failure = assertThrows(ExecutionException.class, () -> running.getFirst().get());
      assertTrue(failure.getCause().getMessage().startsWith("the initial weights differ"), failure::toString);
    }
  }

  /** Weights after some steps on this rank's rows of batches that all ranks agree on. */
  private static float[] train(Communicator communicator) {
    int rows = ROWS / communicator.size();
    try (Device device = new CpuDevice(1); var parameters = new Parameters(device, Precision.F32)) {
      var first = new Linear(parameters.in("first"), WIDTH, 16);
      var second = new Linear(parameters.in("second"), 16, 3);
      parameters.initialize(42 + communicator.rank());
      communicator.broadcast(parameters.masters(), 0);
      communicator.join();
      parameters.mastersChanged();
      var buckets = new GradientBuckets(parameters, communicator, 256);
      try (var adamw = new AdamW(parameters, AdamW.Config.defaults())) {
        for (int step = 0; step < STEPS; step++) {
          int from = rows * communicator.rank();
          try (var tape = Tape.on(device)) {
            float[] x = Arrays.copyOfRange(inputs(step), from * WIDTH, (from + rows) * WIDTH);
            int[] y = IntStream.range(from, from + rows).map(row -> row % 3).toArray();
            Tensor hidden = first.forward(tape.tensor(x, Shape.of(rows, WIDTH))).gelu();
            tape.backward(
                second.forward(hidden).crossEntropy(tape.tensor(y, Shape.of(rows))), buckets::ready);
          }
          buckets.finish();
          adamw.step(1e-2f);
        }
      }
      return parameters.masters().toArray();
    }
  }

  private static float[] inputs(int step) {
    var values = new float[ROWS * WIDTH];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(1 + i * 0.7 + step);
    }
    return values;
  }
}
