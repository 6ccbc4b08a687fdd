// A copy between two views of which each is dense along another axis, by way of shared memory, so that both sides are
// read and written in whole lines. y and x are [outer.., rows, columns]; columns lie side by side in y, rows in x.
#include "common.cuh"

#define GATUN_TILE 32

extern "C" __global__ void __launch_bounds__(256)
transpose(TY *y, const TX *x, Walk<2> outer, int64 rows, int64 columns, int64 y_stride, int64 x_stride, int add) {
  // One column more than the tile has, so that a column's elements lie in different banks.
  __shared__ float tile[GATUN_TILE][GATUN_TILE + 1];
  const int64 down = (rows + GATUN_TILE - 1) / GATUN_TILE;
  const int64 across = (columns + GATUN_TILE - 1) / GATUN_TILE;
  for (int64 task = blockIdx.x; task < outer.size * down * across; task += gridDim.x) {
    const int64 slab = task / (down * across);
    const int64 row = (task - slab * down * across) / across * GATUN_TILE;
    const int64 column = task % across * GATUN_TILE;
    int64 at[2];
    outer.places(slab, at);
    __syncthreads();  // the tile before has been written
    for (int k = warp(); k < GATUN_TILE; k += warps()) {
      if (row + lane() < rows && column + k < columns) {
        tile[k][lane()] = to_float(x[at[1] + row + lane() + (column + k) * x_stride]);
      }
    }
    __syncthreads();
    for (int k = warp(); k < GATUN_TILE; k += warps()) {
      if (row + k < rows && column + lane() < columns) {
        put(y + at[0] + (row + k) * y_stride + column + lane(), tile[lane()][k], add != 0);
      }
    }
  }
}
