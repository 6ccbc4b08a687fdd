package org.gatun.proof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.Checks.Size;
import org.gatun.tensor.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a device is held to: the processor passes, a device that computes nothing does not. */
class ChecksTest {
  static Stream<Check> comparisons() {
    return Stream.concat(Checks.parity(Size.small()).stream(), Checks.attention(Size.small()).stream());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("comparisons")
  void processorPasses(Check check) {
    try (var device = new CpuDevice(2)) {
      double share = check.proof().on(device);
      assertTrue(share >= 0 && share <= 1, check.subject() + " " + check.detail() + ": " + share);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("comparisons")
  void deviceThatComputesNothingDoesNot(Check check) {
    try (Device idle = CpuDevice.rehearsal()) {
      assertThrows(AssertionError.class, () -> check.proof().on(idle));
    }
  }

  @Test
  void processorRepeatsItself() {
    try (var device = new CpuDevice(2)) {
      Checks.repeats(Size.small(), 3).forEach(check -> assertEquals(0, check.proof().on(device)));
    }
  }

  @Test
  void differenceIsToldWithItsPlaceAndItsLimit() {
    String message = assertThrows(AssertionError.class, () -> Comparison.worst(
        List.of(new float[]{1, 2}, new float[]{3, 4}), List.of(new float[]{1, 2}, new float[]{3, 5}), 0.01))
        .getMessage();
    assertTrue(
        message.startsWith("gradient of input 0, element 1 of 2: 4.0, the processor has 5.0: they differ by 1.0"),
        message);
    assertThrows(AssertionError.class,
        () -> Comparison.worst(List.of(new float[]{Float.NaN}), List.of(new float[]{1}), 0.01), "NaN is no result");
    assertEquals(0.25, Comparison.worst(List.of(new float[]{1.005f}), List.of(new float[]{1}), 0.01), 1e-4);
  }

  @Test
  void everyOperationIsAmongTheChecks() {
    assertEquals(OpTable.rows().stream().map(OpRow::op).distinct().toList(),
        Checks.operations().stream().map(Check::subject).distinct().toList());
  }
}
