// Sums and extremes of a view of TX into TY, and the position of a row's first largest element.
//
// The reduced dimensions are cut into pieces of `piece` elements; with more than one, y is [pieces, outputs] in float
// and a second launch brings the pieces together. Reads every element once: sizeof(TX) bytes an element.
#include "common.cuh"

// Elements from `first` to before `end`, every `step`-th, one after the other into one value.
template <class Combine>
__device__ __forceinline__ float combined(const TX *x, const Walk<1> &reduced, int64 first, int64 end, int64 step) {
  const int LOADS = 4;  // under way together, to hide the latency of memory
  float value = Combine::nothing();
  int64 i = first;
  if (reduced.rank == 1) {
    const int64 stride = reduced.strides[0][0];
    for (; i + (LOADS - 1) * step < end; i += LOADS * step) {
      float loaded[LOADS];
#pragma unroll
      for (int k = 0; k < LOADS; k++) loaded[k] = to_float(x[(i + k * step) * stride]);
#pragma unroll
      for (int k = 0; k < LOADS; k++) value = Combine::of(value, loaded[k]);
    }
  }
#pragma unroll 1
  for (; i < end; i += step) value = Combine::of(value, to_float(x[reduced.place(i)]));
  return value;
}

// Neighbours in memory belong to one output: a block an output and piece, its threads side by side.
template <class Combine>
__device__ __forceinline__ void reduce_rows(TY *y, const TX *x, const Walk<1> &kept, const Walk<1> &reduced,
                                            int64 piece, int64 pieces, bool add) {
  for (int64 task = blockIdx.x; task < kept.size * pieces; task += gridDim.x) {
    const int64 output = task / pieces;
    const int64 number = task - output * pieces;
    const int64 end = number + 1 == pieces ? reduced.size : (number + 1) * piece;
    const TX *row = x + kept.place(output);
    float value = combined<Combine>(row, reduced, number * piece + threadIdx.x, end, blockDim.x);
    float result = block_reduce<Combine>(value);
    if (threadIdx.x == 0) put(y + number * kept.size + output, result, add);
  }
}

// Neighbours in memory belong to different outputs: a warp walks down 32 of them, the block's warps take turns.
template <class Combine>
__device__ __forceinline__ void reduce_columns(TY *y, const TX *x, const Walk<1> &kept, const Walk<1> &reduced,
                                               int64 piece, int64 pieces, bool add) {
  __shared__ float partial[GATUN_WARP][GATUN_WARP];
  const int64 tiles = (kept.size + GATUN_WARP - 1) / GATUN_WARP;
  for (int64 task = blockIdx.x; task < tiles * pieces; task += gridDim.x) {
    const int64 number = task / tiles;
    const int64 output = (task - number * tiles) * GATUN_WARP + lane();
    const bool inside = output < kept.size;
    const int64 end = number + 1 == pieces ? reduced.size : (number + 1) * piece;
    const TX *column = x + kept.place(inside ? output : kept.size - 1);
    float value = combined<Combine>(column, reduced, number * piece + warp(), end, warps());
    __syncthreads();  // the task before has been read
    partial[warp()][lane()] = value;
    __syncthreads();
    if (warp() == 0 && inside) {
      float result = partial[0][lane()];
      for (int k = 1; k < warps(); k++) result = Combine::of(result, partial[k][lane()]);
      put(y + number * kept.size + output, result, add);
    }
  }
}

// A kernel each, rather than one that chooses: together they would not fit in registers.

extern "C" __global__ void __launch_bounds__(256)
rows_sum(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_rows<Sum>(y, x, kept, reduced, piece, pieces, add != 0);
}

extern "C" __global__ void __launch_bounds__(256)
rows_max(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_rows<Max>(y, x, kept, reduced, piece, pieces, add != 0);
}

extern "C" __global__ void __launch_bounds__(256)
rows_min(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_rows<Min>(y, x, kept, reduced, piece, pieces, add != 0);
}

extern "C" __global__ void __launch_bounds__(256)
columns_sum(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_columns<Sum>(y, x, kept, reduced, piece, pieces, add != 0);
}

extern "C" __global__ void __launch_bounds__(256)
columns_max(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_columns<Max>(y, x, kept, reduced, piece, pieces, add != 0);
}

extern "C" __global__ void __launch_bounds__(256)
columns_min(TY *y, const TX *x, Walk<1> kept, Walk<1> reduced, int64 piece, int64 pieces, int add) {
  reduce_columns<Min>(y, x, kept, reduced, piece, pieces, add != 0);
}
