// The derivative of attention. With P = exp(S - lse) and dP = dy v', dS = P (dP - sum dy y): dq = dS k, dk = dS' q, dv = P' dy
// (Dao et al., 2022). Scores are computed twice, once for the owners of queries and once for those of keys, so that every
// sum has one owner and one order. Defined from outside: the element types TDQ, TDK, TDV, TDY, TY, TQ, TK, TV and TMASK,
// and what attention.cuh wants.
#include "attention.cuh"

// dots[b, h, i] = the sum of dy y over a query's row; a warp a row.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_dots(float *dots, Heads<const TDY> dys, Heads<const TY> ys, int heads, int queries, int64 rows) {
  const int64 row = static_cast<int64>(blockIdx.x) * WARPS + warp();
  const int64 item = row / queries;
  const int64 i = row % queries;
  float dot = 0.0f;
  if (row < rows) {
    const TDY *dy = dys.of(item / heads, item % heads) + i * dys.row;
    const TY *y = ys.of(item / heads, item % heads) + i * ys.row;
    for (int d = lane(); d < HEAD; d += GATUN_WARP) dot += to_float(dy[d]) * to_float(y[d]);
  }
  dot = warp_sum(dot);
  if (row < rows && lane() == 0) dots[row] = dot;
}

// A query that sees no key has an lse of minus infinity and no probabilities.
__device__ __forceinline__ float probability(float score, float lse) {
  return lse == -GATUN_INFINITY ? 0.0f : __expf(score - lse);
}

// A block has 4 OWN queries of one head; keys come by.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_backward_queries(Heads<TDQ> dqs, Heads<const TDY> dys, const float *dots, const float *lse,
                               Heads<const TQ> qs, Heads<const TK> ks, Heads<const TV> vs, Mask<TMASK> mask, int heads,
                               int queries, int keys, int causal, float scale, int add, int aligned) {
  GATUN_DYNAMIC_SHARED(float, shared);
  const int tiles = (queries + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int64 item = blockIdx.x / tiles;
  const int64 batch = item / heads;
  const int64 head = item % heads;
  const int start = (tiles - 1 - static_cast<int>(blockIdx.x % tiles)) * BLOCK_ROWS;
  const int first = start + warp() * OWN;
  float *q = shared;
  float *dy = q + BLOCK_ROWS * PITCH;
  float *keyTile = dy + BLOCK_ROWS * PITCH;
  float *valueTile = keyTile + TILE * PITCH;
  float *weights = valueTile + TILE * PITCH + warp() * OWN * TILE;
  load_rows(q, BLOCK_ROWS, qs.of(batch, head) + start * qs.row, qs.row, queries - start, aligned != 0);
  load_rows(dy, BLOCK_ROWS, dys.of(batch, head) + start * dys.row, dys.row, queries - start, aligned != 0);
  q += warp() * OWN * PITCH;
  dy += warp() * OWN * PITCH;

  float sums[OWN][COLUMNS] = {};
  const int last = start + BLOCK_ROWS < queries ? start + BLOCK_ROWS : queries;
  const int end = causal && last + keys - queries < keys ? last + keys - queries : keys;
  for (int key = 0; key < end; key += TILE) {
    __syncthreads();
    load_rows(keyTile, TILE, ks.of(batch, head) + key * ks.row, ks.row, keys - key, aligned != 0);
    load_rows(valueTile, TILE, vs.of(batch, head) + key * vs.row, vs.row, keys - key, aligned != 0);
    __syncthreads();
    float scores[OWN] = {};
    float dp[OWN] = {};
    multiply(scores, q, keyTile);
    multiply(dp, dy, valueTile);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      float ds = 0.0f;
      if (sees(first + r, key + lane(), queries, keys, causal != 0)) {
        const int64 row = item * queries + first + r;
        const float score = scores[r] * scale + mask.at(batch, head, first + r, key + lane());
        ds = probability(score, lse[row]) * (dp[r] - dots[row]);
      }
      weights[r * TILE + lane()] = ds;
    }
    __syncwarp();
    accumulate(sums, weights, keyTile);
  }
  store_rows(dqs.of(batch, head) + first * dqs.row, dqs.row, queries - first, sums, scale, add != 0);
}

// A block has 4 OWN keys of one head; queries come by.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_backward_keys(Heads<TDK> dks, Heads<TDV> dvs, Heads<const TDY> dys, const float *dots, const float *lse,
                            Heads<const TQ> qs, Heads<const TK> ks, Heads<const TV> vs, Mask<TMASK> mask, int heads,
                            int queries, int keys, int causal, float scale, int addKeys, int addValues, int aligned) {
  GATUN_DYNAMIC_SHARED(float, shared);
  const int tiles = (keys + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int64 item = blockIdx.x / tiles;
  const int64 batch = item / heads;
  const int64 head = item % heads;
  const int start = static_cast<int>(blockIdx.x % tiles) * BLOCK_ROWS;
  const int first = start + warp() * OWN;
  float *k = shared;
  float *v = k + BLOCK_ROWS * PITCH;
  float *queryTile = v + BLOCK_ROWS * PITCH;
  float *dyTile = queryTile + TILE * PITCH;
  float *weights = dyTile + TILE * PITCH + warp() * OWN * TILE;
  load_rows(k, BLOCK_ROWS, ks.of(batch, head) + start * ks.row, ks.row, keys - start, aligned != 0);
  load_rows(v, BLOCK_ROWS, vs.of(batch, head) + start * vs.row, vs.row, keys - start, aligned != 0);
  k += warp() * OWN * PITCH;
  v += warp() * OWN * PITCH;

  float dk[OWN][COLUMNS] = {};
  float dv[OWN][COLUMNS] = {};
  const int earliest = causal && start + queries - keys > 0 ? start + queries - keys : 0;
  for (int query = earliest / TILE * TILE; query < queries; query += TILE) {
    __syncthreads();
    load_rows(queryTile, TILE, qs.of(batch, head) + query * qs.row, qs.row, queries - query, aligned != 0);
    load_rows(dyTile, TILE, dys.of(batch, head) + query * dys.row, dys.row, queries - query, aligned != 0);
    __syncthreads();
    const bool inside = query + lane() < queries;
    const float rowLse = inside ? lse[item * queries + query + lane()] : 0.0f;
    const float rowDot = inside ? dots[item * queries + query + lane()] : 0.0f;
    float scores[OWN] = {};
    float dp[OWN] = {};
    multiply(scores, k, queryTile);
    multiply(dp, v, dyTile);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      float p = 0.0f;
      if (sees(query + lane(), first + r, queries, keys, causal != 0)) {
        p = probability(scores[r] * scale + mask.at(batch, head, query + lane(), first + r), rowLse);
      }
      dp[r] = p * (dp[r] - rowDot);
      weights[r * TILE + lane()] = p;
    }
    __syncwarp();
    accumulate(dv, weights, dyTile);
    __syncwarp();
#pragma unroll
    for (int r = 0; r < OWN; r++) weights[r * TILE + lane()] = dp[r];
    __syncwarp();
    accumulate(dk, weights, queryTile);
  }
  store_rows(dks.of(batch, head) + first * dks.row, dks.row, keys - first, dk, scale, addKeys != 0);
  store_rows(dvs.of(batch, head) + first * dvs.row, dvs.row, keys - first, dv, 1.0f, addValues != 0);
}
