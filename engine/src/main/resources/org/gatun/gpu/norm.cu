// Normalisation of rows, a block a row. Defined from outside: the element types TSUM, TY, TA, TB, TW and TBIAS, THREADS
// of a block, and LONG_ROWS as 1 where a row is more than eight elements a thread.
#include "common.cuh"

// The first of the elements a thread has of a row.
#define PLACE (static_cast<int64>(threadIdx.x) * GATUN_PIECE)

#if !LONG_ROWS

// A row in registers: two passes over it for its statistics cost no memory traffic, and do not cancel as a sum of
// squares would.
template <bool CENTERED, bool ADDED>
__device__ __forceinline__ void normalize(TSUM *sum, TY *y, float *mean, float *rstd, const TA *a, const TB *b,
                                          const TW *weight, const TBIAS *bias, int64 columns, float eps,
                                          bool aligned) {
  const int64 row = blockIdx.x;
  float x[GATUN_PIECE];
  float total = 0.0f;
  const int64 at = row * columns + PLACE;
  load_piece(a + at, columns - PLACE, aligned, x);
  if (ADDED) {
    float other[GATUN_PIECE];
    load_piece(b + at, columns - PLACE, aligned, other);
#pragma unroll
    for (int j = 0; j < GATUN_PIECE; j++) x[j] = to_float(from_float<TSUM>(x[j] + other[j]));
    store_piece(sum + at, columns - PLACE, aligned, x);
  }
#pragma unroll
  for (int j = 0; j < GATUN_PIECE; j++) total += x[j];
  const float average = CENTERED ? block_sum(total) / columns : 0.0f;
  float squares = 0.0f;
#pragma unroll
  for (int j = 0; j < GATUN_PIECE; j++) {
    x[j] = PLACE + j < columns ? x[j] - average : 0.0f;
    squares += x[j] * x[j];
  }
  const float deviation = 1.0f / sqrtf(block_sum(squares) / columns + eps);
  float w[GATUN_PIECE];
  float shift[GATUN_PIECE];
  load_piece(weight + PLACE, columns - PLACE, aligned, w);
  load_piece(bias + PLACE, bias == nullptr ? 0 : columns - PLACE, aligned, shift);
#pragma unroll
  for (int j = 0; j < GATUN_PIECE; j++) w[j] = x[j] * deviation * w[j] + shift[j];
  store_piece(y + row * columns + PLACE, columns - PLACE, aligned, w);
  if (threadIdx.x == 0) {
    if (CENTERED) mean[row] = average;
    rstd[row] = deviation;
  }
}

#else

// A long row: it stays in the second-level cache between the passes. The sum is read as it was stored, each thread what
// it has written itself.
template <bool CENTERED, bool ADDED>
__device__ __forceinline__ void normalize(TSUM *sum, TY *y, float *mean, float *rstd, const TA *a, const TB *b,
                                          const TW *weight, const TBIAS *bias, int64 columns, float eps,
                                          bool aligned) {
  const int64 row = blockIdx.x;
  const int64 start = row * columns;
  float total = 0.0f;
  for (int64 at = threadIdx.x; at < columns; at += THREADS) {
    float x = to_float(a[start + at]);
    if (ADDED) {
      const TSUM stored = from_float<TSUM>(x + to_float(b[start + at]));
      sum[start + at] = stored;
      x = to_float(stored);
    }
    total += x;
  }
  const float average = CENTERED ? block_sum(total) / columns : 0.0f;
  float squares = 0.0f;
  for (int64 at = threadIdx.x; at < columns; at += THREADS) {
    const float x = (ADDED ? to_float(sum[start + at]) : to_float(a[start + at])) - average;
    squares += x * x;
  }
  const float deviation = 1.0f / sqrtf(block_sum(squares) / columns + eps);
  for (int64 at = threadIdx.x; at < columns; at += THREADS) {
    const float x = (ADDED ? to_float(sum[start + at]) : to_float(a[start + at])) - average;
    const float shift = bias == nullptr ? 0.0f : to_float(bias[at]);
    y[start + at] = from_float<TY>(x * deviation * to_float(weight[at]) + shift);
  }
  if (threadIdx.x == 0) {
    if (CENTERED) mean[row] = average;
    rstd[row] = deviation;
  }
}

#endif

// Reads x and writes y: 4 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(THREADS)
    layernorm_forward(TY *y, float *mean, float *rstd, const TA *a, const TW *weight, const TBIAS *bias, int64 columns,
                      float eps, int aligned) {
  normalize<true, false>(nullptr, y, mean, rstd, a, nullptr, weight, bias, columns, eps, aligned != 0);
}

// Reads a and b, writes sum and y: 8 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(THREADS)
    add_layernorm_forward(TSUM *sum, TY *y, float *mean, float *rstd, const TA *a, const TB *b, const TW *weight,
                          const TBIAS *bias, int64 columns, float eps, int aligned) {
  normalize<true, true>(sum, y, mean, rstd, a, b, weight, bias, columns, eps, aligned != 0);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    rmsnorm_forward(TY *y, float *rstd, const TA *a, const TW *weight, int64 columns, float eps, int aligned) {
  normalize<false, false>(nullptr, y, nullptr, rstd, a, nullptr, weight, nullptr, columns, eps, aligned != 0);
}
