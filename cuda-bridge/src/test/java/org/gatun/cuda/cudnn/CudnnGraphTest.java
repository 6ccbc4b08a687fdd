package org.gatun.cuda.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.NvidiaLibraries;
import org.gatun.cuda.cudnn.CudnnGraph.Tensor;
import org.gatun.cuda.ffi.CudaLibrary;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What NVIDIA's cuDNN makes of graphs of attention that have one thing wrong. */
@Tag("nvidia")
class CudnnGraphTest {
  private enum Mistake {
    NONE, K_NOT_TRANSPOSED, WRONG_O_DIMS, Q_F32, V_F16, WEIGHTS_F32, STATS_LOG_ONLY, HEAD_SIZE_60
  }

  private static final long BATCH = 2;
  private static final long HEADS = 3;
  private static final long TIME = 256;

  @BeforeAll
  static void openLibrary() {
    NvidiaLibraries.requireWithDriver(CudaLibrary.CUDNN);
  }

  @Test
  void plansAttentionWithoutMistake() {
    try (CudnnPlan plan = plan(Mistake.NONE)) {
      assertTrue(plan.candidates() > 0);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "K_NOT_TRANSPOSED, 2000", "WRONG_O_DIMS, 2000", "Q_F32, 3000", "V_F16, 3000", "WEIGHTS_F32, 3000",
    "STATS_LOG_ONLY, 3000", "HEAD_SIZE_60, 3000"})
  void refusesAttentionWithOneMistake(Mistake mistake, int status) {
    var refused = assertThrows(CudaException.class, () -> plan(mistake).close());
    assertEquals(status, refused.status(), refused.getMessage());
  }

  @Test
  void saysWhichDimensionsDoNotMatchInTheLibrarysWords() {
    var refused = assertThrows(CudaException.class, () -> plan(Mistake.K_NOT_TRANSPOSED).close());
    assertEquals("CUDNN_STATUS_BAD_PARAM", refused.statusName());
    assertTrue(refused.getMessage().startsWith("cudnnBackendFinalize(matmul of tensor 1 BFLOAT16[2, 3, 256, 64]"),
        refused.getMessage());
    assertTrue(refused.getMessage().contains("Matmul dim mismatch: A_K=64 B_K=256"), refused.getMessage());
  }

  @Test
  void refusesTwoTensorsOfOneName() {
    try (var graph = new CudnnGraph()) {
      graph.tensor(7, GraphType.FLOAT, Layout.packed(4, 4));
      assertThrows(IllegalArgumentException.class, () -> graph.scalar(7, 1));
      assertThrows(IllegalArgumentException.class, () -> graph.tensor(0, GraphType.FLOAT, Layout.packed(4, 4)));
    }
  }

  @Test
  void isUsedUpByItsPlan() {
    try (var graph = new CudnnGraph()) {
      attention(graph, Mistake.NONE);
      graph.plan(DescribedDevice.H200.properties()).close();
      assertThrows(IllegalStateException.class, () -> graph.plan(DescribedDevice.H200.properties()));
    }
  }

  private static CudnnPlan plan(Mistake mistake) {
    try (var graph = new CudnnGraph()) {
      attention(graph, mistake);
      return graph.plan(DescribedDevice.H200.properties());
    }
  }

  private static void attention(CudnnGraph graph, Mistake mistake) {
    long size = mistake == Mistake.HEAD_SIZE_60 ? 60 : 64;
    Layout packed = new Layout(List.of(BATCH, HEADS, TIME, size),
        List.of(TIME * 3 * HEADS * size, size, 3 * HEADS * size, 1L));
    Layout scores = Layout.packed(BATCH, HEADS, TIME, TIME);
    Tensor q = graph.tensor(1, mistake == Mistake.Q_F32 ? GraphType.FLOAT : GraphType.BFLOAT16, packed);
    Tensor k = graph.tensor(2, GraphType.BFLOAT16, mistake == Mistake.K_NOT_TRANSPOSED ? packed : packed.transposed());
    Tensor v = graph.tensor(3, mistake == Mistake.V_F16 ? GraphType.HALF : GraphType.BFLOAT16, packed);
    Tensor o = graph.tensor(4, GraphType.BFLOAT16,
        Layout.packed(BATCH, HEADS, TIME, mistake == Mistake.WRONG_O_DIMS ? size / 2 : size));
    Tensor stats = graph.tensor(5, GraphType.FLOAT, Layout.packed(BATCH, HEADS, TIME, 1));
    Tensor s = graph.matmul(q, k, graph.virtual(GraphType.FLOAT, scores));
    s = graph.belowDiagonal(graph.pointwise(Pointwise.MULTIPLY, s, graph.scalar(6, 0.125f)),
        graph.scalar(7, Float.NEGATIVE_INFINITY));
    Tensor max = graph.reduce(Reduction.MAX, s);
    Tensor exp = graph.pointwise(Pointwise.EXP, graph.pointwise(Pointwise.SUBTRACT, s, max));
    Tensor sum = graph.reduce(Reduction.SUM, exp);
    if (mistake == Mistake.STATS_LOG_ONLY) {
      graph.pointwise(Pointwise.LOG, sum, null, stats);
    } else {
      graph.pointwise(Pointwise.ADD, max, graph.pointwise(Pointwise.LOG, sum), stats);
    }
    GraphType weights = mistake == Mistake.WEIGHTS_F32 ? GraphType.FLOAT : GraphType.BFLOAT16;
    graph.matmul(graph.pointwise(Pointwise.DIVIDE, exp, sum, graph.virtual(weights, scores)), v, o);
  }
}
