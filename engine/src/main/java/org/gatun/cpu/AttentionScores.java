package org.gatun.cpu;

import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * Which keys the queries of one head see, and what is added to their scores. Tiles of scores are
 * [key, query], so that the softmax of a query runs down a lane.
 */
final class AttentionScores {
  private final int queries;
  private final int keys;
  private final boolean causal;
  private final MemorySegment mask;
  private final DType maskType;
  private final long maskStart;
  private final long queryStride;
  private final long keyStride;

  private AttentionScores(
      int queries, int keys, boolean causal, Tensor mask, int batch, int head) {
    this.queries = queries;
    this.keys = keys;
    this.causal = causal;
    if (mask == null) {
      this.mask = null;
      maskType = null;
      maskStart = 0;
      queryStride = 0;
      keyStride = 0;
    } else {
      this.mask = CpuDevice.bytes(mask);
      maskType = mask.dtype();
      maskStart = mask.offset() + batch * mask.stride(0) + head * mask.stride(1);
      queryStride = mask.stride(2);
      keyStride = mask.stride(3);
    }
  }

  static AttentionScores of(Tensor q, Tensor k, Tensor mask, boolean causal, int batch, int head) {
    return new AttentionScores(q.shape().dim(2), k.shape().dim(2), causal, mask, batch, head);
  }

  /** The number of the head's queries. */
  int queries() {
    return queries;
  }

  /** The number of the head's keys. */
  int keys() {
    return keys;
  }

  /** The number of keys, from the first on, that queries up to {@code query} see. */
  int keysSeen(int query) {
    return causal ? Math.clamp((long) query + 1 + keys - queries, 0, keys) : keys;
  }

  /**
   * {@link #keysSeen} rounded up to what {@link Tiles} computes together: a product that adds to
   * the gradients of keys must know the scores of each key it touches.
   */
  int keysNeeded(int query) {
    return Math.min(keys, keysSeen(query) + 3 & ~3);
  }

  /**
   * Columns of a tile to treat as one: all, or a strip where the tile crosses the causal diagonal,
   * so that what lies behind the diagonal is computed for few keys only.
   */
  int width(int firstQuery, int firstKey, int keyCount, int columns) {
    return keysSeen(firstQuery) >= firstKey + keyCount ? columns : Tiles.STRIP;
  }

  /**
   * Adds the mask to the columns [first, end) of a tile whose element [0, 0] belongs to the given
   * key and query, and sets what the queries do not see to minus infinity.
   */
  void restrict(float[] tile, int key, int rows, int query, int first, int end) {
    if (mask != null) {
      addMask(tile, key, rows, query, first, end);
    }
    for (int i = Math.max(0, keysSeen(query + first) - key); i < rows; i++) {
      int unseen = Math.min(end, key + i - (keys - queries) - query);
      Arrays.fill(tile, i * SIDE + first, i * SIDE + unseen, Float.NEGATIVE_INFINITY);
    }
  }

  private void addMask(float[] tile, int key, int rows, int query, int first, int end) {
    for (int j = first; j < end; j++) {
      long element = maskStart + (query + j) * queryStride + key * keyStride;
      for (int i = 0; i < rows; i++) {
        tile[i * SIDE + j] += Lanes.get(mask, maskType, element + i * keyStride);
      }
    }
  }
}
