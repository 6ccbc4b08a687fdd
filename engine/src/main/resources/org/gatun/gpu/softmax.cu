// Softmax and its logarithm over rows of [rows, columns], a block a row; a row is read twice, the second time mostly
// from the cache, and written once.
#include "common.cuh"

// The largest element so far and the sum of exp(x - max): one pass over the row (Milakov and Gimelshein, 2018).
struct Online {
  float max;
  float sum;

  __device__ __forceinline__ void add(float x) {
    if (x > max) {
      sum = sum * expf(max - x) + 1.0f;
      max = x;
    } else if (x == max) {
      sum += 1.0f;  // also where both are minus infinity, whose difference is none
    } else {
      sum += expf(x - max);
    }
  }
};

extern "C" __global__ void __launch_bounds__(1024)
softmax_forward(TY *y, const TX *x, int64 rows, int columns, int logarithm) {
  for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
    const TX *from = x + row * columns;
    TY *to = y + row * columns;
    Online mine = {-GATUN_INFINITY, 0.0f};
    for (int c = threadIdx.x; c < columns; c += blockDim.x) mine.add(to_float(from[c]));
    const float max = block_max(mine.max);
    const float sum = block_sum(mine.sum == 0.0f ? 0.0f : mine.sum * expf(mine.max - max));
    if (logarithm) {
      const float shift = logf(sum);
      for (int c = threadIdx.x; c < columns; c += blockDim.x) to[c] = from_float<TY>(to_float(from[c]) - max - shift);
    } else {
      const float scale = 1.0f / sum;
      for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        to[c] = from_float<TY>(expf(to_float(from[c]) - max) * scale);
      }
    }
  }
}
