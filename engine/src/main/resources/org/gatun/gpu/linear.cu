// What follows a matrix product where the product's own epilogue cannot do it. Defined from outside: the element types TS
// of the product, TY, TZ and TBIAS, and GELU_TANH as 1 or 0. The product may be y itself.
#include "common.cuh"

#if GELU_TANH

// 0.5 x (1 + tanh u) = x / (1 + exp(-2u)) for u = sqrt(2/pi) (x + 0.044715 x^3): no tanh, and no cancellation.
__device__ __forceinline__ float gate(float x) {
  return 1.0f / (1.0f + __expf(-1.5957691216057308f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float gelu(float x) { return x * gate(x); }

__device__ __forceinline__ float gelu_gradient(float x) {
  const float g = gate(x);
  return g + x * g * (1.0f - g) * 1.5957691216057308f * (1.0f + 0.134145f * x * x);
}

#else

__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f)); }

__device__ __forceinline__ float gelu_gradient(float x) {
  const float density = 0.3989422804014327f * __expf(-0.5f * x * x);
  return 0.5f * (1.0f + erff(x * 0.7071067811865476f)) + x * density;
}

#endif

// Eight elements a thread of a matrix [.., columns].
#define FOR_EACH_PIECE(at, size) \
  for (int64 at = grid_thread() * GATUN_PIECE; at < size; at += grid_threads() * GATUN_PIECE)

// The bias of eight elements, which lie in one row where rows are aligned; bias may be null for none.
__device__ __forceinline__ void load_bias(const TBIAS *bias, int64 at, int64 size, int64 columns, bool aligned,
                                          float (&b)[GATUN_PIECE]) {
  if (aligned || bias == nullptr) {
    load_piece(bias + at % columns, bias == nullptr ? 0 : GATUN_PIECE, aligned, b);
    return;
  }
#pragma unroll
  for (int i = 0; i < GATUN_PIECE; i++) b[i] = at + i < size ? to_float(bias[(at + i) % columns]) : 0.0f;
}

// y (+)= product.
extern "C" __global__ void __launch_bounds__(256) store_product(TY *y, const TS *product, int64 size, int add, int aligned) {
  FOR_EACH_PIECE(at, size) {
    float v[GATUN_PIECE];
    load_piece(product + at, size - at, aligned != 0, v);
    store_piece(y + at, size - at, aligned != 0, v, add != 0);
  }
}

// y = product + bias.
extern "C" __global__ void __launch_bounds__(256)
    add_bias(TY *y, const TS *product, const TBIAS *bias, int64 size, int64 columns, int aligned) {
  FOR_EACH_PIECE(at, size) {
    float v[GATUN_PIECE];
    float b[GATUN_PIECE];
    load_piece(product + at, size - at, aligned != 0, v);
    load_bias(bias, at, size, columns, aligned != 0, b);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) v[i] += b[i];
    store_piece(y + at, size - at, aligned != 0, v);
  }
}

// z = product + bias, y = gelu(z); the product may be z. Moves 4 to 6 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(256)
    gelu_forward(TY *y, TZ *z, const TS *product, const TBIAS *bias, int64 size, int64 columns, int aligned) {
  const bool same = static_cast<const void *>(z) == static_cast<const void *>(product) && bias == nullptr;
  FOR_EACH_PIECE(at, size) {
    float v[GATUN_PIECE];
    float b[GATUN_PIECE];
    load_piece(product + at, size - at, aligned != 0, v);
    load_bias(bias, at, size, columns, aligned != 0, b);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) v[i] += b[i];
    if (!same) store_piece(z + at, size - at, aligned != 0, v);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) v[i] = gelu(v[i]);
    store_piece(y + at, size - at, aligned != 0, v);
  }
}

// y = product gelu'(z). Moves 6 bytes an element in bf16.
extern "C" __global__ void __launch_bounds__(256)
    gelu_backward(TY *y, const TS *product, const TZ *z, int64 size, int aligned) {
  FOR_EACH_PIECE(at, size) {
    float v[GATUN_PIECE];
    float x[GATUN_PIECE];
    load_piece(product + at, size - at, aligned != 0, v);
    load_piece(z + at, size - at, aligned != 0, x);
#pragma unroll
    for (int i = 0; i < GATUN_PIECE; i++) v[i] *= gelu_gradient(x[i]);
    store_piece(y + at, size - at, aligned != 0, v);
  }
}
