package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Index;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Scope;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("loops")
class CpuIndexTest {
  private final CpuDevice device = new CpuDevice(2);
  private final Scope scope = Scope.on(device);
  private final Samples samples = new Samples(scope);
  private final Index index = device.kernels().index();

  @AfterEach
  void close() {
    scope.close();
    device.close();
  }

  @ParameterizedTest
  @EnumSource(value = DType.class, names = {"F32", "BF16"})
  void embeddingCopiesRows(DType dtype) {
    for (int columns : new int[]{1, 7, 130, 768}) {
      Tensor table = samples.normal(dtype, 11, columns);
      Tensor indices = samples.indices(11, 3, 40);
      Tensor y = scope.allocate(Shape.of(3, 40, columns), DType.F32);
      index.embedding(y, table, indices);
      float[] rows = Samples.elements(table);
      float[] ys = Samples.elements(y);
      int[] at = indices.toIntArray();
      for (int i = 0; i < ys.length; i++) {
        assertEquals(rows[at[i / columns] * columns + i % columns], ys[i]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 130, 768})
  void embeddingBackwardAddsInOrder(int columns) {
    Tensor dy = samples.normal(DType.F32, 120, columns);
    Tensor indices = samples.indices(11, 120);
    for (boolean add : new boolean[]{false, true}) {
      Tensor dtable = samples.normal(DType.F32, 13, columns);
      float[] expected = add ? Samples.elements(dtable) : new float[13 * columns];
      float[] dys = Samples.elements(dy);
      int[] at = indices.toIntArray();
      for (int i = 0; i < dys.length; i++) {
        expected[at[i / columns] * columns + i % columns] += dys[i];
      }
      index.embeddingBackward(new Sink(dtable, add), dy, indices);
      assertArrayEquals(expected, Samples.elements(dtable));
    }
  }

  @Test
  void gatherAndItsTransposeMatchPlainLoops() {
    Tensor x = samples.normal(DType.F32, 6, 5, 33);
    Tensor indices = samples.indices(33, 6, 5, 9);
    Tensor y = scope.allocate(indices.shape(), DType.F32);
    index.gather(y, x, indices);
    Tensor dx = scope.allocate(x.shape(), DType.F32);
    index.gatherBackward(Sink.of(dx), y, indices);
    float[] xs = Samples.elements(x);
    float[] ys = Samples.elements(y);
    int[] at = indices.toIntArray();
    float[] expected = new float[xs.length];
    for (int i = 0; i < ys.length; i++) {
      assertEquals(xs[i / 9 * 33 + at[i]], ys[i]);
      expected[i / 9 * 33 + at[i]] += ys[i];
    }
    assertArrayEquals(expected, Samples.elements(dx));
  }

  @Test
  void oneHotHasOneOneARow() {
    Tensor y = samples.normal(DType.BF16, 3, 4);
    index.oneHot(y, scope.tensor(new int[]{2, 0, 3}, Shape.of(3)));
    assertArrayEquals(new float[]{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1}, Samples.elements(y));
  }

  @Test
  void indexOutsideIsRefusedBeforeAnythingIsWritten() {
    Tensor table = samples.normal(DType.F32, 5, 3);
    Tensor y = scope.full(9, Shape.of(2, 3));
    Tensor wrong = scope.tensor(new int[]{1, 5}, Shape.of(2));
    var refusal =
        assertThrows(IllegalArgumentException.class, () -> index.embedding(y, table, wrong));
    assertEquals(
        "embedding: index 5 at position 1 is outside of the table's 5 rows", refusal.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> index.embeddingBackward(
            Sink.of(table), y, scope.tensor(new int[]{0, -1}, Shape.of(2))));
    assertThrows(
        IllegalArgumentException.class,
        () -> index.gather(y, table, scope.tensor(new int[]{0, 1, 2, 0, 1, 3}, Shape.of(2, 3))));
    assertThrows(
        IllegalArgumentException.class,
        () -> index.oneHot(y, scope.tensor(new int[]{0, 3}, Shape.of(2))));
    assertArrayEquals(new float[]{9, 9, 9, 9, 9, 9}, Samples.elements(y));
  }
}
