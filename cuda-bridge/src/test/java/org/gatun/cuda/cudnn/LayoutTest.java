package org.gatun.cuda.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class LayoutTest {
  @Test
  void packsTheLastDimensionClosest() {
    assertEquals(new Layout(List.of(2L, 3L, 4L), List.of(12L, 4L, 1L)), Layout.packed(2, 3, 4));
    assertEquals(24, Layout.packed(2, 3, 4).extent());
  }

  @Test
  void transposingExchangesTheLastTwo() {
    assertEquals(new Layout(List.of(2L, 4L, 3L), List.of(12L, 1L, 4L)), Layout.packed(2, 3, 4).transposed());
  }

  @Test
  void extentReachesBehindTheLastElementOnly() {
    assertEquals(2 * 100 + 3 + 1, new Layout(List.of(3L, 4L), List.of(100L, 1L)).extent());
  }

  @Test
  void refusesDimensionsWithoutStrides() {
    assertThrows(IllegalArgumentException.class, () -> new Layout(List.of(2L, 3L), List.of(1L)));
    assertThrows(IllegalArgumentException.class, () -> Layout.packed(2, 0));
  }
}
