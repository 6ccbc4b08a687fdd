// The derivative of a normalisation of rows. A block has a group of rows: it sends dx out row by row and sums its share of
// the gradients of weight and bias, which combine_columns brings together. Defined from outside: the element types TDX,
// TDY, TCARRIED, TX and TW, THREADS of a block, and LONG_ROWS as 1 where a row is more than eight elements a thread.
#include "common.cuh"

// The first of the elements a thread has of a row.
#define PLACE (static_cast<int64>(threadIdx.x) * GATUN_PIECE)

// Two sums over the threads of a block, for all of them. Calls take turns between two buffers, so that one barrier is
// enough: who writes a buffer again has passed the barrier of the call between, and with it all who have read it.
__device__ __forceinline__ void block_sums(float &a, float &b, int turn) {
  __shared__ float partial[2][2][GATUN_WARP];
  a = warp_sum(a);
  b = warp_sum(b);
  if (lane() == 0) {
    partial[turn & 1][0][warp()] = a;
    partial[turn & 1][1][warp()] = b;
  }
  __syncthreads();
  a = warp_sum(lane() < warps() ? partial[turn & 1][0][lane()] : 0.0f);
  b = warp_sum(lane() < warps() ? partial[turn & 1][1][lane()] : 0.0f);
}

#if !LONG_ROWS

// One row's share of a thread.
struct Piece {
  float x[GATUN_PIECE];
  float dy[GATUN_PIECE];

  __device__ __forceinline__ void load(const TX *xs, const TDY *dys, int64 row, int64 columns, bool aligned) {
    load_piece(xs + row * columns + PLACE, columns - PLACE, aligned, x);
    load_piece(dys + row * columns + PLACE, columns - PLACE, aligned, dy);
  }
};

template <bool CENTERED>
__device__ __forceinline__ void differentiate(TDX *dx, bool add, float *partial, const TDY *dy, const TCARRIED *carried,
                                              const TX *x, const TW *weight, const float *mean, const float *rstd,
                                              int64 rows, int64 columns, bool aligned) {
  const int64 group = blockIdx.x;
  const int64 groups = gridDim.x;
  const int64 end = rows * (group + 1) / groups;
  float w[GATUN_PIECE];
  float dweight[GATUN_PIECE];
  float dbias[GATUN_PIECE];
  load_piece(weight + PLACE, columns - PLACE, aligned, w);
#pragma unroll
  for (int j = 0; j < GATUN_PIECE; j++) dweight[j] = dbias[j] = 0.0f;
  int64 row = rows * group / groups;
  Piece now;
  if (row < end) now.load(x, dy, row, columns, aligned);
  for (int turn = 0; row < end; row++, turn++) {
    const float average = CENTERED ? mean[row] : 0.0f;
    const float deviation = rstd[row];
    float sum = 0.0f;
    float dot = 0.0f;
#pragma unroll
    for (int j = 0; j < GATUN_PIECE; j++) {
      const float normed = (now.x[j] - average) * deviation;
      dweight[j] += now.dy[j] * normed;
      dbias[j] += now.dy[j];
      const float g = now.dy[j] * w[j];
      sum += g;
      dot += g * normed;
      now.x[j] = normed;
      now.dy[j] = g;
    }
    if (dx == nullptr) {
      if (row + 1 < end) now.load(x, dy, row + 1, columns, aligned);
      continue;
    }
    // The next row is on its way while the threads of this one meet.
    Piece next;
    if (row + 1 < end) next.load(x, dy, row + 1, columns, aligned);
    block_sums(sum, dot, turn);
    sum = CENTERED ? sum / columns : 0.0f;
    dot /= columns;
    float other[GATUN_PIECE];
    load_piece(carried + row * columns + PLACE, carried == nullptr ? 0 : columns - PLACE, aligned, other);
#pragma unroll
    for (int j = 0; j < GATUN_PIECE; j++) {
      other[j] += (now.dy[j] - sum - now.x[j] * dot) * deviation;
    }
    store_piece(dx + row * columns + PLACE, columns - PLACE, aligned, other, add);
    now = next;
  }
  if (partial == nullptr) return;
  store_piece(partial + group * columns + PLACE, columns - PLACE, aligned, dweight);
  store_piece(partial + (groups + group) * columns + PLACE, columns - PLACE, aligned, dbias);
}

#else

// Long rows: sums over the group's rows are kept in memory, each column by the thread that has it in every row.
template <bool CENTERED>
__device__ __forceinline__ void differentiate(TDX *dx, bool add, float *partial, const TDY *dy, const TCARRIED *carried,
                                              const TX *x, const TW *weight, const float *mean, const float *rstd,
                                              int64 rows, int64 columns, bool aligned) {
  const int64 group = blockIdx.x;
  const int64 groups = gridDim.x;
  const int64 first = rows * group / groups;
  const int64 end = rows * (group + 1) / groups;
  float *dweight = partial + group * columns;
  float *dbias = partial + (groups + group) * columns;
  int turn = 0;
  for (int64 row = first; row < end; row++, turn++) {
    const float average = CENTERED ? mean[row] : 0.0f;
    const float deviation = rstd[row];
    float sum = 0.0f;
    float dot = 0.0f;
    for (int64 at = threadIdx.x; at < columns; at += THREADS) {
      const float normed = (to_float(x[row * columns + at]) - average) * deviation;
      const float gradient = to_float(dy[row * columns + at]);
      if (partial != nullptr) {
        dweight[at] = (row == first ? 0.0f : dweight[at]) + gradient * normed;
        dbias[at] = (row == first ? 0.0f : dbias[at]) + gradient;
      }
      const float g = gradient * to_float(weight[at]);
      sum += g;
      dot += g * normed;
    }
    block_sums(sum, dot, turn);
    sum = CENTERED ? sum / columns : 0.0f;
    dot /= columns;
    for (int64 at = threadIdx.x; dx != nullptr && at < columns; at += THREADS) {
      const float normed = (to_float(x[row * columns + at]) - average) * deviation;
      const float g = to_float(dy[row * columns + at]) * to_float(weight[at]);
      const float other = carried == nullptr ? 0.0f : to_float(carried[row * columns + at]);
      put(dx + row * columns + at, (g - sum - normed * dot) * deviation + other, add);
    }
  }
}

#endif

// Reads dy, carried and x, writes dx: 8 bytes an element in bf16; partial is [2, groups, columns].
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    layernorm_backward(TDX *dx, int add, float *partial, const TDY *dy, const TCARRIED *carried, const TX *x,
                       const TW *weight, const float *mean, const float *rstd, int64 rows, int64 columns,
                       int aligned) {
  differentiate<true>(dx, add != 0, partial, dy, carried, x, weight, mean, rstd, rows, columns, aligned != 0);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    rmsnorm_backward(TDX *dx, int add, float *partial, const TDY *dy, const TX *x, const TW *weight, const float *rstd,
                     int64 rows, int64 columns, int aligned) {
  differentiate<false>(dx, add != 0, partial, dy, nullptr, x, weight, nullptr, rstd, rows, columns, aligned != 0);
}
