package org.gatun.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.gatun.cpu.CpuDevice;
import org.gatun.model.Gpt2;
import org.gatun.model.Gpt2Config;
import org.gatun.optim.AdamW;
import org.gatun.optim.GradientClip;
import org.gatun.tensor.Parameters;
import org.gatun.tensor.Philox;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tape;
import org.gatun.tensor.Tensor;

/**
 * Training steps of a GPT-2: forward, backward, clipping, AdamW; the same work as {@code
 * pytorch/train_step.py}, and the same lines of JSON.
 *
 * <p>Arguments: preset, batch, context, steps, threads, blas (or -), precision. For each line on standard
 * input that many steps are made and their times printed.
 */
public final class TrainingStep {
  private static final int WARMUP = 3;

  private final Gpt2Config config;
  private final int batch;
  private final int context;
  private final Gpt2 model;
  private final AdamW adamw;
  private final GradientClip clip;
  private final CpuDevice device;
  private final int[] tokens;
  private final int[] targets;
  private final double[] parts = new double[3];

  private TrainingStep(CpuDevice device, String preset, int batch, int context, Precision precision) {
    this.device = device;
    this.config = Gpt2Config.preset(preset);
    this.batch = batch;
    this.context = context;
    var parameters = new Parameters(device, precision);
    model = new Gpt2(parameters, config);
    parameters.initialize(1);
    adamw = new AdamW(parameters, AdamW.Config.defaults());
    clip = new GradientClip(parameters, 1f);
    tokens = new int[batch * context];
    targets = new int[batch * context];
  }

  /** Measures and prints one line. */
  public static void main(String[] args) throws IOException {
    int steps = Integer.parseInt(args[3]);
    int threads = Integer.parseInt(args[4]);
    Precision precision = Precision.valueOf(args[6].toUpperCase(Locale.ROOT));
    try (var device = new CpuDevice(threads, args[5].equals("-") ? null : args[5])) {
      var step = new TrainingStep(
          device, args[0], Integer.parseInt(args[1]), Integer.parseInt(args[2]), precision);
      // A small model's step is short: what the compiler has not seen yet must not count.
      int warmup = step.config.channels() < 512 ? 300 : WARMUP;
      for (int i = 0; i < warmup; i++) {
        step.step(i);
      }
      var requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
      for (int first = warmup; requests.readLine() != null; first += steps) {
        step.measure(args[0], first, steps, threads);
      }
    }
  }

  private void measure(String preset, int first, int steps, int threads) throws IOException {
    double loss = 0;
    double[] times = new double[steps];
    double[][] split = new double[3][steps];
    for (int i = 0; i < steps; i++) {
      long start = System.nanoTime();
      loss = step(first + i);
      times[i] = (System.nanoTime() - start) * 1e-6;
      for (int part = 0; part < 3; part++) {
        split[part][i] = parts[part];
      }
    }
    double median = median(times);
    System.out.println(String.format(Locale.ROOT,
        "{\"kind\": \"train_step\", \"preset\": \"%s\", \"batch\": %d, \"context\": %d, \"threads\": %d, \"steps\": %d,"
            + " \"ms_min\": %.2f, \"ms_median\": %.2f, \"ms_max\": %.2f, \"ms_forward\": %.2f, \"ms_backward\": %.2f,"
            + " \"ms_update\": %.2f, \"tokens_per_s\": %.1f, \"rss_mib\": %d, \"last_loss\": %.6f}",
        preset, batch, context, threads, steps, Arrays.stream(times).min().orElseThrow(), median,
        Arrays.stream(times).max().orElseThrow(), median(split[0]), median(split[1]), median(split[2]),
        1000.0 * batch * context / median, peakMebibytes(), loss));
  }

  private float step(int number) {
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = (int) (Philox.uniform(number, i) * config.vocabulary());
      targets[i] = (int) (Philox.uniform(number, i + 1) * config.vocabulary());
    }
    long start = System.nanoTime();
    try (var tape = Tape.on(device)) {
      Shape shape = Shape.of(batch, context);
      Tensor loss = model.loss(tape.tensor(tokens, shape), tape.tensor(targets, shape));
      long forward = System.nanoTime();
      tape.backward(loss);
      long backward = System.nanoTime();
      adamw.step(6e-4f, clip.measure());
      float value = loss.item();
      long end = System.nanoTime();
      parts[0] = (forward - start) * 1e-6;
      parts[1] = (backward - forward) * 1e-6;
      parts[2] = (end - backward) * 1e-6;
      return value;
    }
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return (sorted[sorted.length / 2] + sorted[(sorted.length - 1) / 2]) / 2;
  }

  /** The most memory this process ever held, MiB; -1 where the system does not tell. */
  private static long peakMebibytes() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return -1;
    }
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) >> 10)
        .findFirst().orElse(-1);
  }
}
