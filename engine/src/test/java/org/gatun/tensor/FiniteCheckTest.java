package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.gatun.cpu.CpuDevice;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The first operation that made a NaN or an infinity is named, with the layer it belongs to. */
class FiniteCheckTest {
  private CpuDevice device;
  private Parameters parameters;
  private Parameter first;
  private Parameter second;

  @BeforeEach
  void open() {
    device = new CpuDevice(1);
    parameters = new Parameters(device, Precision.F32);
    first = parameters.in("h").in("0").add("weight", Initializer.constant(1f), 4);
    second = parameters.in("h").in("1").add("weight", Initializer.constant(0f), 4);
    parameters.initialize(1);
  }

  @AfterEach
  void close() {
    parameters.close();
    device.close();
  }

  private interface Step {
    Tensor loss(Tape tape, Tensor x);
  }

  private String finding(Step step) {
    var check = new FiniteCheck();
    check.examine(parameters);
    try (var tape = Tape.on(device)) {
      tape.observe(check);
      tape.backward(step.loss(tape, tape.full(2f, Shape.of(3, 4))));
    }
    return check.finding();
  }

  @Test
  void finiteStepHasNoFinding() {
    assertNull(finding((_, x) -> x.times(first.value()).plus(second.value()).sum()));
  }

  @Test
  void valueIsTracedToOperationAndLayer() {
    assertEquals("divided_by of h.1 was the first to make a value that is not finite",
        finding((_, x) -> x.times(first.value()).dividedBy(second.value()).exp().sum()));
  }

  @Test
  void operationWithoutParametersIsPlacedAfterTheLayerBefore() {
    assertEquals("log after h.0 was the first to make a value that is not finite",
        finding((_, x) -> x.times(first.value()).neg().log().times(second.value()).sum()));
  }

  @Test
  void gradientIsTracedWhereValuesAreFinite() {
    // The root of zero is finite, its slope there is not.
    assertEquals("the derivative of sqrt after h.1 was the first to make a gradient that is not finite",
        finding((_, x) -> x.times(second.value()).sqrt().plus(first.value()).sum()));
  }

  @Test
  void operationWithinARecomputedSegmentIsFound() {
    assertEquals("divided_by of h.1 was the first to make a value that is not finite",
        finding((tape, x) -> tape.recomputed(
            () -> List.of(x.times(first.value()).dividedBy(second.value()))).getFirst().sum()));
  }

  @Test
  void parameterThatIsNotFiniteIsNamedFirst() {
    device.kernels().pointwise().fill(second.master(), Float.NaN);
    assertEquals("parameter h.1.weight was not finite before the step",
        finding((_, x) -> x.times(second.value()).sum()));
  }
}
