// Look-ups by index and their transposes. Indices out of range are passed over here; check_indices reports them.
#include "common.cuh"

// Elements a thread copies at a time where rows allow: 16 bytes of the narrower type.
#define GATUN_WIDTH (Pack<TX>::SIZE > Pack<TY>::SIZE ? Pack<TX>::SIZE : Pack<TY>::SIZE)

__device__ __forceinline__ bool is_within(int index, int bound) { return index >= 0 && index < bound; }

// y[n, :] = table[indices[n], :], a block a row. `vector`: rows are whole packs and aligned.
extern "C" __global__ void __launch_bounds__(256)
embedding_forward(TY *y, const TX *table, const int *indices, int64 count, int columns, int bound, int vector) {
  for (int64 n = blockIdx.x; n < count; n += gridDim.x) {
    const int index = indices[n];
    if (!is_within(index, bound)) continue;
    const TX *from = table + static_cast<int64>(index) * columns;
    TY *to = y + n * columns;
    if (vector) {
      for (int c = threadIdx.x * GATUN_WIDTH; c < columns; c += blockDim.x * GATUN_WIDTH) {
        float values[GATUN_WIDTH];
        load_vector<GATUN_WIDTH>(from + c, values);
        store_vector<GATUN_WIDTH>(to + c, values);
      }
    } else {
      for (int c = threadIdx.x; c < columns; c += blockDim.x) to[c] = from_float<TY>(to_float(from[c]));
    }
  }
}

// dtable[row, :] += the rows of dy whose index it is, in the order of n: a block a run of equal indices in `order` and
// a tile of columns. `order` is of rank_indices.
extern "C" __global__ void __launch_bounds__(128)
embedding_backward(TY *dtable, const TX *dy, const int *indices, const int *order, int64 count, int columns, int bound,
                   int add) {
  const int LOADS = 8;
  const int column = blockIdx.y * blockDim.x + threadIdx.x;
  for (int64 start = blockIdx.x; start < count; start += gridDim.x) {
    const int row = indices[order[start]];
    if (!is_within(row, bound) || start > 0 && indices[order[start - 1]] == row || column >= columns) continue;
    TY *to = dtable + static_cast<int64>(row) * columns + column;
    float sum = add ? to_float(*to) : 0.0f;
    bool more = true;
    for (int64 at = start; more; at += LOADS) {
      float values[LOADS];
      bool same[LOADS];
#pragma unroll
      for (int k = 0; k < LOADS; k++) {
        const int n = at + k < count ? order[at + k] : -1;
        same[k] = n >= 0 && indices[n] == row;
        values[k] = same[k] ? to_float(dy[static_cast<int64>(n) * columns + column]) : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < LOADS; k++) {
        if (same[k]) sum += values[k];
      }
      more = same[LOADS - 1];
    }
    *to = from_float<TY>(sum);
  }
}

// y[n, j] = x[n, indices[n, j]], y [count / width, width].
extern "C" __global__ void __launch_bounds__(256)
gather_forward(TY *y, const TX *x, const int *indices, int64 count, int width, int columns) {
  for (int64 i = grid_thread(); i < count; i += grid_threads()) {
    const int index = indices[i];
    if (is_within(index, columns)) y[i] = from_float<TY>(to_float(x[i / width * columns + index]));
  }
}

// dx[n, indices[n, j]] += dy[n, j] in the order of j: the first j of an index does it for all that follow.
extern "C" __global__ void __launch_bounds__(256)
gather_backward(TY *dx, const TX *dy, const int *indices, int64 count, int width, int columns) {
  for (int64 i = grid_thread(); i < count; i += grid_threads()) {
    const int64 row = i / width;
    const int index = indices[i];
    bool first = is_within(index, columns);
    for (int64 j = row * width; j < i && first; j++) first = indices[j] != index;
    if (!first) continue;
    TY *to = dx + row * columns + index;
    float sum = to_float(*to);
    for (int64 j = i; j < (row + 1) * width; j++) {
      if (indices[j] == index) sum += to_float(dy[j]);
    }
    *to = from_float<TY>(sum);
  }
}

// y[n, c] = 1 where c = indices[n], else 0.
extern "C" __global__ void __launch_bounds__(256)
one_hot(TY *y, const int *indices, int64 size, int columns) {
  for (int64 i = grid_thread(); i < size; i += grid_threads()) {
    const int64 n = i / columns;
    y[i] = from_float<TY>(i - n * columns == indices[n] ? 1.0f : 0.0f);
  }
}
