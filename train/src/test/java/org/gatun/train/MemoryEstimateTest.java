package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.gatun.cpu.CpuDevice;
import org.gatun.dist.SingleProcess;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.optim.AdamW;
import org.gatun.tensor.DType;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is foretold is what the pool then takes. */
class MemoryEstimateTest {
  private static final double TOLERANCE = 0.1;

  private static MemoryEstimate.Plan plan(Gpt2Config config, Shape shape, Recompute recompute) {
    return new MemoryEstimate.Plan(
        CpuDevice::rehearsal, config, Precision.F32, AdamW.Config.defaults(), shape, recompute, true);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 16, 1, 8, 61, NONE, F32, F32",
    "4, 64, 4, 32, 61, NONE, F32, F32",
    "4, 64, 4, 32, 61, ATTENTION_MLP, F32, F32",
    "4, 64, 4, 32, 61, BLOCK, F32, F32",
    "2, 96, 3, 50, 5000, NONE, F32, BF16",
    "6, 48, 16, 64, 300, BLOCK, BF16, F32",
  })
  void isWithinATenthOfThePoolsPeak(
      int layers, int channels, int rows, int context, int vocabulary, Recompute recompute,
      Precision precision, DType moments) {
    var config = Gpt2Config.of(layers, 2, channels).withContext(context).withVocabulary(vocabulary).withDropout(0.1f);
    var adamw = AdamW.Config.defaults().withMoments(moments);
    var shape = Shape.of(rows, context);
    var plan = new MemoryEstimate.Plan(CpuDevice::rehearsal, config, precision, adamw, shape, recompute, false);
    long measured = measured(plan, moments);
    long estimated = MemoryEstimate.of(plan).total();
    assertEquals(measured, estimated, TOLERANCE * measured, () -> MemoryEstimate.of(plan).toString());
  }

  /** Two steps of two micro-batches, and an evaluation. */
  private static long measured(MemoryEstimate.Plan plan, DType moments) {
    int context = plan.shape().dim(1);
    var random = new java.util.Random(1);
    int most = Math.max(1024, (int) plan.shape().size()) + 1;
    int[] tokens = random.ints(most, 0, plan.config().vocabulary()).toArray();
    var bytes = java.nio.ByteBuffer.allocate(2 * most).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    for (int token : tokens) {
      bytes.putShort((short) token);
    }
    var corpus = Tokens.of("random", java.lang.foreign.MemorySegment.ofBuffer(bytes.flip()));
    int size = (int) plan.shape().size();
    var batch =
        new Batch(
            java.util.Arrays.copyOf(tokens, size), java.util.Arrays.copyOfRange(tokens, 1, size + 1));
    var options = new OptimizerOptions();
    options.moments = moments == DType.BF16 ? Precision.BF16 : Precision.F32;
    try (var device = new CpuDevice(1);
        var gpt2 = new Gpt2(new Parameters(device, plan.precision()), plan.config())) {
      gpt2.parameters().initialize(1);
      try (var step =
          new TrainStep(
              gpt2, options, new TrainStep.Plan(plan.shape(), 2, plan.recompute(), 1, true), new SingleProcess())) {
        for (int i = 0; i < 2; i++) {
          step.gradients(() -> batch, i, false);
          step.update(1e-3f);
        }
        Evaluation.of(gpt2, corpus, 1024, context);
        return device.bytesReserved();
      }
    }
  }

  @Test
  void gpt2FitsThePromisedMachines() {
    long gib = 1L << 30;
    var four = plan(Gpt2Config.gpt2(), Shape.of(4, 1024), Recompute.NONE);
    assertTrue(MemoryEstimate.of(four).total() < 24 * gib, () -> MemoryEstimate.of(four).toString());
    var eight = plan(Gpt2Config.gpt2(), Shape.of(8, 1024), Recompute.BLOCK);
    assertTrue(MemoryEstimate.of(eight).total() < 24 * gib, () -> MemoryEstimate.of(eight).toString());
    var xl =
        new MemoryEstimate.Plan(
            CpuDevice::rehearsal, Gpt2Config.preset("gpt2-xl"), Precision.F32,
            AdamW.Config.defaults().withMoments(DType.BF16), Shape.of(1, 64), Recompute.BLOCK, false);
    assertTrue(MemoryEstimate.of(xl).total() < 20 * gib, () -> MemoryEstimate.of(xl).toString());
  }

  @Test
  void weightsOfGpt2AreFourBytesAParameter() {
    MemoryEstimate estimate = MemoryEstimate.of(plan(Gpt2Config.gpt2(), Shape.of(1, 8), Recompute.NONE));
    // The pool rounds up to an eighth of a power of two.
    assertEquals(4.0 * 124_475_904, estimate.weights(), estimate.weights() / 8.0);
    assertEquals(estimate.weights(), estimate.gradients());
    assertEquals(2 * estimate.weights(), estimate.moments(), 4096);
  }

  @Test
  void adviceNamesTheFirstThatFits() {
    var plan = plan(Gpt2Config.gpt2(), Shape.of(8, 1024), Recompute.NONE);
    long total = MemoryEstimate.of(plan).total();
    assertEquals(total, MemoryEstimate.requireFit(plan, total).total());
    assertAdvice(plan, total - 1, "--recompute attention-mlp would fit");
    assertAdvice(plan, MemoryEstimate.of(plan.with(Recompute.BLOCK)).total(), "--recompute block would fit");
    long half =
        MemoryEstimate.of(plan.with(Recompute.BLOCK).withoutSnapshot().withRows(4)).total();
    assertAdvice(plan, half, "--micro-batch 4 --recompute block --checkpoint-write sync would fit");
    assertAdvice(plan, 1_000_000_000, "not even --micro-batch 1 --recompute block");
  }

  private static void assertAdvice(MemoryEstimate.Plan plan, long available, String advice) {
    var problem =
        assertThrows(IllegalArgumentException.class, () -> MemoryEstimate.requireFit(plan, available));
    assertTrue(problem.getMessage().contains(advice), problem.getMessage());
  }

  @Test
  void availableMemoryIsTheLeastOfSystemAndControlGroup(@TempDir Path root) throws IOException {
    Files.createDirectories(root.resolve("proc"));
    Path group = Files.createDirectories(root.resolve("sys/fs/cgroup"));
    Files.writeString(root.resolve("proc/meminfo"), "MemTotal: 9 kB\nMemAvailable:    8000000 kB\n");
    long heap = 256L << 20;
    assertEquals(8_000_000L * 1024 - heap, new MachineMemory(root).available());
    Files.writeString(group.resolve("memory.max"), "max\n");
    Files.writeString(group.resolve("memory.current"), "1000000\n");
    assertEquals(8_000_000L * 1024 - heap, new MachineMemory(root).available());
    Files.writeString(group.resolve("memory.max"), "2000000000\n");
    Files.writeString(group.resolve("memory.stat"), "anon 5\ninactive_file 500000\n");
    assertEquals(2_000_000_000L - 1_000_000 + 500_000 - heap, new MachineMemory(root).available());
    Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(root.resolve("proc/self/cgroup"), "0::/user/run\n");
    Path own = Files.createDirectories(group.resolve("user/run"));
    Files.writeString(own.resolve("memory.max"), "1000000000\n");
    Files.writeString(own.resolve("memory.current"), "0\n");
    assertEquals(1_000_000_000L - heap, new MachineMemory(root).available());
  }
}
