// Attention forward without ever holding [T, T] (Dao et al., 2022), for what cuDNN does not take. Defined from outside:
// the element types TY, TQ, TK, TV and TMASK, and what attention.cuh wants.
#include "attention.cuh"

// Minus infinity less itself would be NaN: a query that has seen no key yet compares with zero.
__device__ __forceinline__ float shift_of(float max) { return max == -GATUN_INFINITY ? 0.0f : max; }

// A block has 4 OWN queries of one head.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_forward(Heads<TY> ys, float *lse, Heads<const TQ> qs, Heads<const TK> ks, Heads<const TV> vs,
                      Mask<TMASK> mask, int heads, int queries, int keys, int causal, float scale, int aligned) {
  GATUN_DYNAMIC_SHARED(float, shared);
  const int tiles = (queries + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int64 item = blockIdx.x / tiles;
  const int64 batch = item / heads;
  const int64 head = item % heads;
  // The last queries see the most keys: they go first, so that nobody is left waiting for them.
  const int start = (tiles - 1 - static_cast<int>(blockIdx.x % tiles)) * BLOCK_ROWS;
  const int first = start + warp() * OWN;
  float *own = shared;
  float *tile = own + BLOCK_ROWS * PITCH;
  float *weights = tile + TILE * PITCH + warp() * OWN * TILE;
  load_rows(own, BLOCK_ROWS, qs.of(batch, head) + start * qs.row, qs.row, queries - start, aligned != 0);
  own += warp() * OWN * PITCH;

  float sums[OWN][COLUMNS] = {};
  float max[OWN];
  float total[OWN] = {};
#pragma unroll
  for (int r = 0; r < OWN; r++) max[r] = -GATUN_INFINITY;
  const int last = start + BLOCK_ROWS < queries ? start + BLOCK_ROWS : queries;
  const int end = causal && last + keys - queries < keys ? last + keys - queries : keys;
  for (int key = 0; key < end; key += TILE) {
    __syncthreads();
    load_rows(tile, TILE, ks.of(batch, head) + key * ks.row, ks.row, keys - key, aligned != 0);
    __syncthreads();
    float scores[OWN] = {};
    multiply(scores, own, tile);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      const bool seen = sees(first + r, key + lane(), queries, keys, causal != 0);
      float score = -GATUN_INFINITY;
      if (seen) score = scores[r] * scale + mask.at(batch, head, first + r, key + lane());
      const float raised = fmaxf(max[r], warp_max(score));
      const float shift = shift_of(raised);
      const float p = __expf(score - shift);
      const float rescale = __expf(max[r] - shift);
      max[r] = raised;
      total[r] = total[r] * rescale + p;
      weights[r * TILE + lane()] = p;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) sums[r][c] *= rescale;
    }
    __syncthreads();
    load_rows(tile, TILE, vs.of(batch, head) + key * vs.row, vs.row, keys - key, aligned != 0);
    __syncthreads();
    accumulate(sums, weights, tile);
  }

#pragma unroll
  for (int r = 0; r < OWN; r++) {
    const float sum = warp_sum(total[r]);
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) sums[r][c] *= inverse;
    if (lane() == 0 && first + r < queries) lse[item * queries + first + r] = max[r] + logf(sum);
  }
  store_rows(ys.of(batch, head) + first * ys.row, ys.row, queries - first, sums, 1.0f, false);
}

// For few queries, as when text is generated: a block has one query, its warps take turns with the tiles of keys, and what
// they found is brought together at the end.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_one_query(Heads<TY> ys, float *lse, Heads<const TQ> qs, Heads<const TK> ks, Heads<const TV> vs,
                        Mask<TMASK> mask, int heads, int queries, int keys, int causal, float scale, int aligned) {
  __shared__ float query[COLUMNS * GATUN_WARP];
  __shared__ float sums[WARPS][COLUMNS * GATUN_WARP];
  __shared__ float maxima[WARPS];
  __shared__ float totals[WARPS];
  const int64 item = blockIdx.x / queries;
  const int64 i = blockIdx.x % queries;
  const int64 batch = item / heads;
  const int64 head = item % heads;
  const TQ *q = qs.of(batch, head) + i * qs.row;
  for (int d = threadIdx.x; d < COLUMNS * GATUN_WARP; d += THREADS) query[d] = d < HEAD ? to_float(q[d]) * scale : 0.0f;
  __syncthreads();

  float own[COLUMNS] = {};
  float max = -GATUN_INFINITY;
  float total = 0.0f;
  for (int64 key = warp() * TILE; key < keys; key += WARPS * TILE) {
    const bool seen = sees(i, key + lane(), queries, keys, causal != 0);
    const TK *k = ks.of(batch, head) + (key + lane()) * ks.row;
    float score = 0.0f;
    for (int d = 0; d < HEAD; d += GATUN_PIECE) {
      float v[GATUN_PIECE];
      load_piece(k + d, seen ? HEAD - d : 0, aligned != 0, v);
#pragma unroll
      for (int c = 0; c < GATUN_PIECE; c++) score += v[c] * query[d + c];
    }
    score = seen ? score + mask.at(batch, head, i, key + lane()) : -GATUN_INFINITY;
    const float raised = fmaxf(max, warp_max(score));
    const float shift = shift_of(raised);
    const float p = __expf(score - shift);
    const float rescale = __expf(max - shift);
    max = raised;
    total = total * rescale + p;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) own[c] *= rescale;
    const int count = keys - key < TILE ? static_cast<int>(keys - key) : TILE;
    for (int t = 0; t < count; t++) {
      const float weight = __shfl_sync(GATUN_FULL_MASK, p, t);
      const TV *v = vs.of(batch, head) + (key + t) * vs.row;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) {
        const int column = c * GATUN_WARP + lane();
        own[c] += column < HEAD ? weight * to_float(v[column]) : 0.0f;
      }
    }
  }
  total = warp_sum(total);
#pragma unroll
  for (int c = 0; c < COLUMNS; c++) sums[warp()][c * GATUN_WARP + lane()] = own[c];
  if (lane() == 0) {
    maxima[warp()] = max;
    totals[warp()] = total;
  }
  __syncthreads();

  float largest = -GATUN_INFINITY;
  for (int w = 0; w < WARPS; w++) largest = fmaxf(largest, maxima[w]);
  float sum = 0.0f;
  for (int w = 0; w < WARPS; w++) sum += totals[w] * __expf(maxima[w] - shift_of(largest));
  const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
  TY *y = ys.of(batch, head) + i * ys.row;
  for (int d = threadIdx.x; d < HEAD; d += THREADS) {
    float value = 0.0f;
    for (int w = 0; w < WARPS; w++) value += sums[w][d] * __expf(maxima[w] - shift_of(largest));
    y[d] = from_float<TY>(value * inverse);
  }
  if (threadIdx.x == 0) lse[blockIdx.x] = largest + logf(sum);
}
