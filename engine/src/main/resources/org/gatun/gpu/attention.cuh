// What both directions of attention share: tiles of rows in shared memory and the two products made of them. A warp owns
// OWN rows of one side; the rows of the other side come by in tiles of 32, a row a lane. Defined from outside: HEAD, the
// head size, and OWN.
#pragma once
#include "common.cuh"

#define WARPS 4
#define THREADS (WARPS * GATUN_WARP)
#define TILE GATUN_WARP
#define BLOCK_ROWS (WARPS * OWN)

// Columns of a head that a lane has, and the floats between rows in shared memory: four more than a multiple of 32, so
// that 16 bytes a lane, a row a lane, meet no bank twice.
#define COLUMNS ((HEAD + GATUN_WARP - 1) / GATUN_WARP)
#define PITCH (COLUMNS * GATUN_WARP + 4)

// A view [B, NH, T, HEAD] whose innermost stride is one, as the host writes it: 64-bit words alone.
template <class T>
struct Heads {
  T *start;
  int64 batch;
  int64 head;
  int64 row;

  __device__ __forceinline__ T *of(int64 b, int64 h) const { return start + b * batch + h * head; }
};

// A view [B, NH, Tq, Tk] to be added to the scores; start is null for none.
template <class T>
struct Mask {
  const T *start;
  int64 batch;
  int64 head;
  int64 query;
  int64 key;

  __device__ __forceinline__ float at(int64 b, int64 h, int64 i, int64 j) const {
    return start == nullptr ? 0.0f : to_float(start[b * batch + h * head + i * query + j * key]);
  }
};

// Whether a query sees a key: the last query sees all of them.
__device__ __forceinline__ bool sees(int64 i, int64 j, int64 queries, int64 keys, bool causal) {
  return i < queries && j < keys && (!causal || j <= i + keys - queries);
}

// Brings `capacity` rows of a head into shared memory; what lies beyond `count` rows or HEAD columns is zero.
template <class T>
__device__ __forceinline__ void load_rows(float *tile, int capacity, const T *rows, int64 stride, int64 count,
                                          bool aligned) {
  const int pieces = COLUMNS * GATUN_WARP / GATUN_PIECE;
  for (int i = threadIdx.x; i < capacity * pieces; i += THREADS) {
    const int row = i / pieces;
    const int column = i % pieces * GATUN_PIECE;
    float v[GATUN_PIECE];
    load_piece(rows + row * stride + column, row < count ? HEAD - column : 0, aligned, v);
    store_vector(tile + row * PITCH + column, v);
  }
}

__device__ __forceinline__ void load_four(const float *p, float (&v)[4]) { load_vector(p, v); }

// products[r] += own row r times the lane's row of the tile.
__device__ __forceinline__ void multiply(float (&products)[OWN], const float *own, const float *tile) {
  const float *other = tile + lane() * PITCH;
#pragma unroll 2
  for (int d = 0; d < HEAD; d += 4) {
    float b[4];
    load_four(other + d, b);
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      float a[4];
      load_four(own + r * PITCH + d, a);
      products[r] += a[0] * b[0];
      products[r] += a[1] * b[1];
      products[r] += a[2] * b[2];
      products[r] += a[3] * b[3];
    }
  }
}

// sums[r] += the tile's rows weighted by weights[r, :]; the lane has every 32nd column.
__device__ __forceinline__ void accumulate(float (&sums)[OWN][COLUMNS], const float *weights, const float *tile) {
#pragma unroll 1
  for (int k = 0; k < TILE; k += 4) {
    float v[4][COLUMNS];
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) v[i][c] = tile[(k + i) * PITCH + c * GATUN_WARP + lane()];
    }
#pragma unroll
    for (int r = 0; r < OWN; r++) {
      float w[4];
      load_four(weights + r * TILE + k, w);
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) {
        sums[r][c] += w[0] * v[0][c];
        sums[r][c] += w[1] * v[1][c];
        sums[r][c] += w[2] * v[2][c];
        sums[r][c] += w[3] * v[3][c];
      }
    }
  }
}

// Writes a warp's rows, or adds to them.
template <class T>
__device__ __forceinline__ void store_rows(T *rows, int64 stride, int64 count, float (&sums)[OWN][COLUMNS], float factor,
                                           bool add) {
#pragma unroll
  for (int r = 0; r < OWN; r++) {
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * GATUN_WARP + lane();
      if (r < count && column < HEAD) put(rows + r * stride + column, sums[r][c] * factor, add);
    }
  }
}
