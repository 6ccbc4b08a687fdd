// What is done to indices themselves: put in order, and checked.
#include "common.cuh"

// order[r] = n for the r-th of the indices by value, equal ones by n: each thread counts those before its own. That is
// count² comparisons, about 0.1 ms for 16,384 on an H200 by its peak rate; no sum depends on the order of threads.
extern "C" __global__ void __launch_bounds__(256)
rank_indices(int *order, const int *indices, int count) {
  __shared__ int tile[256];
  for (int64 first = static_cast<int64>(blockIdx.x) * blockDim.x; first < count; first += grid_threads()) {
    const int64 n = first + threadIdx.x;
    const int mine = n < count ? indices[n] : 0;
    int rank = 0;
    for (int start = 0; start < count; start += blockDim.x) {
      __syncthreads();  // the tile before has been read
      tile[threadIdx.x] = start + static_cast<int>(threadIdx.x) < count ? indices[start + threadIdx.x] : 0;
      __syncthreads();
      const int length = count - start < static_cast<int>(blockDim.x) ? count - start : blockDim.x;
      for (int k = 0; k < length; k++) rank += tile[k] < mine || tile[k] == mine && start + k < n;
    }
    if (n < count) order[rank] = static_cast<int>(n);
  }
}

// Finds the first index that is neither within the bound nor, where any is `ignored`, that; tells the host of it unless
// there is something it has not read yet. One block; report is {sentence or 0, index, position, bound} in its memory.
extern "C" __global__ void __launch_bounds__(1024)
check_indices(volatile int *report, const int *indices, int64 count, int bound, int ignores, int ignored,
              int sentence) {
  __shared__ int64 firsts[GATUN_WARP];
  int64 first = count;
  for (int64 n = threadIdx.x; n < count && first == count; n += blockDim.x) {
    const int index = indices[n];
    if ((index < 0 || index >= bound) && !(ignores && index == ignored)) first = n;
  }
  for (int distance = GATUN_WARP / 2; distance > 0; distance /= 2) {
    const int64 other = __shfl_xor_sync(GATUN_FULL_MASK, first, distance);
    first = other < first ? other : first;
  }
  if (lane() == 0) firsts[warp()] = first;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int k = 1; k < warps(); k++) first = firsts[k] < first ? firsts[k] : first;
  if (first < count && report[0] == 0) {
    report[1] = indices[first];
    report[2] = static_cast<int>(first);
    report[3] = bound;
    report[0] = sentence;
  }
}
