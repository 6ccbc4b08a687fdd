// y = x / keep where the element's random number is at least p, else 0; element i of a view uses number i of the seed.
// Reads and writes each element once.
#include "common.cuh"

#define GATUN_VECTOR 8

__device__ __forceinline__ float dropped(float x, uint32 bits, float p, float keep) {
  return philox_uniform(bits) >= p ? x / keep : 0.0f;
}

__device__ __forceinline__ float dropped(float x, uint64 seed, int64 element, float p, float keep) {
  uint32 bits[4];
  philox(seed, static_cast<uint64>(element) / 4, bits);
  return dropped(x, (element & 2) == 0 ? ((element & 1) == 0 ? bits[0] : bits[1])
                                       : ((element & 1) == 0 ? bits[2] : bits[3]), p, keep);
}

// The seed of this launch: what was recorded with it, combined with what lies in memory now, if anything does.
__device__ __forceinline__ uint64 salted(int64 seed, const uint32 *salt) {
  return salt == nullptr ? static_cast<uint64>(seed)
                         : static_cast<uint64>(seed) ^ (static_cast<uint64>(salt[1]) << 32 | salt[0]);
}

// Both contiguous and aligned: two blocks of the generator a thread.
extern "C" __global__ void __launch_bounds__(256)
dropout_flat(TY *y, const TX *x, int64 size, float p, float keep, int64 fixed, const uint32 *salt, int add) {
  const uint64 seed = salted(fixed, salt);
  const int64 packs = size / GATUN_VECTOR;
  for (int64 i = grid_thread(); i < packs; i += grid_threads()) {
    float values[GATUN_VECTOR];
    load_vector<GATUN_VECTOR>(x + i * GATUN_VECTOR, values);
#pragma unroll
    for (int k = 0; k < GATUN_VECTOR; k += 4) {
      uint32 bits[4];
      philox(seed, static_cast<uint64>(i) * (GATUN_VECTOR / 4) + k / 4, bits);
#pragma unroll
      for (int j = 0; j < 4; j++) values[k + j] = dropped(values[k + j], bits[j], p, keep);
    }
    if (add) {
      float old[GATUN_VECTOR];
      load_vector<GATUN_VECTOR>(y + i * GATUN_VECTOR, old);
#pragma unroll
      for (int k = 0; k < GATUN_VECTOR; k++) values[k] = old[k] + values[k];
    }
    store_vector<GATUN_VECTOR>(y + i * GATUN_VECTOR, values);
  }
  for (int64 i = packs * GATUN_VECTOR + grid_thread(); i < size; i += grid_threads()) {
    put(y + i, dropped(to_float(x[i]), seed, i, p, keep), add != 0);
  }
}

extern "C" __global__ void __launch_bounds__(256)
dropout_strided(TY *y, const TX *x, Walk<2> walk, float p, float keep, int64 fixed, const uint32 *salt, int add) {
  const uint64 seed = salted(fixed, salt);
  for (int64 i = grid_thread(); i < walk.size; i += grid_threads()) {
    int64 at[2];
    walk.places(i, at);
    put(y + at[0], dropped(to_float(x[at[1]]), seed, i, p, keep), add != 0);
  }
}
