// What all kernels share. No header of a toolkit is included: NVRTC needs nothing but this file.
//
// A kernel is `extern "C" __global__ void name(..)`. Every thread of a block reaches every barrier and every shuffle,
// blocks are whole warps, element counts and places are 64 bits. The same text is compiled by a plain C++ compiler for
// the tests without a card, which defines GATUN_EMULATOR and brings its own form of what stands under #ifndef here.
#pragma once

typedef long long int64;
typedef unsigned int uint32;
typedef unsigned long long uint64;

#ifndef GATUN_EMULATOR
// All dynamic shared memory of the block, 16-byte aligned, under a name and type of the kernel's choice.
#define GATUN_DYNAMIC_SHARED(type, name)                                    \
  extern __shared__ __align__(16) unsigned char gatun_dynamic_shared[];     \
  type *name = reinterpret_cast<type *>(gatun_dynamic_shared)
#endif

#define GATUN_WARP 32
#define GATUN_FULL_MASK 0xffffffffu
#define GATUN_INFINITY __uint_as_float(0x7f800000u)
#define GATUN_NAN __uint_as_float(0x7fffffffu)

// ---- Element types -------------------------------------------------------------------------------------------------

// The upper half of a float. A type of its own, so that overloads tell it from an integer.
struct bf16 {
  unsigned short bits;
};

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(int x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float(static_cast<uint32>(x.bits) << 16); }

// The nearest bf16, ties to even; NaN stays NaN.
__device__ __forceinline__ uint32 bf16_bits(float x) {
#ifdef __CUDA_ARCH__
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
#else
  uint32 bits = __float_as_uint(x);
  return x != x ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
#endif
}

template <class T>
__device__ __forceinline__ T from_float(float x);

template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}

template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
  bf16 y;
  y.bits = static_cast<unsigned short>(bf16_bits(x));
  return y;
}

// Truncates as Java does: NaN to zero, what is out of range to the end of the range.
template <>
__device__ __forceinline__ int from_float<int>(float x) {
  if (x != x) return 0;
  if (x >= 2147483648.0f) return 2147483647;
  if (x <= -2147483648.0f) return -2147483647 - 1;
  return static_cast<int>(x);
}

// ---- 16 bytes at a time --------------------------------------------------------------------------------------------

struct alignas(16) Quad {
  uint32 x, y, z, w;
};

__device__ __forceinline__ float bf16_low(uint32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float bf16_high(uint32 pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ __forceinline__ uint32 bf16_pair(float low, float high) {
#ifdef __CUDA_ARCH__
  uint32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return bf16_bits(low) | bf16_bits(high) << 16;
#endif
}

// How many elements of T are 16 bytes.
template <class T>
struct Pack {
  static const int SIZE = 16 / static_cast<int>(sizeof(T));
};

__device__ __forceinline__ void load_pack(const float *p, float *v) {
  Quad q = *reinterpret_cast<const Quad *>(p);
  v[0] = __uint_as_float(q.x), v[1] = __uint_as_float(q.y), v[2] = __uint_as_float(q.z), v[3] = __uint_as_float(q.w);
}

__device__ __forceinline__ void load_pack(const int *p, float *v) {
  Quad q = *reinterpret_cast<const Quad *>(p);
  v[0] = to_float(static_cast<int>(q.x)), v[1] = to_float(static_cast<int>(q.y));
  v[2] = to_float(static_cast<int>(q.z)), v[3] = to_float(static_cast<int>(q.w));
}

__device__ __forceinline__ void load_pack(const bf16 *p, float *v) {
  Quad q = *reinterpret_cast<const Quad *>(p);
  v[0] = bf16_low(q.x), v[1] = bf16_high(q.x), v[2] = bf16_low(q.y), v[3] = bf16_high(q.y);
  v[4] = bf16_low(q.z), v[5] = bf16_high(q.z), v[6] = bf16_low(q.w), v[7] = bf16_high(q.w);
}

__device__ __forceinline__ void store_pack(float *p, const float *v) {
  *reinterpret_cast<Quad *>(p) =
      Quad{__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3])};
}

__device__ __forceinline__ void store_pack(int *p, const float *v) {
  *reinterpret_cast<Quad *>(p) =
      Quad{static_cast<uint32>(from_float<int>(v[0])), static_cast<uint32>(from_float<int>(v[1])),
           static_cast<uint32>(from_float<int>(v[2])), static_cast<uint32>(from_float<int>(v[3]))};
}

__device__ __forceinline__ void store_pack(bf16 *p, const float *v) {
  *reinterpret_cast<Quad *>(p) =
      Quad{bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]), bf16_pair(v[4], v[5]), bf16_pair(v[6], v[7])};
}

// V elements as floats, V a multiple of the elements in 16 bytes; p is 16-byte aligned.
template <int V, class T>
__device__ __forceinline__ void load_vector(const T *p, float (&v)[V]) {
#pragma unroll
  for (int i = 0; i < V; i += Pack<T>::SIZE) load_pack(p + i, v + i);
}

template <int V, class T>
__device__ __forceinline__ void store_vector(T *p, const float (&v)[V]) {
#pragma unroll
  for (int i = 0; i < V; i += Pack<T>::SIZE) store_pack(p + i, v + i);
}

// y = value, or y += value with the sum formed in float.
template <class T>
__device__ __forceinline__ void put(T *y, float value, bool add) {
  *y = from_float<T>(add ? to_float(*y) + value : value);
}

// ---- Pieces of rows: eight elements a thread ------------------------------------------------------------------------

#define GATUN_PIECE 8

// The first `count` of eight elements, the rest `fill`; 16 bytes at a time where the row is aligned and goes on.
template <class T>
__device__ __forceinline__ void load_piece(const T *p, int64 count, bool aligned, float (&v)[GATUN_PIECE],
                                           float fill = 0.0f) {
  if (aligned && count >= GATUN_PIECE) {
    load_vector(p, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < GATUN_PIECE; i++) v[i] = i < count ? to_float(p[i]) : fill;
}

// Writes, or adds to, the first `count` of eight elements.
template <class T>
__device__ __forceinline__ void store_piece(T *p, int64 count, bool aligned, float (&v)[GATUN_PIECE],
                                            bool add = false) {
  if (aligned && count >= GATUN_PIECE) {
    if (add) {
      float old[GATUN_PIECE];
      load_vector(p, old);
#pragma unroll
      for (int i = 0; i < GATUN_PIECE; i++) v[i] += old[i];
    }
    store_vector(p, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < GATUN_PIECE; i++) {
    if (i < count) put(p + i, v[i], add);
  }
}

// ---- Where a thread is ---------------------------------------------------------------------------------------------

__device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x % GATUN_WARP); }
__device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x / GATUN_WARP); }
__device__ __forceinline__ int warps() { return static_cast<int>(blockDim.x / GATUN_WARP); }

// This thread among all of a one-dimensional grid, and how many there are: for grid-stride loops.
__device__ __forceinline__ int64 grid_thread() { return static_cast<int64>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64 grid_threads() { return static_cast<int64>(gridDim.x) * blockDim.x; }

// ---- Reductions: an order that depends on the number of threads alone ----------------------------------------------

// NaN if either is.
__device__ __forceinline__ float larger(float a, float b) { return a > b || a != a ? a : b; }
__device__ __forceinline__ float smaller(float a, float b) { return a < b || a != a ? a : b; }

// a to the power of b, exact for the exponents of a square and of its derivative.
__device__ __forceinline__ float power(float a, float b) { return b == 2.0f ? a * a : b == 1.0f ? a : powf(a, b); }

struct Sum {
  static __device__ __forceinline__ float nothing() { return 0.0f; }
  static __device__ __forceinline__ float of(float a, float b) { return a + b; }
};

struct Max {
  static __device__ __forceinline__ float nothing() { return -GATUN_INFINITY; }
  static __device__ __forceinline__ float of(float a, float b) { return larger(a, b); }
};

struct Min {
  static __device__ __forceinline__ float nothing() { return GATUN_INFINITY; }
  static __device__ __forceinline__ float of(float a, float b) { return smaller(a, b); }
};

// The lanes' values brought together; every lane gets the result.
template <class Combine>
__device__ __forceinline__ float warp_reduce(float x) {
#pragma unroll
  for (int distance = GATUN_WARP / 2; distance > 0; distance /= 2) {
    x = Combine::of(x, __shfl_xor_sync(GATUN_FULL_MASK, x, distance));
  }
  return x;
}

// The threads' values brought together; every thread gets the result.
template <class Combine>
__device__ __forceinline__ float block_reduce(float x) {
  __shared__ float partial[GATUN_WARP];
  x = warp_reduce<Combine>(x);
  __syncthreads();  // an earlier call's values have been read
  if (lane() == 0) partial[warp()] = x;
  __syncthreads();
  return warp_reduce<Combine>(lane() < warps() ? partial[lane()] : Combine::nothing());
}

__device__ __forceinline__ float warp_sum(float x) { return warp_reduce<Sum>(x); }
__device__ __forceinline__ float warp_max(float x) { return warp_reduce<Max>(x); }
__device__ __forceinline__ float block_sum(float x) { return block_reduce<Sum>(x); }
__device__ __forceinline__ float block_max(float x) { return block_reduce<Max>(x); }

// ---- Views ---------------------------------------------------------------------------------------------------------

// The places of N tensors' elements by their number in row-major order; strides and places in elements. An argument by
// value: 64-bit words alone, as the host writes them.
template <int N>
struct Walk {
  int64 size;
  int64 rank;
  int64 dims[8];
  int64 strides[N][8];

  __device__ __forceinline__ void places(int64 element, int64 (&at)[N]) const {
#pragma unroll
    for (int k = 0; k < N; k++) at[k] = 0;
    for (int axis = static_cast<int>(rank) - 1; axis > 0; axis--) {
      int64 outer;
      // A 64-bit division costs some five times as much as a 32-bit one.
      if ((element | dims[axis]) >> 32 == 0) {
        outer = static_cast<uint32>(element) / static_cast<uint32>(dims[axis]);
      } else {
        outer = element / dims[axis];
      }
      int64 inner = element - outer * dims[axis];
#pragma unroll
      for (int k = 0; k < N; k++) at[k] += inner * strides[k][axis];
      element = outer;
    }
#pragma unroll
    for (int k = 0; k < N; k++) at[k] += element * strides[k][0];
  }

  // As places, of one tensor.
  __device__ __forceinline__ int64 place(int64 element) const {
    int64 at[N];
    places(element, at);
    return at[0];
  }
};

// ---- Random numbers ------------------------------------------------------------------------------------------------

// Philox4x32-10 (Salmon et al., 2011), the same bits as org.gatun.tensor.Philox: the four numbers of positions
// 4 block to 4 block + 3.
__device__ __forceinline__ void philox(uint64 seed, uint64 block, uint32 (&bits)[4]) {
  uint32 c0 = static_cast<uint32>(block);
  uint32 c1 = static_cast<uint32>(block >> 32);
  uint32 c2 = 0;
  uint32 c3 = 0;
  uint32 k0 = static_cast<uint32>(seed);
  uint32 k1 = static_cast<uint32>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    uint64 p0 = static_cast<uint64>(0xD2511F53u) * c0;
    uint64 p1 = static_cast<uint64>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32>(p1);
    c2 = static_cast<uint32>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  bits[0] = c0, bits[1] = c1, bits[2] = c2, bits[3] = c3;
}

// A number in [0, 1), a multiple of 2^-24.
__device__ __forceinline__ float philox_uniform(uint32 bits) {
  return static_cast<float>(bits >> 8) * 5.9604644775390625e-8f;
}
