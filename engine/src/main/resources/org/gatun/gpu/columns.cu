// Sums down the columns of a matrix, in two stages whose order depends on its shape alone. Defined from outside: the
// element types TX, TFIRST and TSECOND.
#include "common.cuh"

#define STRANDS 8

// partial[g, c] = the sum of column c over the rows of group g. A warp has 256 columns, eight warps take turns with the
// rows. Reads 2 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(STRANDS *GATUN_WARP)
    sum_columns(float *partial, const TX *x, int64 rows, int64 columns, int aligned) {
  __shared__ float strands[STRANDS][GATUN_WARP * GATUN_PIECE];
  const int64 group = blockIdx.y;
  const int64 groups = gridDim.y;
  const int64 first = rows * group / groups;
  const int64 end = rows * (group + 1) / groups;
  const int64 tile = static_cast<int64>(blockIdx.x) * GATUN_WARP * GATUN_PIECE;
  const int64 column = tile + lane() * GATUN_PIECE;
  float sum[GATUN_PIECE] = {};
#pragma unroll 4
  for (int64 row = first + warp(); row < end; row += STRANDS) {
    float v[GATUN_PIECE];
    load_piece(x + row * columns + column, columns - column, aligned != 0, v);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) sum[i] += v[i];
  }
#pragma unroll
  for (int i = 0; i < GATUN_PIECE; i++) strands[warp()][lane() * GATUN_PIECE + i] = sum[i];
  __syncthreads();
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < STRANDS; i++) total += strands[i][threadIdx.x];
  if (tile + threadIdx.x < columns) partial[group * columns + tile + threadIdx.x] = total;
}

// y[c] (+)= the sum over groups of partial[g, c]; a second row of blocks does the same for another matrix right behind the
// first. A block has 32 columns, its warps take turns with the groups.
extern "C" __global__ void __launch_bounds__(1024)
    combine_columns(TFIRST *first, int addFirst, TSECOND *second, int addSecond, const float *partial, int64 groups,
                    int64 columns) {
  __shared__ float strands[GATUN_WARP][GATUN_WARP];
  const int64 column = static_cast<int64>(blockIdx.x) * GATUN_WARP + lane();
  const float *values = partial + blockIdx.y * groups * columns + column;
  float sum = 0.0f;
#pragma unroll 8
  for (int64 group = warp(); group < groups; group += warps()) sum += column < columns ? values[group * columns] : 0.0f;
  strands[warp()][lane()] = sum;
  __syncthreads();
  if (warp() > 0 || column >= columns) return;
  float total = 0.0f;
  for (int i = 0; i < warps(); i++) total += strands[i][lane()];
  if (blockIdx.y == 0) {
    if (first != nullptr) put(first + column, total, addFirst != 0);
  } else if (second != nullptr) {
    put(second + column, total, addSecond != 0);
  }
}
