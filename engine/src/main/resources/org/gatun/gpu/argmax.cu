// The position of the first largest element of each row of x [rows, columns]. Reads each element once.
#include "common.cuh"

// Whether a at position i comes before b at j: a NaN counts as larger than all, of equal ones the first is wanted.
__device__ __forceinline__ bool wins(float a, int i, float b, int j) {
  const bool unordered = a != a;
  if (unordered != (b != b)) return unordered;
  if (!unordered && a != b) return a > b;
  return i < j;
}

extern "C" __global__ void __launch_bounds__(256)
argmax(int *y, const TX *x, int64 rows, int columns) {
  __shared__ float values[GATUN_WARP];
  __shared__ int positions[GATUN_WARP];
  for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
    float best = -GATUN_INFINITY;
    int at = 2147483647;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
      const float value = to_float(x[row * columns + c]);
      if (wins(value, c, best, at)) best = value, at = c;
    }
    for (int pass = 0; pass < 2; pass++) {
#pragma unroll
      for (int distance = GATUN_WARP / 2; distance > 0; distance /= 2) {
        const float value = __shfl_xor_sync(GATUN_FULL_MASK, best, distance);
        const int position = __shfl_xor_sync(GATUN_FULL_MASK, at, distance);
        if (wins(value, position, best, at)) best = value, at = position;
      }
      if (pass == 0) {
        __syncthreads();  // the row before has been read
        if (lane() == 0) values[warp()] = best, positions[warp()] = at;
        __syncthreads();
        best = lane() < warps() ? values[lane()] : -GATUN_INFINITY;
        at = lane() < warps() ? positions[lane()] : 2147483647;
      }
    }
    if (threadIdx.x == 0) y[row] = at;
  }
}
