// Vectors of float32 for the units that are compiled once per instruction set (`*_isa.cpp`).
// Everything is in an anonymous namespace and inlined: a weak symbol here would let the linker put
// AVX-512 code into the baseline.
#pragma once
#include "half.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace monel {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kPanelVectors = 4;
constexpr int kTileRows = 6;
#elif defined(__AVX__)
constexpr int kLanes = 8;
constexpr int kPanelVectors = 2;
constexpr int kTileRows = 6;
#else
constexpr int kLanes = 4;
constexpr int kPanelVectors = 2;
constexpr int kTileRows = 6;
#endif
constexpr int kPanel = kLanes * kPanelVectors;

template <int...>
struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

using Vec = float __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecI = int32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecU = uint32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecH = uint16_t __attribute__((vector_size(kLanes * 2), aligned(2), may_alias));
using Reg = float __attribute__((vector_size(kLanes * 4)));
using RegI = int32_t __attribute__((vector_size(kLanes * 4)));

MONEL_INLINE Reg load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
MONEL_INLINE void store(float* p, Reg v) { *reinterpret_cast<Vec*>(p) = v; }
MONEL_INLINE Reg splat(float x) { return x - Reg{}; }

MONEL_INLINE Reg fma(Reg a, Reg b, Reg c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__ARM_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

MONEL_INLINE float fma1(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

MONEL_INLINE double fma1(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

MONEL_INLINE float total(Reg v) {
  float sum[kLanes];
  store(sum, v);
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) sum[i] += sum[i + step];
  return sum[0];
}

MONEL_INLINE float value(float x) { return x; }
MONEL_INLINE float value(bfloat16 x) { return widen(x); }
MONEL_INLINE float value(float16 x) { return widen(x); }

MONEL_INLINE Reg load(const bfloat16* p) {
  const VecU wide = __builtin_convertvector(*reinterpret_cast<const VecH*>(p), VecU);
  return reinterpret_cast<Reg>(wide << 16);
}
MONEL_INLINE Reg load(const float16* p) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__F16C__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  Reg r;
  for (int i = 0; i < kLanes; ++i) r[i] = value(p[i]);
  return r;
#endif
}

// A square of registers transposed by interleaving halves, once for each bit of the lane number.
template <int... I>
MONEL_INLINE void interleave(Reg low, Reg high, Reg* out, Lanes<I...>) {
  out[0] = __builtin_shufflevector(low, high, (I / 2 + I % 2 * kLanes)...);
  out[1] = __builtin_shufflevector(low, high, (kLanes / 2 + I / 2 + I % 2 * kLanes)...);
}

template <class Row>
MONEL_INLINE void transpose_square(Row row, float* out, int64_t ld) {
  Reg in[kLanes], next[kLanes];
  for (int i = 0; i < kLanes; ++i) in[i] = row(i);
  for (int bit = 1; bit < kLanes; bit *= 2) {
    for (int i = 0; i < kLanes / 2; ++i)
      interleave(in[i], in[i + kLanes / 2], next + 2 * i, AllLanes());
    for (int i = 0; i < kLanes; ++i) in[i] = next[i];
  }
  for (int i = 0; i < kLanes; ++i) store(out + i * ld, in[i]);
}

}  // namespace
}  // namespace monel
