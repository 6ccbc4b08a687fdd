// Softmax and cross-entropy in one, a block a row of logits. Defined from outside: the element types TLOSS, TX and TDX.
#include "common.cuh"

#define THREADS 512

// count = the number of targets that are not ignored; one block.
extern "C" __global__ void __launch_bounds__(1024)
    count_targets(float *count, const int *targets, int64 rows, int ignored) {
  float counted = 0.0f;
  for (int64 n = threadIdx.x; n < rows; n += blockDim.x) counted += targets[n] == ignored ? 0.0f : 1.0f;
  counted = block_sum(counted);
  if (threadIdx.x == 0) *count = counted;
}

// Minus infinity less itself would be NaN: where nothing else was seen, exponentials are taken as they are.
__device__ __forceinline__ float shift_of(float max) { return max == -GATUN_INFINITY ? 0.0f : max; }

// One read of the logits: 2 bytes an element in bf16. Sums follow the largest logit seen so far (Milakov and Gimelshein,
// 2018).
extern "C" __global__ void __launch_bounds__(THREADS)
    cross_entropy_forward(TLOSS *losses, float *lse, const TX *logits, const int *targets, int64 columns, int classes,
                          int ignored, int aligned) {
  const int64 row = blockIdx.x;
  const TX *x = logits + row * columns;
  float max = -GATUN_INFINITY;
  float sum = 0.0f;
#pragma unroll 2
  for (int64 at = threadIdx.x * GATUN_PIECE; at < classes; at += blockDim.x * GATUN_PIECE) {
    float v[GATUN_PIECE];
    load_piece(x + at, classes - at, aligned != 0, v, -GATUN_INFINITY);
    float raised = max;
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) raised = fmaxf(raised, v[i]);
    const float shift = shift_of(raised);
    if (raised > max) sum *= __expf(max - shift);
    max = raised;
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) sum += __expf(v[i] - shift);
  }
  const float largest = block_max(max);
  sum = block_sum(sum * __expf(max - shift_of(largest)));
  if (threadIdx.x == 0) {
    const float logsumexp = largest + logf(sum);
    const int target = targets[row];
    lse[row] = logsumexp;
    const bool counts = target != ignored && target >= 0 && target < classes;
    losses[row] = from_float<TLOSS>(counts ? logsumexp - to_float(x[target]) : 0.0f);
  }
}

// Reads the logits and writes their gradient, in their own place if wanted: 4 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(THREADS)
    cross_entropy_backward(TDX *dlogits, int add, const float *dloss, const float *count, const TX *logits,
                           const float *lse, const int *targets, int64 columns, int classes, int ignored,
                           int aligned) {
  const int64 row = blockIdx.x;
  const int target = targets[row];
  const int64 seen = target == ignored ? 0 : classes;
  const float dy = *dloss / *count;
  const float shift = lse[row];
  for (int64 at = threadIdx.x * GATUN_PIECE; at < columns; at += blockDim.x * GATUN_PIECE) {
    float v[GATUN_PIECE];
    load_piece(logits + row * columns + at, seen - at, aligned != 0, v);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) {
      v[i] = at + i >= seen ? 0.0f : __expf(v[i] - shift) * dy - (at + i == target ? dy : 0.0f);
    }
    store_piece(dlogits + row * columns + at, columns - at, aligned != 0, v, add != 0);
  }
}
