package org.gatun.train;

import java.io.PrintStream;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.gatun.cuda.nvml.Nvml;
import org.gatun.model.Gpt2Config;
import org.gatun.train.Bench.Result;
import org.gatun.train.TimedDevice.Work;

/** What {@code gatun bench} says. */
final class BenchReport {
  /** What good kernels reach of a card's promises: large products two thirds of the operations, all else four fifths of the bytes. */
  private static final double USUAL_FLOPS = 0.65;

  private static final double USUAL_BANDWIDTH = 0.8;

  private final PrintStream out;
  private final Gpt2Config config;
  private final int context;

  BenchReport(PrintStream out, Gpt2Config config, int context) {
    this.out = out;
    this.config = config;
    this.context = context;
  }

  /** A subject and what there is to say of it. */
  void say(String subject, String format, Object... arguments) {
    line("%-10s %s", subject, String.format(Locale.ROOT, format, arguments));
  }

  /** What bounds a step. */
  void say(String subject, Roofline roofline) {
    say(subject, "%s, %s", rate(roofline.flops(), "FLOP/s"), rate(roofline.bandwidth(), "B/s"));
  }

  /** Steps of so many rows, beside what was measured of large products and copies, and what the card's maker promises. */
  void measured(int rows, Result result, Roofline measured, Optional<Roofline> promised) {
    double[] ms = result.milliseconds();
    line("");
    line("micro-batch %d: %.2f ms a step (median of %d, %.2f to %.2f), %.0f tokens/s, host %.2f ms a step, memory %s",
        rows, result.median(), ms.length, ms[0], ms[ms.length - 1], result.tokensPerSecond(),
        result.hostMilliseconds(), MemoryEstimate.text(result.memory()));
    utilization("nanoGPT's", config.flopsPerToken(context), result, measured, promised);
    utilization("llm.c's", config.causalFlopsPerToken(context), result, measured, promised);
    result.card().ifPresent(this::card);
    table(result, promised.orElse(measured));
    line("micro_batch %d context %d ms %.3f tokens_per_s %.0f", rows, context, result.median(),
        result.tokensPerSecond());
  }

  private void utilization(String definition, long flopsPerToken, Result result, Roofline measured,
      Optional<Roofline> promised) {
    double flops = result.tokensPerSecond() * flopsPerToken;
    line("  MFU by %s count (%.1f MFLOP a token): %.1f%% of the measured peak%s", definition, flopsPerToken / 1e6,
        100 * flops / measured.flops(),
        promised.map(p -> String.format(Locale.ROOT, ", %.1f%% of the published", 100 * flops / p.flops())).orElse(""));
  }

  private void card(Nvml.Reading reading) {
    line("  card: %.0f W, multiprocessors at %d MHz, memory at %d MHz, %d °C, held down by %s", reading.watts(),
        reading.smClockMhz(), reading.memoryClockMhz(), reading.temperature(),
        reading.throttleReasons().isEmpty() ? "nothing" : String.join(", ", reading.throttleReasons()));
  }

  private void table(Result result, Roofline roofline) {
    double sum = result.kernels().values().stream().mapToDouble(Work::milliseconds).sum();
    line("  %-30s %6s %9s %6s %8s %8s %9s", "kernel", "calls", "ms", "share", "GB/s", "TFLOP/s", "roofline");
    sorted(result.kernels(), Work::milliseconds).forEach(entry -> {
      Work work = entry.getValue();
      double seconds = work.milliseconds() / 1e3;
      line("  %-30s %6d %9.3f %5.1f%% %8.1f %8.2f %8.0f%%", entry.getKey(), work.calls(), work.milliseconds(),
          100 * work.milliseconds() / sum, work.bytes() / seconds / 1e9, work.flops() / seconds / 1e12,
          100 * roofline.milliseconds(work) / work.milliseconds());
    });
    line("  %-30s %6d %9.3f  timed one by one, without a graph", "all",
        result.kernels().values().stream().mapToInt(Work::calls).sum(), sum);
  }

  private static List<Map.Entry<String, Work>> sorted(Map<String, Work> kernels, ToDoubleFunction<Work> by) {
    return kernels.entrySet().stream()
        .sorted(Comparator.comparingDouble((Map.Entry<String, Work> e) -> by.applyAsDouble(e.getValue())).reversed())
        .toList();
  }

  /** What steps of so many rows have to do, and the least time a card takes for it. */
  void predicted(int rows, Result result, Roofline roofline) {
    line("");
    line("micro-batch %d: %d tokens a step, memory %s", rows, result.tokens(), MemoryEstimate.text(result.memory()));
    line("  %-30s %6s %9s %9s %9s  %s", "kernel", "calls", "GB", "TFLOP", "least ms", "bound by");
    sorted(result.kernels(), roofline::milliseconds).forEach(entry -> {
      Work work = entry.getValue();
      line("  %-30s %6d %9.3f %9.4f %9.3f  %s", entry.getKey(), work.calls(), work.bytes() / 1e9, work.flops() / 1e12,
          roofline.milliseconds(work), roofline.isBoundByProducts(work) ? "products" : "bytes");
    });
    line("  %-30s %6d %9.3f %9.4f %9.3f", "all", result.kernels().values().stream().mapToInt(Work::calls).sum(),
        sum(result, Work::bytes) / 1e9, sum(result, Work::flops) / 1e12, sum(result, roofline::milliseconds));
    bound("at the roofline", result, roofline, roofline);
    bound(String.format(Locale.ROOT, "at %.0f%% of its products and %.0f%% of its bytes", 100 * USUAL_FLOPS,
        100 * USUAL_BANDWIDTH), result, roofline.times(USUAL_FLOPS, USUAL_BANDWIDTH), roofline);
  }

  private void bound(String how, Result result, Roofline bounds, Roofline peak) {
    double ms = sum(result, bounds::milliseconds);
    double tokensPerSecond = result.tokens() / ms * 1e3;
    line("  %s: %.2f ms, %.0f tokens/s, MFU %.1f%% by nanoGPT's count, %.1f%% by llm.c's", how, ms, tokensPerSecond,
        100 * tokensPerSecond * config.flopsPerToken(context) / peak.flops(),
        100 * tokensPerSecond * config.causalFlopsPerToken(context) / peak.flops());
  }

  private static double sum(Result result, ToDoubleFunction<Work> of) {
    return result.kernels().values().stream().mapToDouble(of).sum();
  }

  private static String rate(double value, String unit) {
    return value >= 1e12
        ? String.format(Locale.ROOT, "%.2f T%s", value / 1e12, unit)
        : String.format(Locale.ROOT, "%.1f G%s", value / 1e9, unit);
  }

  private void line(String format, Object... arguments) {
    out.printf(Locale.ROOT, format + "%n", arguments);
  }
}
