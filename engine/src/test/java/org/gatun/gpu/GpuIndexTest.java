package org.gatun.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.gatun.gpu.CudaSamples.Pair;
import org.gatun.tensor.DType;
import org.gatun.tensor.Kernels.Index;
import org.gatun.tensor.Kernels.Sink;
import org.gatun.tensor.Shape;
import org.gatun.tensor.Tensor;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same bits as on the CPU in F32, sums included, and the same sentences, told by the next download. */
@OnCuda
class GpuIndexTest {
  private final CudaSamples samples = new CudaSamples();
  private final Index gpu = samples.device.kernels().index();
  private final Index cpu = samples.host.kernels().index();

  @AfterEach
  void close() {
    samples.close();
  }

  @ParameterizedTest
  // Rows of a table, columns, indices: one run of equal ones, longer than the loads under way; many runs; whole packs.
  @CsvSource({"1, 3, 29", "7, 130, 100", "300, 64, 257", "5, 1, 8", "50, 8, 1"})
  void tableGradientIsSummedInTheOrderOfTheCpu(int rows, int columns, int count) {
    Pair indices = samples.indices(rows, count);
    for (boolean add : new boolean[]{false, true}) {
      Pair dy = samples.normal(DType.F32, count, columns);
      Pair dtable = samples.normal(DType.F32, rows, columns);
      gpu.embeddingBackward(new Sink(dtable.gpu(), add), dy.gpu(), indices.gpu());
      cpu.embeddingBackward(new Sink(dtable.cpu(), add), dy.cpu(), indices.cpu());
      assertArrayEquals(dtable.cpu().toArray(), dtable.gpu().toArray());
    }
  }

  @ParameterizedTest
  @CsvSource({"F32, F32, 64", "BF16, F32, 64", "F32, BF16, 24", "BF16, BF16, 7", "F32, F32, 300"})
  void rowsAreFetched(DType from, DType into, int columns) {
    Pair indices = samples.indices(11, 3, 9);
    Pair table = samples.normal(from, 11, columns);
    Pair y = samples.normal(into, 3, 9, columns);
    gpu.embedding(y.gpu(), table.gpu(), indices.gpu());
    cpu.embedding(y.cpu(), table.cpu(), indices.cpu());
    assertArrayEquals(y.cpu().toArray(), y.gpu().toArray());
  }

  @Test
  void gatheredGradientIsSummedInTheOrderOfTheCpu() {
    Pair indices = samples.indices(5, 7, 40);
    Pair dy = samples.normal(DType.F32, 7, 40);
    Pair dx = samples.normal(DType.F32, 7, 5);
    gpu.gatherBackward(new Sink(dx.gpu(), true), dy.gpu(), indices.gpu());
    cpu.gatherBackward(new Sink(dx.cpu(), true), dy.cpu(), indices.cpu());
    assertArrayEquals(dx.cpu().toArray(), dx.gpu().toArray());
  }

  @Test
  void indexOutOfBoundsIsToldByTheNextDownload() {
    Pair table = samples.normal(DType.F32, 5, 8);
    Tensor indices = samples.onDevice.tensor(new int[]{0, 4, 5, -1}, Shape.of(4));
    Tensor y = samples.onDevice.full(9, Shape.of(4, 8));
    gpu.embedding(y, table.gpu(), indices);
    assertTold("embedding: index 5 at position 2 is outside of the table's 5 rows", y);
    float[] rows = y.toArray();
    assertEquals(table.cpu().toArray()[32], rows[8], "what was within bounds is there");
    assertEquals(9, rows[16], "and nothing else was written");
    Tensor dtable = samples.onDevice.full(0, Shape.of(5, 8));
    gpu.embeddingBackward(Sink.of(dtable), y, indices);
    assertTold("embeddingBackward: index 5 at position 2 is outside of the table's 5 rows", dtable);
    assertTold("gather: index 9 at position 0 is outside of the rows' 8 elements", gathered(9));
    assertTold("gather: index -3 at position 0 is outside of the rows' 8 elements", gathered(-3));
    Tensor big = samples.onDevice.tensor(new int[]{3}, Shape.of(1));
    assertTold("oneHot: index 3 at position 0 is outside of the 3 classes", big.oneHot(3));
  }

  private Tensor gathered(int index) {
    return samples.normal(DType.F32, 1, 8).gpu().gather(samples.onDevice.tensor(new int[]{index}, Shape.of(1, 1)));
  }

  private static void assertTold(String message, Tensor x) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, x::toArray).getMessage());
    x.toArray();
  }

  @Test
  void onlyTheFirstOfSeveralIsTold() {
    gathered(8);
    gathered(9);
    assertTold("gather: index 8 at position 0 is outside of the rows' 8 elements", gathered(10));
  }
}
