// Optimizer steps over flat buffers, as fast as memory is read and written. Defined from outside: the element types TX of
// what is measured and TVALUE of what receives the master.
#include "common.cuh"

#define THREADS 256

// ---- The global norm -----------------------------------------------------------------------------------------------

__device__ __forceinline__ double block_sum(double x) {
  __shared__ double partial[GATUN_WARP];
#pragma unroll
  for (int distance = GATUN_WARP / 2; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(GATUN_FULL_MASK, x, distance);
  }
  if (lane() == 0) partial[warp()] = x;
  __syncthreads();
  double sum = 0.0;
  for (int i = 0; i < warps(); i++) sum += partial[i];
  return sum;
}

// partial[block] = the sum of squares of the block's elements. Reads 4 bytes an element in f32.
extern "C" __global__ void __launch_bounds__(THREADS) sum_squares(double *partial, const TX *x, int64 size, int aligned) {
  double sum = 0.0;
#pragma unroll 2
  for (int64 at = grid_thread() * GATUN_PIECE; at < size; at += grid_threads() * GATUN_PIECE) {
    float v[GATUN_PIECE];
    load_piece(x + at, size - at, aligned != 0, v);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) sum += static_cast<double>(v[i]) * v[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS) root_of_sum(TVALUE *norm, const double *partial, int count) {
  double sum = 0.0;
  for (int i = threadIdx.x; i < count; i += THREADS) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = from_float<TVALUE>(static_cast<float>(sqrt(sum)));
}

// ---- Steps ---------------------------------------------------------------------------------------------------------

// As the host writes them: elements [start, end), of which the first block is `block`.
struct Range {
  int64 start;
  int64 end;
  int64 block;
  int64 decay;  // the bits of a float
};

// Elements of a block.
#define TASK (THREADS * GATUN_PIECE * 2)

// The last range that begins with this block or before.
__device__ __forceinline__ Range range_of(const Range *ranges, int count) {
  int low = 0;
  int high = count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (ranges[middle].block <= blockIdx.x) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return ranges[low];
}

__device__ __forceinline__ float decay_of(const Range &range) {
  return __uint_as_float(static_cast<uint32>(range.decay));
}

// Reads gradient, moments and master, writes moments, master and value: 30 bytes an element with values in bf16. value is
// null where it is the master itself. Asked for one block a multiprocessor, the compiler takes the registers it needs;
// left to itself it spills on sm_90 to fit one more.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    adamw(TVALUE *value, float *master, const float *gradient, float *m, float *v, const float *scale,
          const float *schedule, float beta1, float beta2, float eps, const Range *ranges, int count, int aligned) {
  const Range range = range_of(ranges, count);
  const float keep = 1.0f - schedule[0] * decay_of(range);
  const float rate = -schedule[0] / schedule[1];
  const float correction = 1.0f / schedule[2];
  const float factor = *scale;
  const bool whole = aligned != 0 && range.start % GATUN_PIECE == 0;
  const int64 first = range.start + (blockIdx.x - range.block) * TASK;
  const int64 end = first + TASK < range.end ? first + TASK : range.end;
  for (int64 at = first + threadIdx.x * GATUN_PIECE; at < end; at += THREADS * GATUN_PIECE) {
    float p[GATUN_PIECE], g[GATUN_PIECE], mean[GATUN_PIECE], square[GATUN_PIECE];
    load_piece(master + at, end - at, whole, p);
    load_piece(gradient + at, end - at, whole, g);
    load_piece(m + at, end - at, whole, mean);
    load_piece(v + at, end - at, whole, square);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) {
      g[i] *= factor;
      mean[i] = beta1 * mean[i] + (1.0f - beta1) * g[i];
      square[i] = beta2 * square[i] + (1.0f - beta2) * g[i] * g[i];
      p[i] = keep * p[i] + rate * mean[i] / (sqrtf(square[i] * correction) + eps);
    }
    store_piece(m + at, end - at, whole, mean);
    store_piece(v + at, end - at, whole, square);
    store_piece(master + at, end - at, whole, p);
    if (value != nullptr) store_piece(value + at, end - at, whole, p);
  }
}

// velocity is null where momentum is zero.
extern "C" __global__ void __launch_bounds__(THREADS)
    sgd(TVALUE *value, float *master, const float *gradient, float *velocity, const float *scale, float learningRate,
        float momentum, const Range *ranges, int count, int aligned) {
  const Range range = range_of(ranges, count);
  const float decay = decay_of(range);
  const float factor = *scale;
  const bool whole = aligned != 0 && range.start % GATUN_PIECE == 0;
  const int64 first = range.start + (blockIdx.x - range.block) * TASK;
  const int64 end = first + TASK < range.end ? first + TASK : range.end;
  for (int64 at = first + threadIdx.x * GATUN_PIECE; at < end; at += THREADS * GATUN_PIECE) {
    float p[GATUN_PIECE], g[GATUN_PIECE], speed[GATUN_PIECE];
    load_piece(master + at, end - at, whole, p);
    load_piece(gradient + at, end - at, whole, g);
    load_piece(velocity + at, velocity == nullptr ? 0 : end - at, whole, speed);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) {
      speed[i] = momentum * speed[i] + g[i] * factor + decay * p[i];
      p[i] -= learningRate * speed[i];
    }
    if (velocity != nullptr) store_piece(velocity + at, end - at, whole, speed);
    store_piece(master + at, end - at, whole, p);
    if (value != nullptr) store_piece(value + at, end - at, whole, p);
  }
}
