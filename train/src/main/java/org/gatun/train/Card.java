package org.gatun.train;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What NVIDIA's data sheets promise of a card: dense products (the larger figures with 2:4 sparsity are not meant), and bytes moved. Those
 * of a card with SXM socket; with PCI Express an H100 is slower, and is not listed.
 */
enum Card {
  A100_40GB(312e12, 19.5e12, 1.555e12),
  A100(312e12, 19.5e12, 2.039e12),
  H100(989e12, 67e12, 3.35e12),
  H200(989e12, 67e12, 4.8e12);

  private final double bf16;
  private final double f32;
  private final double bandwidth;

  Card(double bf16, double f32, double bandwidth) {
    this.bf16 = bf16;
    this.f32 = f32;
    this.bandwidth = bandwidth;
  }

  /** The card that a device's name tells of, if it is listed. */
  static Optional<Card> of(String device) {
    if (device.contains("H100") && device.contains("PCIe")) {
      return Optional.empty();
    }
    if (device.contains("A100")) {
      return Optional.of(device.contains("80GB") ? A100 : A100_40GB);
    }
    return List.of(H100, H200).stream().filter(card -> device.contains(card.name())).findFirst();
  }

  /**
   * @throws WrongUse if none of that name is listed
   */
  static Card named(String name) {
    List<String> names = Arrays.stream(values()).map(Card::toString).toList();
    WrongUse.unlessOneOf("--card", names, name.toLowerCase(Locale.ROOT));
    return values()[names.indexOf(name.toLowerCase(Locale.ROOT))];
  }

  /** What it promises for products in these numbers. */
  Roofline roofline(Arithmetic arithmetic) {
    return switch (arithmetic) {
      case BF16 -> new Roofline(bf16, bandwidth);
      case TF32 -> new Roofline(bf16 / 2, bandwidth);
      case F32 -> new Roofline(f32, bandwidth);
    };
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
