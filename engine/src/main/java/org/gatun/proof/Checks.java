package org.gatun.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.tensor.Device;
import org.gatun.tensor.GradientCheck;
import org.gatun.tensor.Precision;
import org.gatun.tensor.Shape;

/** All that a device of any kind is held to. */
public final class Checks {
  private Checks() {}

  /** Sizes of comparisons between devices, in the terms of a GPT: windows, tokens of each, heads and their size, vocabulary. */
  public record Size(int batch, int time, int heads, int headSize, int vocabulary) {
    /** GPT-2's smallest with two windows. */
    public static Size gpt2() {
      return new Size(2, 1024, 12, 64, 50_304);
    }

    /** What a processor, or an emulator of a GPU, can do while one waits. */
    public static Size small() {
      return new Size(2, 65, 3, 16, 320);
    }

    /** Channels of a token. */
    int channels() {
      return heads * headSize;
    }

    /** Tokens of a batch. */
    int rows() {
      return batch * time;
    }
  }

  /** Each row of {@link OpTable}, in both precisions and each use: result and gradient against {@link Oracle}. */
  public static List<Check> operations() {
    var checks = new ArrayList<Check>();
    for (OpRow row : OpTable.rows()) {
      for (Precision precision : Precision.values()) {
        for (OpRow.Use use : row.uses(precision)) {
          checks.add(new Check(row.op(), row + " " + use + " " + precision, device -> {
            GradientCheck.Result result = row.check(precision, use).run(device);
            return Math.max(result.forward(), result.backward());
          }));
        }
      }
    }
    return checks;
  }

  /** Operations and optimizers at the widths of a model beside one thread of the processor. */
  public static List<Check> parity(Size size) {
    return Parity.checks(size);
  }

  /** Fused attention on a packed projection, beside the same by matrix products on the processor. */
  public static List<Check> attention(Size size) {
    return Arrays.stream(Precision.values())
        .map(p -> new Check("attention beside products", size + " " + p, d -> FusedAttention.compare(d, p, size)))
        .toList();
  }

  /** The same bits from the same work, as often as it is done. */
  public static List<Check> repeats(Size size, int times) {
    var checks = new ArrayList<Check>();
    for (Precision precision : Precision.values()) {
      checks.add(new Check("same bits each time", times + " trainings " + precision,
          device -> requireSame(times, device, precision, Checks::trained)));
      checks.add(new Check("same bits each time", times + " attentions " + precision,
          device -> requireSame(times, device, precision, (d, p) -> FusedAttention.results(d, p, size))));
    }
    return checks;
  }

  private interface Work {
    List<float[]> on(Device device, Precision precision);
  }

  private static double requireSame(int times, Device device, Precision precision, Work work) {
    List<float[]> first = work.on(device, precision);
    for (int time = 2; time <= times; time++) {
      List<float[]> again = work.on(device, precision);
      for (int i = 0; i < first.size(); i++) {
        int at = Arrays.mismatch(first.get(i), again.get(i));
        if (at >= 0) {
          throw new AssertionError(
              "on " + device.name() + " time " + time + " gave other bits than the first: result " + i
                  + " has " + again.get(i)[at] + " at " + at + ", where there was " + first.get(i)[at]);
        }
      }
    }
    return 0;
  }

  private static List<float[]> trained(Device device, Precision precision) {
    try (var gpt = new SmallGpt(device, precision)) {
      return List.of(gpt.train(Shape.of(5, 33), 4));
    }
  }
}
