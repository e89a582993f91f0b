// Float32 functions without branches, for loops that the compiler vectorises; errors in ulp are measured by
// tests/test_kernels_math.py. Included by *_isa.cpp only: everything is static and always inlined.
//
// exp, log and the circular functions reduce as Cody and Waite do ("Software Manual for the Elementary Functions",
// 1980) and use minimax polynomials of the Cephes library (S. Moshier); erf follows N. Juffa's two-interval form,
// erfinv M. Giles ("Approximating the erfinv function", 2010).
#pragma once
#include "half.h"

namespace monel {
namespace {

MONEL_INLINE float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
MONEL_INLINE double fused(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

constexpr float kInf = __builtin_inff();
constexpr float kNan = __builtin_nanf("");

MONEL_INLINE float magnitude(float x) { return bits_float(float_bits(x) & 0x7fffffffu); }
MONEL_INLINE float with_sign(float x, float sign) {
  return bits_float((float_bits(x) & 0x7fffffffu) | (float_bits(sign) & 0x80000000u));
}
// 2^n for -126 <= n <= 127.
MONEL_INLINE float power_of_two(int32_t n) { return bits_float(static_cast<uint32_t>(n + 127) << 23); }
// x * 2^n in two exact steps, for results that overflow or are subnormal.
MONEL_INLINE float scale(float x, int32_t n) {
  const int32_t half = n >> 1;
  return x * power_of_two(half) * power_of_two(n - half);
}

// expm1(r) for |r| <= ln(2) / 2.
MONEL_INLINE float exp_tail(float r) {
  float p = 1.98527617612853646e-4f;
  p = fused(p, r, 1.39304355252534151e-3f);
  p = fused(p, r, 8.33336077630519867e-3f);
  p = fused(p, r, 4.16664853692054749e-2f);
  p = fused(p, r, 1.66666671633720398e-1f);
  p = fused(p, r, 0.5f);
  return fused(r * r, p, r);
}

struct Reduced {
  float rest;
  int32_t n;
};

// x = n * ln(2) + rest.
MONEL_INLINE Reduced exp_split(float x) {
  const float n = __builtin_rintf(x * 1.44269504088896341f);
#if defined(__FMA__) || defined(__ARM_NEON)
  const float r = fused(n, 1.904654299957e-9f, fused(n, -0.693147182464599609f, x));
#else
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
#endif
  return {r, static_cast<int32_t>(n)};
}

MONEL_INLINE Reduced exp_reduce(float x) {
  const float c = x > 89.0f ? 89.0f : x;
  return exp_split(c < -104.0f ? -104.0f : c);
}

// A NaN passes through all of these: comparisons with it are false, and it meets every sum and product.
MONEL_INLINE float exp_f(float x) {
  const Reduced q = exp_reduce(x);
  return scale(1.0f + exp_tail(q.rest), q.n);
}

// exp for |x| <= 87, where 2^n is one addition to the exponent.
MONEL_INLINE float exp_bounded(float x) {
  const Reduced q = exp_split(x);
  return bits_float(float_bits(1.0f + exp_tail(q.rest)) + (static_cast<uint32_t>(q.n) << 23));
}

// exp of x <= 0, for sums of exponentials: below -87 it is 0.
MONEL_INLINE float exp_negative_f(float x) {
  const float y = exp_bounded(x < -87.0f ? -87.0f : x);
  return x < -87.0f ? 0.0f : y;
}

MONEL_INLINE float exp2_f(float x) {
  float c = x > 129.0f ? 129.0f : x;
  c = c < -150.0f ? -150.0f : c;
  const float n = __builtin_rintf(c);
  return scale(1.0f + exp_tail((c - n) * 0.693147180559945f), static_cast<int32_t>(n));
}

MONEL_INLINE float expm1_f(float x) {
  const Reduced q = exp_reduce(x);
  const float p = exp_tail(q.rest);
  const int32_t n = q.n < -100 ? -100 : q.n > 127 ? 127 : q.n;
  const float s = power_of_two(n);
  const float y = fused(s, p, s - 1.0f);
  const float big = scale(1.0f + p, q.n);
  const float out = q.n > 60 ? big : q.n == 0 ? p : y;
  return x != x || x == 0.0f ? x : out;
}

struct Logarithm {
  float f;     // log(m) = f + rest, m in [sqrt(1/2), sqrt(2))
  float rest;
  float e;     // x = m * 2^e
};

// log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)).
MONEL_INLINE float log_tail(float f) {
  float p = 7.0376836292e-2f;
  p = fused(p, f, -1.1514610310e-1f);
  p = fused(p, f, 1.1676998740e-1f);
  p = fused(p, f, -1.2420140846e-1f);
  p = fused(p, f, 1.4249322787e-1f);
  p = fused(p, f, -1.6668057665e-1f);
  p = fused(p, f, 2.0000714765e-1f);
  p = fused(p, f, -2.4999993993e-1f);
  p = fused(p, f, 3.3333331174e-1f);
  const float z = f * f;
  return fused(z * f, p, -0.5f * z);
}

MONEL_INLINE Logarithm log_parts(float x) {
  const bool tiny = x < 0x1p-126f;
  const uint32_t u = float_bits(tiny ? x * 0x1p23f : x);
  // Subtracting the bits of sqrt(1/2) leaves the exponent such that the mantissa lies around 1.
  const int32_t e = static_cast<int32_t>(u - 0x3f3504f3u) >> 23;
  const float m = bits_float(u - (static_cast<uint32_t>(e) << 23));
  const float f = m - 1.0f;
  return {f, log_tail(f), static_cast<float>(e) - (tiny ? 23.0f : 0.0f)};
}

MONEL_INLINE float log_special(float x, float y) {
  y = x == 0.0f ? -kInf : y;
  y = x < 0.0f ? kNan : y;
  return x != x || x == kInf ? x : y;
}

MONEL_INLINE float log_f(float x) {
  const Logarithm l = log_parts(x);
  const float y = fused(l.e, -2.12194440e-4f, l.rest);
  return log_special(x, fused(l.e, 0.693359375f, l.f + y));
}

MONEL_INLINE float log2_f(float x) {
  const Logarithm l = log_parts(x);
  const double m = static_cast<double>(l.f) + static_cast<double>(l.rest);
  return log_special(x, static_cast<float>(fused(m, 1.4426950408889634, static_cast<double>(l.e))));
}

MONEL_INLINE float log10_f(float x) {
  const Logarithm l = log_parts(x);
  const double m = static_cast<double>(l.f) + static_cast<double>(l.rest);
  return log_special(
      x, static_cast<float>(fused(m, 0.43429448190325183, static_cast<double>(l.e) * 0.3010299956639812)));
}

MONEL_INLINE float log1p_f(float x) {
  const float u = 1.0f + x;
  const Logarithm l = log_parts(u);
  const float lost = (x - (u - 1.0f)) / u;  // what the rounding of 1 + x took away
  const bool near = x > -0.29f && x < 0.41f;
  const float f = near ? x : l.f;
  const float rest = near ? log_tail(x) : fused(l.e, -2.12194440e-4f, l.rest + (u < 0x1p60f ? lost : 0.0f));
  const float y = fused(near ? 0.0f : l.e, 0.693359375f, f + rest);
  const float special = x == -1.0f ? -kInf : x < -1.0f ? kNan : y;
  return x != x || x == kInf || x == 0.0f ? x : special;
}

MONEL_INLINE float tanh_f(float x) {
  const float a = magnitude(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = fused(p, z, 2.06390887954e-2f);
  p = fused(p, z, -5.37397155531e-2f);
  p = fused(p, z, 1.33314422036e-1f);
  p = fused(p, z, -3.33332819422e-1f);
  const float small = fused(p * z, x, x);
  const float c = a > 10.0f ? 10.0f : a;
  const float large = with_sign(1.0f - 2.0f / (exp_bounded(c + c) + 1.0f), x);
  return a < 0.625f ? small : large;
}

MONEL_INLINE float sigmoid_f(float x) {
  const float e = exp_f(-magnitude(x));
  return (x >= 0.0f ? 1.0f : x != x ? x : e) / (1.0f + e);
}

MONEL_INLINE float erf_f(float x) {
  const float a = magnitude(x), s = x * x;
  const float t = a > 4.0f ? 4.0f : a, t2 = t * t;
  float far = fused(-1.72853470e-5f, t, 3.83197126e-4f);
  const float u = fused(-3.88396438e-3f, t, 2.42546219e-2f);
  far = fused(far, t2, u);
  far = fused(far, t, -1.06777877e-1f);
  far = fused(far, t, -6.34846687e-1f);
  far = fused(far, t, -1.28717512e-1f);
  far = fused(far, t, -t);
  far = with_sign(1.0f - exp_bounded(far), x);
  float near = -5.96761703e-4f;
  near = fused(near, s, 4.99119423e-3f);
  near = fused(near, s, -2.67681349e-2f);
  near = fused(near, s, 1.12819925e-1f);
  near = fused(near, s, -3.76125336e-1f);
  near = fused(near, s, 1.28379166e-1f);
  near = fused(near, x, x);
  return a > 0.927734375f ? far : near;
}

MONEL_INLINE float erfinv_f(float x) {
  const float w = -log_f((1.0f - x) * (1.0f + x));
  const float near = w - 2.5f, far = __builtin_sqrtf(w > 0.0f ? w : 0.0f) - 3.0f;
  const bool close = w < 5.0f;
  const float z = close ? near : far;
  float p = close ? 2.81022636e-08f : -0.000200214257f;
  p = fused(p, z, close ? 3.43273939e-07f : 0.000100950558f);
  p = fused(p, z, close ? -3.5233877e-06f : 0.00134934322f);
  p = fused(p, z, close ? -4.39150654e-06f : -0.00367342844f);
  p = fused(p, z, close ? 0.00021858087f : 0.00573950773f);
  p = fused(p, z, close ? -0.00125372503f : -0.0076224613f);
  p = fused(p, z, close ? -0.00417768164f : 0.00943887047f);
  p = fused(p, z, close ? 0.246640727f : 1.00167406f);
  p = fused(p, z, close ? 1.50140941f : 2.83297682f);
  const float a = magnitude(x);
  return a == 1.0f ? with_sign(kInf, x) : a < 1.0f ? p * x : kNan;
}

// Up to here the reduction below is good; callers mend what is beyond.
constexpr float kCircularLimit = 1000.0f;

struct Quadrant {
  float rest;
  int32_t n;
};

MONEL_INLINE Quadrant circular_reduce(float x) {
  const float c = magnitude(x) <= kCircularLimit ? x : 0.0f;
  const float n = __builtin_rintf(c * 0.636619772367581f);
#if defined(__FMA__) || defined(__ARM_NEON)
  float r = fused(n, -1.57079601e+00f, c);
  r = fused(n, -3.13916473e-07f, r);
  r = fused(n, -5.39030253e-15f, r);
#else
  const double wide = static_cast<double>(c) - static_cast<double>(n) * 1.5707963267948966;
  const float r = static_cast<float>(wide);
#endif
  return {r, static_cast<int32_t>(n)};
}

MONEL_INLINE float sin_poly(float r) {
  const float z = r * r;
  float p = fused(-1.9515295891e-4f, z, 8.3321608736e-3f);
  p = fused(p, z, -1.6666654611e-1f);
  return fused(p * z, r, r);
}

MONEL_INLINE float cos_poly(float r) {
  const float z = r * r;
  float p = fused(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  p = fused(p, z, 4.166664568298827e-2f);
  return fused(p * z, z, fused(-0.5f, z, 1.0f));
}

// sin(rest + n * pi / 2).
MONEL_INLINE float quadrant_sin(float r, int32_t n) {
  const float y = (n & 1) ? cos_poly(r) : sin_poly(r);
  return bits_float(float_bits(y) ^ (static_cast<uint32_t>(n & 2) << 30));
}

MONEL_INLINE float sin_f(float x) {
  const Quadrant q = circular_reduce(x);
  return x == 0.0f ? x : quadrant_sin(q.rest, q.n);
}

MONEL_INLINE float cos_f(float x) {
  const Quadrant q = circular_reduce(x);
  return quadrant_sin(q.rest, q.n + 1);
}

MONEL_INLINE float tan_f(float x) {
  const Quadrant q = circular_reduce(x);
  const float r = q.rest, z = r * r;
  float p = fused(9.38540185543e-3f, z, 3.11992232697e-3f);
  p = fused(p, z, 2.44301354525e-2f);
  p = fused(p, z, 5.34112807005e-2f);
  p = fused(p, z, 1.33387994085e-1f);
  p = fused(p, z, 3.33331568548e-1f);
  const float y = fused(p * z, r, r), turned = -1.0f / y;
  return x == 0.0f ? x : (q.n & 1) ? turned : y;
}

MONEL_INLINE float arctan_f(float x) {
  const float a = magnitude(x);
  const bool large = a > 2.414213562373095f, middle = a > 0.4142135623730950f;
  const float folded = (a - 1.0f) / (a + 1.0f), inverse = -1.0f / a;
  const float r = large ? inverse : middle ? folded : a, z = r * r;
  const float base = large ? 1.57079637f : middle ? 0.785398185f : 0.0f;
  const float low = large ? -4.37113883e-8f : middle ? -2.18556941e-8f : 0.0f;  // what base lacks
  float p = fused(8.05374449538e-2f, z, -1.38776856032e-1f);
  p = fused(p, z, 1.99777106478e-1f);
  p = fused(p, z, -3.33329491539e-1f);
  return with_sign(base + (fused(p * z, r, r) + low), x);
}

// arcsin of 0 <= x <= 1/2, given z = x * x.
MONEL_INLINE float arcsin_tail(float x, float z) {
  float p = fused(4.2163199048e-2f, z, 2.4181311049e-2f);
  p = fused(p, z, 4.5470025998e-2f);
  p = fused(p, z, 7.4953002686e-2f);
  p = fused(p, z, 1.6666752422e-1f);
  return fused(p * z, x, x);
}

MONEL_INLINE float arcsin_f(float x) {
  const float a = magnitude(x);
  const bool far = a > 0.5f;
  const float half = 0.5f * (1.0f - a), z = far ? half : a * a, root = __builtin_sqrtf(half);
  const float p = arcsin_tail(far ? root : a, z);
  const float turned = 1.57079637f - (2.0f * p + 4.37113883e-8f);
  return with_sign(far ? turned : p, x);
}

MONEL_INLINE float arccos_f(float x) {
  const float a = magnitude(x);
  const bool far = a > 0.5f;
  const float half = 0.5f * (1.0f - a), z = far ? half : a * a, root = __builtin_sqrtf(half);
  const float p = arcsin_tail(far ? root : a, z);
  const float near = 1.57079637f - (with_sign(p, x) + 4.37113883e-8f);
  const float twice = 2.0f * p, turned = 3.14159274f - (twice + 8.74227766e-8f);
  return far ? (x > 0.0f ? twice : turned) : near;
}

MONEL_INLINE float sinh_f(float x) {
  const float a = magnitude(x), z = x * x;
  float p = fused(2.03721912945e-4f, z, 8.33028376239e-3f);
  p = fused(p, z, 1.66667160211e-1f);
  const float small = fused(p * z, x, x);
  const float e = exp_f(a), root = exp_f(0.5f * a), huge = 0.5f * root * root;
  const float large = with_sign(a > 88.0f ? huge : 0.5f * e - 0.5f / e, x);
  return a < 1.0f ? small : large;
}

MONEL_INLINE float cosh_f(float x) {
  const float a = magnitude(x);
  const float e = exp_f(a), root = exp_f(0.5f * a), huge = 0.5f * root * root;
  return a > 88.0f ? huge : fused(0.5f, e, 0.5f / e);
}

// |x|^y in double, rounded once; free of comparisons, which keep GCC from vectorising mixed widths.
MONEL_INLINE float pow_body(float x, float y) {
  const float a = magnitude(x);
  const float lifted = a * 0x1p24f;  // exact but for what is large already
  const bool tiny = a < 0x1p-100f;
  const uint32_t u = float_bits(tiny ? lifted : a);
  const int32_t e = static_cast<int32_t>(u - 0x3f3504f3u) >> 23;
  const float mantissa = bits_float(u - (static_cast<uint32_t>(e) << 23));
  const float exponent = static_cast<float>(e) - (tiny ? 24.0f : 0.0f);
  const double m = static_cast<double>(mantissa);
  const double f = (m - 1.0) / (m + 1.0), s = f * f;
  double p = 2.0 / 13;
  p = fused(p, s, 2.0 / 11);
  p = fused(p, s, 2.0 / 9);
  p = fused(p, s, 2.0 / 7);
  p = fused(p, s, 2.0 / 5);
  p = fused(p, s, 2.0 / 3);
  p = fused(p, s, 2.0);
  double t = static_cast<double>(y) * fused(p * f, 1.4426950408889634, static_cast<double>(exponent));
  t = t > 200.0 ? 200.0 : t;
  t = t < -200.0 ? -200.0 : t;
  // Adding 1.5 * 2^52 leaves the nearest whole number in the low bits.
  const double shifted = t + 0x1.8p52;
  const double n = shifted - 0x1.8p52, r = (t - n) * 0.6931471805599453;
  double q = 1.0 / 40320;
  q = fused(q, r, 1.0 / 5040);
  q = fused(q, r, 1.0 / 720);
  q = fused(q, r, 1.0 / 120);
  q = fused(q, r, 1.0 / 24);
  q = fused(q, r, 1.0 / 6);
  q = fused(q, r, 0.5);
  q = fused(q, r, 1.0);
  q = fused(q, r, 1.0);
  const uint64_t bits = __builtin_bit_cast(uint64_t, q) + (__builtin_bit_cast(uint64_t, shifted) << 52);
  return static_cast<float>(__builtin_bit_cast(double, bits));
}

// The sign and the special cases of C's pow, by selection.
MONEL_INLINE float pow_select(float x, float y, float body) {
  const float a = magnitude(x), half = y * 0.5f;
  const bool whole = __builtin_rintf(y) == y;
  const bool odd = whole & (__builtin_rintf(half) != half);
  const bool up = y > 0.0f, negative = (float_bits(x) >> 31) != 0;
  float out = body;
  out = a == 0.0f ? (up ? 0.0f : kInf) : out;
  out = a == kInf ? (up ? kInf : 0.0f) : out;
  const float endless = (a > 1.0f) == up ? kInf : 0.0f;
  out = magnitude(y) == kInf ? (a == 1.0f ? 1.0f : endless) : out;
  out = negative & odd ? -out : out;
  out = negative & (a != 0.0f) & (a != kInf) & !whole ? kNan : out;
  out = (x != x) | (y != y) ? kNan : out;
  const float square = x * x;
  out = y == 2.0f ? square : out;
  return (x == 1.0f) | (y == 0.0f) ? 1.0f : out;
}

}  // namespace
}  // namespace monel
