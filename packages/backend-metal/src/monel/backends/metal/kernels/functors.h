// Elementwise operations, one overloaded function each. Short floating types come as float.
#pragma once

#include "common.h"

// -- integers: products and sums wrap -------------------------------------------------------------

template <typename T> struct Unsigned { typedef T type; };
template <> struct Unsigned<char> { typedef uchar type; };
template <> struct Unsigned<short> { typedef ushort type; };
template <> struct Unsigned<int> { typedef uint type; };
template <> struct Unsigned<long> { typedef ulong type; };
template <typename T> using unsigned_t = typename Unsigned<T>::type;

template <typename T> inline T op_add(T x, T y) { return T(unsigned_t<T>(x) + unsigned_t<T>(y)); }
template <typename T> inline T op_sub(T x, T y) { return T(unsigned_t<T>(x) - unsigned_t<T>(y)); }
template <typename T> inline T op_mul(T x, T y) { return T(unsigned_t<T>(x) * unsigned_t<T>(y)); }
template <typename T> inline T op_neg(T x) { return T(unsigned_t<T>(0) - unsigned_t<T>(x)); }
template <typename T> inline T op_abs(T x) { return x < T(0) ? op_neg(x) : x; }
template <typename T> inline T op_square(T x) { return op_mul(x, x); }
template <typename T> inline T op_sign(T x) { return T(T(0) < x) - T(x < T(0)); }
template <typename T> inline T op_floor(T x) { return x; }
template <typename T> inline T op_ceil(T x) { return x; }
template <typename T> inline T op_round(T x) { return x; }
template <typename T> inline T op_copy(T x) { return x; }
template <typename T> inline T op_bitwise_and(T x, T y) { return x & y; }
template <typename T> inline T op_bitwise_or(T x, T y) { return x | y; }
template <typename T> inline T op_bitwise_xor(T x, T y) { return x ^ y; }
template <typename T> inline T op_bitwise_invert(T x) { return ~x; }
template <> inline bool op_bitwise_invert(bool x) { return !x; }
template <typename T> inline T op_shift_left(T x, T y) {
  const bool within = unsigned_t<T>(y) < unsigned_t<T>(8 * sizeof(T));
  return within ? T(unsigned_t<T>(x) << y) : T(0);
}
template <typename T> inline T op_shift_right(T x, T y) {
  const bool within = unsigned_t<T>(y) < unsigned_t<T>(8 * sizeof(T));
  return within ? T(x >> y) : x < T(0) ? T(-1) : T(0);
}
template <typename T> inline bool negative_one(T y) { return y < T(0) && y == T(-1); }
template <typename T> inline T op_floor_divide(T x, T y) {
  if (y == T(0)) return T(0);
  if (negative_one(y)) return op_neg(x);
  const T q = T(x / y);
  return (x % y != T(0)) && ((x < T(0)) != (y < T(0))) ? T(q - T(1)) : q;
}
template <typename T> inline T op_rem(T x, T y) {
  if (y == T(0)) return x;
  if (negative_one(y)) return T(0);
  const T r = T(x % y);
  return r != T(0) && ((r < T(0)) != (y < T(0))) ? T(r + y) : r;
}
template <typename T> inline T op_pow(T x, T y) {
  if (y < T(0)) {
    const T one = T(1);
    if (x != one && x != T(-1)) return T(0);
    y = T(y & one);
  }
  T result = T(1);
  while (y != T(0)) {
    if ((y & T(1)) != T(0)) result = op_mul(result, x);
    x = op_mul(x, x);
    y = T(y >> 1);
  }
  return result;
}
template <typename T> inline T op_maximum(T x, T y) { return x < y ? y : x; }
template <typename T> inline T op_minimum(T x, T y) { return y < x ? y : x; }

template <typename T> inline bool op_equal(T x, T y) { return x == y; }
template <typename T> inline bool op_not_equal(T x, T y) { return x != y; }
template <typename T> inline bool op_less(T x, T y) { return x < y; }
template <typename T> inline bool op_less_equal(T x, T y) { return x <= y; }
template <typename T> inline bool op_greater(T x, T y) { return x > y; }
template <typename T> inline bool op_greater_equal(T x, T y) { return x >= y; }
template <typename T> inline bool op_logical_not(T x) { return !convert<bool>(x); }
template <typename T> inline bool op_logical_and(T x, T y) {
  return convert<bool>(x) && convert<bool>(y);
}
template <typename T> inline bool op_logical_or(T x, T y) {
  return convert<bool>(x) || convert<bool>(y);
}
template <typename T> inline T op_where(bool c, T x, T y) { return c ? x : y; }
template <typename T> inline bool op_isnan(T) { return false; }
template <typename T> inline bool op_isinf(T) { return false; }
template <typename T> inline bool op_isfinite(T) { return true; }

// -- bool -----------------------------------------------------------------------------------------

template <> inline bool op_add(bool x, bool y) { return x || y; }
template <> inline bool op_mul(bool x, bool y) { return x && y; }
template <> inline bool op_abs(bool x) { return x; }
template <> inline bool op_square(bool x) { return x; }
template <> inline bool op_sign(bool x) { return x; }

// -- float ----------------------------------------------------------------------------------------

inline float op_add(float x, float y) { return x + y; }
inline float op_sub(float x, float y) { return x - y; }
inline float op_mul(float x, float y) { return x * y; }
inline float op_div(float x, float y) { return x / y; }
inline float op_neg(float x) { return -x; }
inline float op_abs(float x) { return fabs(x); }
inline float op_square(float x) { return x * x; }
inline float op_sign(float x) { return isnan(x) ? x : float(0.0f < x) - float(x < 0.0f); }
inline float op_floor(float x) { return floor(x); }
inline float op_ceil(float x) { return ceil(x); }
inline float op_round(float x) { return rint(x); }
inline float op_exp(float x) { return precise::exp(x); }
inline float op_log(float x) { return precise::log(x); }
inline float op_log2(float x) { return precise::log2(x); }
inline float op_log10(float x) { return precise::log10(x); }
inline float op_sqrt(float x) { return precise::sqrt(x); }
inline float op_rsqrt(float x) { return 1.0f / precise::sqrt(x); }
inline float op_reciprocal(float x) { return 1.0f / x; }
inline float op_sin(float x) { return precise::sin(x); }
inline float op_cos(float x) { return precise::cos(x); }
inline float op_tan(float x) { return precise::tan(x); }
inline float op_sinh(float x) { return precise::sinh(x); }
inline float op_cosh(float x) { return precise::cosh(x); }
inline float op_tanh(float x) { return precise::tanh(x); }
inline float op_arcsin(float x) { return precise::asin(x); }
inline float op_arccos(float x) { return precise::acos(x); }
inline float op_arctan(float x) { return precise::atan(x); }
inline float op_arcsinh(float x) { return precise::asinh(x); }
inline float op_arccosh(float x) { return precise::acosh(x); }
inline float op_arctanh(float x) { return precise::atanh(x); }
inline float op_arctan2(float y, float x) { return precise::atan2(y, x); }
inline float op_sigmoid(float x) {
  const float e = precise::exp(-fabs(x));
  return x < 0.0f ? e / (1.0f + e) : 1.0f / (1.0f + e);
}
// Kahan's way: the rounding of 1 + x (of exp) is undone by the quotient.
inline float op_log1p(float x) {
  const float u = 1.0f + x;
  if (u == 1.0f) return x;
  return u == INFINITY ? u : precise::log(u) * (x / (u - 1.0f));
}
inline float op_expm1(float x) {
  const float u = precise::exp(x);
  if (u == 1.0f) return x;
  const float v = u - 1.0f;
  return v == -1.0f || u == INFINITY ? v : v * (x / precise::log(u));
}
inline float op_logaddexp(float x, float y) {
  const float high = fmax(x, y), low = fmin(x, y);
  if (isnan(x) || isnan(y)) return x + y;
  return isinf(high) ? high : high + op_log1p(precise::exp(low - high));
}
inline float op_pow(float x, float y) { return precise::pow(x, y); }
inline float op_floor_divide(float x, float y) { return floor(x / y); }
// The remainder is exact, and has the sign of the divisor.
inline float op_rem(float x, float y) {
  const float r = fmod(x, y);
  if (r == 0.0f) return copysign(0.0f, y);
  return (r < 0.0f) != (y < 0.0f) ? r + y : r;
}
inline float op_maximum(float x, float y) {
  return isnan(x) ? x : isnan(y) ? y : x < y ? y : x;
}
inline float op_minimum(float x, float y) {
  return isnan(x) ? x : isnan(y) ? y : y < x ? y : x;
}
inline bool op_isnan(float x) { return isnan(x); }
inline bool op_isinf(float x) { return isinf(x); }
inline bool op_isfinite(float x) { return !isnan(x) && !isinf(x); }
inline float op_real(float x) { return x; }
inline float op_conj(float x) { return x; }

// -- complex --------------------------------------------------------------------------------------

inline complex64 op_add(complex64 x, complex64 y) { return complex64{x.re + y.re, x.im + y.im}; }
inline complex64 op_sub(complex64 x, complex64 y) { return complex64{x.re - y.re, x.im - y.im}; }
inline complex64 op_mul(complex64 x, complex64 y) {
  return complex64{x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}
// Smith, "Algorithm 116": no overflow of the squares.
inline complex64 op_div(complex64 x, complex64 y) {
  if (fabs(y.re) >= fabs(y.im)) {
    const float r = y.im / y.re, d = y.re + y.im * r;
    return complex64{(x.re + x.im * r) / d, (x.im - x.re * r) / d};
  }
  const float r = y.re / y.im, d = y.re * r + y.im;
  return complex64{(x.re * r + x.im) / d, (x.im * r - x.re) / d};
}
inline complex64 op_neg(complex64 z) { return complex64{-z.re, -z.im}; }
inline complex64 op_conj(complex64 z) { return complex64{z.re, -z.im}; }
inline complex64 op_copy(complex64 z) { return z; }
inline complex64 op_square(complex64 z) { return op_mul(z, z); }
inline complex64 op_reciprocal(complex64 z) { return op_div(complex64{1.0f, 0.0f}, z); }
inline float op_real(complex64 z) { return z.re; }
inline float op_imag(complex64 z) { return z.im; }
inline float op_abs(complex64 z) {
  const float a = fabs(z.re), b = fabs(z.im);
  const float high = fmax(a, b), low = fmin(a, b);
  if (isinf(a) || isinf(b)) return INFINITY;
  return high == 0.0f ? low : high * precise::sqrt(1.0f + (low / high) * (low / high));
}
inline complex64 op_exp(complex64 z) {
  const float e = precise::exp(z.re);
  if (z.im == 0.0f) return complex64{e, z.im};
  return complex64{e * precise::cos(z.im), e * precise::sin(z.im)};
}
inline complex64 op_log(complex64 z) {
  return complex64{precise::log(op_abs(z)), precise::atan2(z.im, z.re)};
}
inline complex64 op_sqrt(complex64 z) {
  const float r = op_abs(z);
  if (r == 0.0f) return complex64{0.0f, z.im};
  const float a = precise::sqrt((r + fabs(z.re)) * 0.5f), b = fabs(z.im) / (2.0f * a);
  return z.re >= 0.0f ? complex64{a, copysign(b, z.im)} : complex64{b, copysign(a, z.im)};
}
inline complex64 op_sin(complex64 z) {
  return complex64{precise::sin(z.re) * precise::cosh(z.im),
                   precise::cos(z.re) * precise::sinh(z.im)};
}
inline complex64 op_cos(complex64 z) {
  return complex64{precise::cos(z.re) * precise::cosh(z.im),
                   -precise::sin(z.re) * precise::sinh(z.im)};
}
inline complex64 op_pow(complex64 x, complex64 y) {
  if (y.re == 0.0f && y.im == 0.0f) return complex64{1.0f, 0.0f};
  if (x.re == 0.0f && x.im == 0.0f) return complex64{0.0f, 0.0f};
  return op_exp(op_mul(y, op_log(x)));
}
inline bool op_equal(complex64 x, complex64 y) { return x.re == y.re && x.im == y.im; }
inline bool op_not_equal(complex64 x, complex64 y) { return x.re != y.re || x.im != y.im; }
inline bool op_less(complex64 x, complex64 y) {
  return x.re < y.re || (x.re == y.re && x.im < y.im);
}
inline bool has_nan(complex64 z) { return isnan(z.re) || isnan(z.im); }
inline complex64 op_maximum(complex64 x, complex64 y) {
  return has_nan(x) ? x : has_nan(y) || op_less(x, y) ? y : x;
}
inline complex64 op_minimum(complex64 x, complex64 y) {
  return has_nan(x) ? x : has_nan(y) || op_less(y, x) ? y : x;
}
inline bool op_isnan(complex64 z) { return has_nan(z); }
inline bool op_isinf(complex64 z) { return isinf(z.re) || isinf(z.im); }
inline bool op_isfinite(complex64 z) { return !has_nan(z) && !op_isinf(z); }
