package org.gatun.train;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.gatun.cuda.nvml.Nvml;
import org.gatun.model.Gpt2Config;
import org.gatun.model.Recompute;
import org.gatun.tensor.Device;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun bench}: how fast this machine trains. */
@Command(name = "bench", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
  "Time whole training steps on random tokens: tokens a second, model FLOPs utilization by both of",
  "the usual counts, memory, and each kernel beside the roofline. With --predict nothing is computed:",
  "what a step has to do is counted, and the least time that a card takes for it.",
  ""
})
final class BenchCommand implements Callable<Integer> {
  @Mixin
  DeviceOptions deviceOptions;

  @Option(names = "--preset", paramLabel = "NAME", defaultValue = "gpt2", description = "Size of the model: ${COMPLETION-CANDIDATES}.")
  Preset preset;

  @Option(names = "--layers", paramLabel = "N", description = "Transformer blocks; the preset's if not given.")
  Integer layers;

  @Option(names = "--vocab", paramLabel = "N", description = "Number of tokens; the preset's if not given.")
  Integer vocab;

  @Option(names = "--context", paramLabel = "TOKENS", description = "Length of a window; the preset's if not given.")
  Integer context;

  @Option(names = "--micro-batch", paramLabel = "ROWS", split = ",", description = "Windows of a step, one measurement each. Default: 16,32,64 on a GPU and with --predict, 1 on a CPU")
  List<Integer> microBatches;

  @Option(names = "--precision", paramLabel = "f32|tf32|bf16", description = "Type of values and activations. Default: bf16 on a GPU and with --predict, f32 on a CPU")
  Arithmetic arithmetic;

  @Option(names = "--recompute", paramLabel = "none|attention-mlp|block", defaultValue = "none", description = "Activations computed a second time instead of kept.")
  Recompute recompute;

  @Option(names = "--steps", paramLabel = "N", defaultValue = "20", description = "Steps to time for each --micro-batch.")
  int steps;

  @Option(names = "--no-graph", description = "Give each kernel to a GPU by itself instead of a recorded step.")
  boolean noGraph;

  @Option(names = "--predict", description = "Count instead of computing; needs no GPU.")
  boolean predict;

  @Option(names = "--card", paramLabel = "a100-40gb|a100|h100|h200", defaultValue = "h200", description = "With --predict: the card.")
  String card;

  @Override
  public Integer call() {
    deviceOptions.validate();
    validate();
    boolean large = predict || deviceOptions.isCuda();
    arithmetic = arithmetic != null ? arithmetic : large ? Arithmetic.BF16 : Arithmetic.F32;
    List<Integer> rows = microBatches != null ? microBatches : large ? List.of(16, 32, 64) : List.of(1);
    rows.forEach(count -> WrongUse.unlessAtLeast("--micro-batch", 1, count));
    Gpt2Config config = config();
    var bench = new Bench(config, arithmetic.precision(), recompute, config.context(), steps, !noGraph);
    var report = new BenchReport(System.out, config, config.context());
    report.say("model", "%s, %.1f million parameters, context %d, %s", preset, config.parameterCount() / 1e6,
        config.context(), arithmetic);
    if (predict) {
      Roofline roofline = Card.named(card).roofline(arithmetic);
      report.say("card", "%s, as published", card);
      report.say("bounds", roofline);
      rows.forEach(count -> report.predicted(count, bench.predict(count), roofline));
    } else {
      measure(bench, report, rows);
    }
    return 0;
  }

  private void validate() {
    WrongUse.unlessAtLeast("--steps", 1, steps);
    for (var option : List.of(Optional.ofNullable(layers), Optional.ofNullable(vocab), Optional.ofNullable(context))) {
      option.ifPresent(value -> WrongUse.unlessAtLeast("--layers, --vocab and --context", 1, value));
    }
  }

  private Gpt2Config config() {
    Gpt2Config config = Gpt2Config.preset(preset.toString());
    config = layers == null ? config : config.withLayers(layers);
    config = vocab == null ? config : config.withVocabulary(vocab);
    return context == null ? config : config.withContext(context);
  }

  private void measure(Bench bench, BenchReport report, List<Integer> rows) {
    Roofline measured;
    Optional<Roofline> promised;
    try (Device device = deviceOptions.open(arithmetic)) {
      promised = Card.of(device.name()).map(found -> found.roofline(arithmetic));
      measured = new Roofline(PeakMeter.products(device, arithmetic.precision().compute()), PeakMeter.copies(device));
      report.say("device", "%s", device.name());
    }
    report.say("measured", measured);
    promised.ifPresent(roofline -> report.say("published", roofline));
    for (int count : rows) {
      // A device of its own for each: what it has taken by then is what this one needs.
      try (Device device = deviceOptions.open(arithmetic)) {
        report.measured(count, bench.measure(device, count, card()), measured, promised);
      }
    }
  }

  /** What the card says of itself; on a CPU nothing. */
  private Supplier<Optional<Nvml.Reading>> card() {
    return () -> deviceOptions.isCuda()
        ? Nvml.load().map(nvml -> nvml.read(deviceOptions.ordinal()))
        : Optional.empty();
  }
}
