package org.gatun.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cuda.OutOfDeviceMemoryException;
import org.gatun.dist.NcclCommunicator;
import org.gatun.gpu.CudaDevice;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.proof.Check;
import org.gatun.tensor.Device;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;

/** What a device is held to beyond its operations, as training needs it. */
final class RunChecks {
  private static final int STEPS = 6;
  private static final int LEAST_PIECE = 1 << 20;
  private static final int MOST_PIECES = 100;
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private RunChecks() {}

  /** Steps that are recorded and replayed beside steps that are not: the same bits. Wants a device that is deterministic. */
  static List<Check> capture() {
    return Arrays.stream(Precision.values())
        .map(p -> new Check("captured step", STEPS + " steps of two micro-batches " + p, device -> capture(device, p)))
        .toList();
  }

  private record Trained(List<Float> losses, float[] weights) {}

  private static double capture(Device device, Precision precision) {
    Trained eager = train(device, precision, false);
    Trained replayed = train(device, precision, true);
    if (!eager.losses.equals(replayed.losses) || Arrays.mismatch(eager.weights, replayed.weights) >= 0) {
      throw new AssertionError(
          "losses " + replayed.losses + " where the steps are replayed, " + eager.losses + " where they are not");
    }
    return 0;
  }

  private static Trained train(Device device, Precision precision, boolean capture) {
    Gpt2Config config = Gpt2Config.of(2, 2, 32).withContext(16).withVocabulary(97).withDropout(0.1f);
    var plan = new TrainStep.Plan(Shape.of(2, 16), 2, Recompute.NONE, 1, capture);
    try (var run = new SyntheticRun(device, config, precision, plan)) {
      var losses = new ArrayList<Float>();
      for (int step = 0; step < STEPS; step++) {
        losses.add(run.step().await().loss());
      }
      return new Trained(losses, run.weights());
    }
  }

  /** What a GPU must stand beside. */
  static List<Check> cuda() {
    return List.of(
        new Check("memory", "taken until there is none, and given back", RunChecks::memory),
        new Check("nccl", "a group of one rank", RunChecks::nccl));
  }

  private static double memory(Device device) {
    var taken = new ArrayList<Memory>();
    try {
      long piece = Math.max(LEAST_PIECE, ((CudaDevice) device).context().freeMemory() / 4);
      while (taken.size() < MOST_PIECES) {
        taken.add(device.take(piece));
      }
      throw new AssertionError("the card gave " + MOST_PIECES + " pieces of a quarter of what it has");
    } catch (OutOfDeviceMemoryException e) {
      require(e.getMessage().contains("the largest holders are"), "the message names no holders: " + e.getMessage());
    } finally {
      taken.forEach(device::give);
    }
    try (var scope = Scope.on(device)) {
      float product = scope.full(2f, Shape.of(1000)).times(3f).sum().item();
      require(product == 6000, "after memory ran out the sum of 1000 sixes is " + product);
    }
    return 0;
  }

  private static double nccl(Device device) {
    float[] values = {1, -2, 3.5f};
    try (var ranks = new NcclCommunicator((CudaDevice) device, 0, 1, "127.0.0.1", freePort(), PATIENCE);
        var scope = Scope.on(device)) {
      Tensor x = scope.tensor(values, Shape.of(values.length));
      ranks.broadcast(x, 0);
      ranks.allReduceMean(x);
      ranks.join();
      ranks.requireSame("numbers of the self-test", 42);
      require(Arrays.equals(values, x.toArray()), "the mean over one rank changed " + Arrays.toString(values) + " to "
          + Arrays.toString(x.toArray()));
    }
    return 0;
  }

  private static int freePort() {
    try (var socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }
}
