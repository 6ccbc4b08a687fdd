// Rounding as the GPU's units do it.
#pragma once
#include <cstdint>
#include <cstring>

namespace emulator {

inline float fromBits(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}
inline uint32_t toBits(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}
inline float fromBf16(uint16_t b) { return fromBits((uint32_t)b << 16); }
// To the nearest, ties to even; a NaN stays one.
inline uint16_t toBf16(float f) {
  uint32_t u = toBits(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40);
  return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
inline float roundBf16(float f) { return fromBf16(toBf16(f)); }
// 10 bits of mantissa, ties away from zero, as tensor cores take f32.
inline float roundTf32(float f) {
  uint32_t u = toBits(f);
  return (u & 0x7f800000u) == 0x7f800000u ? f : fromBits((u + 0x1000u) & ~0x1fffu);
}
inline float fromHalf(uint16_t h) {
  _Float16 f;
  memcpy(&f, &h, 2);
  return (float)f;
}
inline uint16_t toHalf(float f) {
  auto h = (_Float16)f;
  uint16_t b;
  memcpy(&b, &h, 2);
  return b;
}

}  // namespace emulator
