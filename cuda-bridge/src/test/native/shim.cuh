// CUDA C++ for g++: the names a kernel may use without a header under NVRTC, on the emulator's runtime. No standard headers, so that
// a kernel compiles in a fraction of a second. __global__, __launch_bounds__ and the kernels' entries are handled by the emulated NVRTC.
#pragma once
#include "kernel_abi.h"

#define GATUN_EMULATOR 1
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __constant__ static
#define __align__(n) alignas(n)
// One block runs at a time on an operating-system thread: its thread-local memory is the block's, and the driver can poison it.
#define __shared__ static thread_local
// The pointer is as far to the right as 16-byte alignment permits: behind it lies a guard page.
#define GATUN_DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(gatunRuntime->dynamicShared)

typedef decltype(sizeof(0)) size_t;
typedef gatun::Index3 uint3;

__attribute__((visibility("hidden"))) extern const gatun::Runtime *gatunRuntime;

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define threadIdx (gatunRuntime->thread)
#define blockIdx (gatunRuntime->block)
#define blockDim (gatunRuntime->blockSize)
#define gridDim (gatunRuntime->gridSize)
#define warpSize 32

inline void __syncthreads() { gatunRuntime->syncThreads(); }
inline int __syncthreads_count(int predicate) { return gatunRuntime->countThreads(predicate != 0); }
inline int __syncthreads_or(int predicate) { return gatunRuntime->countThreads(predicate != 0) != 0; }
inline int __syncthreads_and(int predicate) { return gatunRuntime->countThreads(predicate == 0) == 0; }
inline void __syncwarp(unsigned mask = ~0u) { gatunRuntime->syncWarp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return gatunRuntime->ballot(mask, predicate != 0); }
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
inline unsigned __activemask() { return ~0u; }

namespace gatun {
template <class T> inline T exchange(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= 8, "shuffles take values of at most 8 bytes");
  unsigned long long in = 0;
  __builtin_memcpy(&in, &value, sizeof(T));
  unsigned long long out = gatunRuntime->shuffle(mask, in, source);
  __builtin_memcpy(&value, &out, sizeof(T));
  return value;
}
}  // namespace gatun

// Lanes outside of the segment of `width` lanes keep their own value, as the CUDA programming guide has it.
template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  unsigned lane = gatunRuntime->lane;
  return gatun::exchange(mask, value, (lane & ~(width - 1u)) + (source & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  unsigned lane = gatunRuntime->lane, source = lane ^ bits;
  return gatun::exchange(mask, value, source <= (lane | (width - 1u)) ? source : lane);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  unsigned lane = gatunRuntime->lane;
  return gatun::exchange(mask, value, (lane & (width - 1u)) + delta < (unsigned)width ? lane + delta : lane);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  unsigned lane = gatunRuntime->lane;
  return gatun::exchange(mask, value, (lane & (width - 1u)) >= delta ? lane - delta : lane);
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
  for (int bits = 16; bits > 0; bits >>= 1) value += __shfl_xor_sync(mask, value, bits);
  return value;
}

// Threads switch at barriers and shuffles only, so that plain code is atomic.
#define GATUN_ATOMIC(name, T, expression) \
  inline T name(T *p, T value) { T old = *p; *p = (expression); return old; }
#define GATUN_ATOMIC_INTEGER(T) \
  GATUN_ATOMIC(atomicAdd, T, (T)(old + value)) \
  GATUN_ATOMIC(atomicMax, T, old > value ? old : value) \
  GATUN_ATOMIC(atomicMin, T, old < value ? old : value) \
  GATUN_ATOMIC(atomicExch, T, value) \
  GATUN_ATOMIC(atomicAnd, T, old & value) \
  GATUN_ATOMIC(atomicOr, T, old | value) \
  GATUN_ATOMIC(atomicXor, T, old ^ value) \
  inline T atomicCAS(T *p, T compare, T value) { T old = *p; if (old == compare) *p = value; return old; }
GATUN_ATOMIC_INTEGER(int)
GATUN_ATOMIC_INTEGER(unsigned)
GATUN_ATOMIC_INTEGER(unsigned long long)
GATUN_ATOMIC(atomicSub, int, old - value)
GATUN_ATOMIC(atomicSub, unsigned, old - value)
GATUN_ATOMIC(atomicAdd, float, old + value)
GATUN_ATOMIC(atomicAdd, double, old + value)
GATUN_ATOMIC(atomicExch, float, value)

template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldca(const T *p) { return *p; }
template <class T> inline void __stcs(T *p, T value) { *p = value; }
template <class T> inline void __stcg(T *p, T value) { *p = value; }
template <class T> inline void __stwt(T *p, T value) { *p = value; }

template <class To, class From> inline To gatunBits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
inline float __uint_as_float(unsigned u) { return gatunBits<float>(u); }
inline unsigned __float_as_uint(float f) { return gatunBits<unsigned>(f); }
inline float __int_as_float(int i) { return gatunBits<float>(i); }
inline int __float_as_int(float f) { return gatunBits<int>(f); }
inline double __longlong_as_double(long long i) { return gatunBits<double>(i); }
inline long long __double_as_longlong(double d) { return gatunBits<long long>(d); }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((long long)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline int __popc(unsigned u) { return __builtin_popcount(u); }
inline int __popcll(unsigned long long u) { return __builtin_popcountll(u); }
inline int __clz(int i) { return i ? __builtin_clz(i) : 32; }
inline int __clzll(long long i) { return i ? __builtin_clzll(i) : 64; }
inline int __ffs(int i) { return __builtin_ffs(i); }
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((((unsigned long long)high << 32) | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)((((unsigned long long)high << 32) | low) >> (shift & 31));
}
inline unsigned __brev(unsigned u) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= ((u >> i) & 1u) << (31 - i);
  return r;
}

#define GATUN_MATH1(name) \
  inline float name##f(float x) { return __builtin_##name##f(x); } \
  inline double name(double x) { return __builtin_##name(x); } \
  inline float name(float x) { return __builtin_##name##f(x); }
GATUN_MATH1(exp) GATUN_MATH1(exp2) GATUN_MATH1(expm1) GATUN_MATH1(log) GATUN_MATH1(log2) GATUN_MATH1(log10) GATUN_MATH1(log1p)
GATUN_MATH1(sqrt) GATUN_MATH1(cbrt) GATUN_MATH1(sin) GATUN_MATH1(cos) GATUN_MATH1(tan) GATUN_MATH1(tanh) GATUN_MATH1(sinh)
GATUN_MATH1(cosh) GATUN_MATH1(atan) GATUN_MATH1(asin) GATUN_MATH1(acos) GATUN_MATH1(erf) GATUN_MATH1(erfc) GATUN_MATH1(floor)
GATUN_MATH1(ceil) GATUN_MATH1(trunc) GATUN_MATH1(round) GATUN_MATH1(rint) GATUN_MATH1(fabs) GATUN_MATH1(asinh) GATUN_MATH1(acosh)
GATUN_MATH1(atanh) GATUN_MATH1(lgamma) GATUN_MATH1(tgamma)
#define GATUN_MATH2(name) \
  inline float name##f(float x, float y) { return __builtin_##name##f(x, y); } \
  inline double name(double x, double y) { return __builtin_##name(x, y); } \
  inline float name(float x, float y) { return __builtin_##name##f(x, y); }
GATUN_MATH2(pow) GATUN_MATH2(fmod) GATUN_MATH2(fmax) GATUN_MATH2(fmin) GATUN_MATH2(atan2) GATUN_MATH2(copysign) GATUN_MATH2(hypot)
GATUN_MATH2(nextafter)
inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline float ldexpf(float x, int e) { return __builtin_ldexpf(x, e); }
inline float __expf(float x) { return __builtin_expf(x); }
inline float __exp2f(float x) { return __builtin_exp2f(x); }
inline float __logf(float x) { return __builtin_logf(x); }
inline float __log2f(float x) { return __builtin_log2f(x); }
inline float __sinf(float x) { return __builtin_sinf(x); }
inline float __cosf(float x) { return __builtin_cosf(x); }
inline float __powf(float x, float y) { return __builtin_powf(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0f / __builtin_sqrtf(x); }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
inline int __float2int_rn(float x) { return (int)__builtin_rintf(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline int __float2int_rd(float x) { return (int)__builtin_floorf(x); }
inline float __int2float_rn(int i) { return (float)i; }
inline float __uint2float_rn(unsigned i) { return (float)i; }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x); }
#define GATUN_MIN_MAX(T) \
  inline T min(T a, T b) { return a < b ? a : b; } \
  inline T max(T a, T b) { return a > b ? a : b; }
GATUN_MIN_MAX(int) GATUN_MIN_MAX(unsigned) GATUN_MIN_MAX(long) GATUN_MIN_MAX(unsigned long) GATUN_MIN_MAX(long long)
GATUN_MIN_MAX(unsigned long long)
inline float min(float a, float b) { return __builtin_fminf(a, b); }
inline float max(float a, float b) { return __builtin_fmaxf(a, b); }
inline double min(double a, double b) { return __builtin_fmin(a, b); }
inline double max(double a, double b) { return __builtin_fmax(a, b); }
inline int abs(int i) { return i < 0 ? -i : i; }
inline long abs(long i) { return i < 0 ? -i : i; }

inline unsigned long long clock64() { return __builtin_ia32_rdtsc(); }
inline void __trap() { gatunRuntime->fail(719, "__trap()", 0, 0); __builtin_unreachable(); }
inline void __nanosleep(unsigned) {}
#define printf(...) gatunRuntime->print(__VA_ARGS__)
#define assert(condition) ((condition) ? (void)0 : gatunRuntime->fail(710, "assert(" #condition ")", __FILE__, __LINE__))

// Where g++'s checks report: accesses that a GPU refuses and a CPU forgives, and indices outside of arrays, shared ones above all.
struct GatunPlace {
  const char *file;
  unsigned line, column;
};
extern "C" __attribute__((visibility("hidden"), used)) void __ubsan_handle_type_mismatch_v1_abort(const GatunPlace *at, unsigned long) {
  gatunRuntime->fail(716, "a misaligned access", at->file, at->line);
}
extern "C" __attribute__((visibility("hidden"), used)) void __ubsan_handle_out_of_bounds_abort(const GatunPlace *at, unsigned long) {
  gatunRuntime->fail(700, "an index outside of its array", at->file, at->line);
}

// The entry of a kernel: its arguments' places and sizes from its C++ type.
namespace gatun {
template <class T> struct IsPointer { static constexpr bool value = false; };
template <class T> struct IsPointer<T *> { static constexpr bool value = true; };
template <unsigned... I> struct Indices {};
template <unsigned N, unsigned... I> struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <unsigned... I> struct MakeIndices<0, I...> { typedef Indices<I...> type; };
template <class T> struct Plain { typedef T type; };
template <class T> struct Plain<const T> { typedef T type; };

template <class... A> struct Entry {
  static constexpr unsigned count = sizeof...(A);
  struct Table {
    Parameter at[count + 1];
    constexpr Table() : at{} {
      unsigned sizes[] = {(unsigned)sizeof(A)..., 1}, alignments[] = {(unsigned)alignof(A)..., 1};
      bool pointers[] = {IsPointer<typename Plain<A>::type>::value..., false};
      unsigned offset = 0;
      for (unsigned i = 0; i < count; i++) {
        offset = (offset + alignments[i] - 1) / alignments[i] * alignments[i];
        at[i] = Parameter{offset, sizes[i], pointers[i]};
        offset += sizes[i];
      }
    }
  };
  template <void (*kernel)(A...), unsigned... I> static void call(void **arguments, Indices<I...>) {
    kernel(*reinterpret_cast<typename Plain<A>::type *>(arguments[I])...);
  }
  template <void (*kernel)(A...)> static void run(void **arguments) {
    call<kernel>(arguments, typename MakeIndices<count>::type());
  }
  static constexpr Table table{};
};
template <class... A> Entry<A...> entry(void (*)(A...));
}  // namespace gatun
#define GATUN_KERNEL(kernel, maxThreads) \
  {#kernel, &decltype(gatun::entry(kernel))::template run<kernel>, decltype(gatun::entry(kernel))::table.at, \
   decltype(gatun::entry(kernel))::count, maxThreads}
