package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.tensor.Precision;
import org.gatun.train.TimedDevice.Work;
import org.junit.jupiter.api.Test;

class BenchTest {
  private static Cli bench(Object... arguments) {
    var all = new ArrayList<Object>(List.of("bench", "--preset", "quickstart", "--layers", "1", "--context", "8"));
    all.addAll(List.of(arguments));
    return Cli.run(all.toArray());
  }

  @Test
  void timesSteps() {
    Cli cli = bench("--threads", "1", "--micro-batch", "1,2", "--steps", "2");
    assertEquals(0, cli.code(), cli.err());
    List<String> rates = cli.out().lines().filter(line -> line.startsWith("micro_batch ")).toList();
    assertEquals(2, rates.size(), cli.out());
    assertTrue(rates.getFirst().matches("micro_batch 1 context 8 ms \\d+\\.\\d{3} tokens_per_s \\d+"),
        rates.getFirst());
    assertEquals(rates.getLast(), cli.lastLine());
    for (String kernel : List.of("linear.forward", "attention.backward", "update.adamw", "loss.crossEntropy")) {
      assertTrue(cli.out().contains("  " + kernel + " "), cli.out());
    }
    assertTrue(cli.out().contains("by nanoGPT's count") && cli.out().contains("by llm.c's count"), cli.out());
  }

  @Test
  void predictsWithoutADevice() {
    Cli cli = bench("--predict", "--card", "a100", "--micro-batch", "4");
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().contains("bounds     312.00 TFLOP/s, 2.04 TB/s"), cli.out());
    assertTrue(cli.lastLine().startsWith("  at 65% of its products and 80% of its bytes: "), cli.lastLine());
  }

  /** Forward 2, backward 4 operations for each weight of a matrix and token; attention's halves by the mask. */
  @Test
  void predictedOperationsAreThoseOfTheModel() {
    Gpt2Config config = Gpt2Config.gpt2();
    int rows = 2;
    long tokens = rows * 1024L;
    var bench = new Bench(config, Precision.BF16, Recompute.NONE, 1024, 1, false);
    Map<String, Work> kernels = bench.predict(rows).kernels();
    double products = kernels.entrySet().stream().filter(e -> e.getKey().startsWith("linear."))
        .mapToDouble(e -> e.getValue().flops()).sum();
    long weights = 12L * 12 * 768 * 768 + 50_304L * 768;
    assertEquals(6.0 * weights * tokens, products, 1);
    double attention = kernels.get("attention.forward").flops() + kernels.get("attention.backward").flops();
    assertEquals(7 * 12L * 768 * 1024 * tokens, attention, 1, "two products forward and five backward, halved");
    assertEquals(49, kernels.get("linear.forward").calls(), "four a block, and the head");
    // Gradient 4 bytes, master and two moments 8 each, the BF16 value 2; scale and schedule 16 together.
    double padded = config.parameterCount() + 47 * 768;
    assertEquals(30 * padded + 16, kernels.get("update.adamw").bytes(), 1);
  }

  @Test
  void rooflineIsTheSlowerOfBoth() {
    var roofline = new Roofline(100, 10);
    assertEquals(2000, roofline.milliseconds(new Work(1, 0, 20, 50)), 1e-9);
    assertEquals(5000, roofline.milliseconds(new Work(1, 0, 20, 500)), 1e-9);
    assertTrue(roofline.isBoundByProducts(new Work(1, 0, 20, 500)));
  }

  @Test
  void cardsAreKnownByTheirNames() {
    assertEquals(Optional.of(Card.H200), Card.of("cuda:0 (NVIDIA H200, sm_90)"));
    assertEquals(Optional.of(Card.H100), Card.of("cuda:0 (NVIDIA H100 80GB HBM3, sm_90)"));
    assertEquals(Optional.empty(), Card.of("cuda:0 (NVIDIA H100 PCIe, sm_90)"));
    assertEquals(Optional.of(Card.A100), Card.of("cuda:0 (NVIDIA A100-SXM4-80GB, sm_80)"));
    assertEquals(Optional.of(Card.A100_40GB), Card.of("cuda:0 (NVIDIA A100-SXM4-40GB, sm_80)"));
    assertEquals(Optional.empty(), Card.of("cpu (2 threads, 8 lanes)"));
  }

  @Test
  void wrongUseIsASentence() {
    assertEquals(2, bench("--micro-batch", "0").code());
    assertEquals(2, bench("--steps", "0").code());
    assertEquals(2, bench("--predict", "--card", "h300").code());
    assertTrue(bench("--predict", "--card", "h300").err().contains("did you mean h100?"));
  }
}
