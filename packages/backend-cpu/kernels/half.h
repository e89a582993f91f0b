// Storage types of 16-bit floats, with branch-free conversions that compilers vectorise.
// Always inlined, so that units compiled for different instruction sets share no symbol.
#pragma once
#include <cstdint>

namespace monel {

#define MONEL_INLINE static inline __attribute__((always_inline))

struct float16 {
  uint16_t bits;
};
struct bfloat16 {
  uint16_t bits;
};

MONEL_INLINE uint32_t float_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
MONEL_INLINE float bits_float(uint32_t x) { return __builtin_bit_cast(float, x); }

MONEL_INLINE float widen(bfloat16 h) { return bits_float(static_cast<uint32_t>(h.bits) << 16); }

MONEL_INLINE float widen(float16 h) {
  // Scaling by 2^112 gives exponents their float32 bias, subnormals included.
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16;
  const uint32_t body = static_cast<uint32_t>(h.bits & 0x7fff) << 13;
  const uint32_t scaled = float_bits(bits_float(body) * 0x1p112f);
  const uint32_t special = body | 0x7f800000u;
  return bits_float(sign | (body >= 0x0f800000u ? special : scaled));
}

MONEL_INLINE bfloat16 to_bfloat16(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  const uint32_t quiet = (u >> 16) | 0x40;
  return {static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded)};
}

MONEL_INLINE float16 to_float16(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t sign = (u >> 16) & 0x8000;
  const uint32_t a = u & 0x7fffffff;
  const uint32_t normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1)) >> 13;
  // Adding 0.5 shifts a subnormal result into the low bits, rounded to even by the addition itself.
  const uint32_t small = float_bits(bits_float(a) + 0.5f) - 0x3f000000u;
  const uint32_t finite = a < 0x38800000u ? small : (normal > 0x7c00u ? 0x7c00u : normal);
  const uint32_t huge = a > 0x7f800000u ? (0x7e00u | ((a >> 13) & 0x3ff)) : 0x7c00u;
  return {static_cast<uint16_t>(sign | (a >= 0x47800000u ? huge : finite))};
}

// Computing type of a storage type: halves compute in float32.
template <class T> struct Compute { using type = T; };
template <> struct Compute<float16> { using type = float; };
template <> struct Compute<bfloat16> { using type = float; };

template <class T> MONEL_INLINE T narrow(typename Compute<T>::type x) { return x; }
template <> inline __attribute__((always_inline)) float16 narrow<float16>(float x) { return to_float16(x); }
template <> inline __attribute__((always_inline)) bfloat16 narrow<bfloat16>(float x) { return to_bfloat16(x); }
template <class T> MONEL_INLINE T widen(T x) { return x; }

}  // namespace monel
