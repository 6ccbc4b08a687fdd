package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class ShapeTest {
  private static final Shape SHAPE = Shape.of(2, 3, 5);

  @Test
  void axesCountFromEitherEnd() {
    assertEquals(3, SHAPE.rank());
    assertEquals(30, SHAPE.size());
    assertEquals(5, SHAPE.dim(-1));
    assertEquals(2, SHAPE.dim(-3));
    assertEquals(1, SHAPE.axis(-2));
    var e = assertThrows(IllegalArgumentException.class, () -> SHAPE.dim(3));
    assertEquals("axis 3 is outside of shape [2, 3, 5]", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> SHAPE.dim(-4));
    assertThrows(IllegalArgumentException.class, () -> Shape.of().dim(-1));
  }

  @Test
  void scalarHasOneElementAndOneRow() {
    assertEquals(1, Shape.of().size());
    assertEquals(1, Shape.of().rows());
    assertEquals(Shape.of(), Shape.of().rowShape());
    assertEquals("[]", Shape.of().toString());
  }

  @Test
  void rowsFoldAllButTheInnermost() {
    assertEquals(6, SHAPE.rows());
    assertEquals(1, Shape.of(7).rows());
    assertEquals(0, Shape.of(0, 7).rows());
    assertEquals(Shape.of(2, 3), SHAPE.rowShape());
    assertEquals(Shape.of(2, 3, 9), SHAPE.withLast(9));
    assertEquals(Shape.of(2, 1, 5), SHAPE.with(-2, 1));
    assertArrayEquals(new long[]{15, 5, 1}, SHAPE.strides());
  }

  @Test
  void valueIsItsDimensions() {
    int[] dims = {2, 3, 5};
    Shape shape = Shape.of(dims);
    dims[0] = 9;
    shape.toArray()[0] = 9;
    assertEquals(SHAPE, shape);
    assertEquals(SHAPE.hashCode(), shape.hashCode());
    assertNotEquals(SHAPE, Shape.of(2, 15));
  }

  @Test
  void broadcastFollowsNumPy() {
    assertEquals(Shape.of(4, 7, 9), Shape.broadcast(Shape.of(4, 1, 9), Shape.of(7, 1)));
    assertEquals(Shape.of(3), Shape.broadcast(Shape.of(), Shape.of(3)));
    assertEquals(Shape.of(0, 3), Shape.broadcast(Shape.of(0, 1), Shape.of(3)));
    assertEquals(Shape.of(0), Shape.broadcast(Shape.of(1), Shape.of(0)));
    var e = assertThrows(IllegalArgumentException.class, () -> Shape.broadcast(Shape.of(2, 3), Shape.of(2)));
    assertEquals("shapes [2, 3] and [2] do not broadcast", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> Shape.broadcast(Shape.of(0), Shape.of(2)));
  }

  @Test
  void impossibleDimensionsAreRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> Shape.of(2, -1));
    assertEquals("shape: negative dimension in [2, -1]", e.getMessage());
    assertThrows(ArithmeticException.class, () -> Shape.of(1 << 30, 1 << 30, 1 << 30));
    assertEquals(1L << 40, Shape.of(1 << 20, 1 << 20).size());
  }
}
