package org.gatun.cpu;

import java.lang.foreign.MemorySegment;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Tensor;

/** Scaled dot-product attention, tile by tile: forward by tiles of queries, backward by heads. */
final class CpuAttention implements Kernels.Attention {
  private final Workers workers;
  private final AttentionForward[] forwards;
  private final AttentionBackward[] backwards;

  CpuAttention(CpuDevice device) {
    workers = device.workers();
    forwards = new AttentionForward[workers.threads()];
    backwards = new AttentionBackward[workers.threads()];
  }

  @Override
  public void forward(
      Tensor y, Tensor lse, Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal,
      float scale) {
    int heads = q.shape().dim(1);
    int queries = q.shape().dim(2);
    int tiles = Tiles.count(queries);
    MemorySegment lseSegment = CpuDevice.bytes(lse);
    workers.run(
        q.shape().dim(0) * heads * tiles,
        (task, worker) -> {
          int at = task / tiles;
          int batch = at / heads;
          int head = at % heads;
          // The last queries see the most keys: they go first, so that no thread is left waiting.
          int first = (tiles - 1 - task % tiles) * Tiles.SIDE;
          forward(worker, q.shape().dim(3)).run(
              HeadRows.of(y, batch, head), lseSegment, lse.offset() + (long) at * queries,
              HeadRows.of(q, batch, head), HeadRows.of(k, batch, head), HeadRows.of(v, batch, head),
              AttentionScores.of(q, k, mask, causal, batch, head), scale, first);
        });
  }

  @Override
  public void backward(
      Kernels.Sink dq, Kernels.Sink dk, Kernels.Sink dv, Tensor dy, Tensor y, Tensor lse,
      Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, float scale) {
    int heads = q.shape().dim(1);
    int queries = q.shape().dim(2);
    MemorySegment lseSegment = CpuDevice.bytes(lse);
    workers.run(
        q.shape().dim(0) * heads,
        (task, worker) -> {
          int batch = task / heads;
          int head = task % heads;
          var in = new AttentionBackward.Inputs(
              HeadRows.of(dy, batch, head), HeadRows.of(y, batch, head),
              lseSegment, lse.offset() + (long) task * queries,
              HeadRows.of(q, batch, head), HeadRows.of(k, batch, head), HeadRows.of(v, batch,
                  head));
          backward(worker, q.shape().dim(3)).run(
              output(dq, batch, head), output(dk, batch, head), output(dv, batch, head),
              in, AttentionScores.of(q, k, mask, causal, batch, head), scale);
        });
  }

  private static AttentionBackward.Output output(Kernels.Sink sink, int batch, int head) {
    return new AttentionBackward.Output(HeadRows.of(sink.into(), batch, head), sink.add());
  }

  private AttentionForward forward(int worker, int size) {
    if (forwards[worker] == null || forwards[worker].size() != size) {
      forwards[worker] = new AttentionForward(size);
    }
    return forwards[worker];
  }

  private AttentionBackward backward(int worker, int size) {
    if (backwards[worker] == null || backwards[worker].size() != size) {
      backwards[worker] = new AttentionBackward(size);
    }
    return backwards[worker];
  }
}
