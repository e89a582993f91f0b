// Types and conversions that every kernel shares.
#pragma once

#include <metal_stdlib>

using namespace metal;

struct complex64 {
  float re;
  float im;
};

// What arithmetic on a type happens in: float for the short floating types, else the type itself.
template <typename T> struct Wide { typedef T type; };
template <> struct Wide<half> { typedef float type; };
template <> struct Wide<bfloat> { typedef float type; };
template <typename T> using wide_t = typename Wide<T>::type;

// Conversion between any two element types.
template <typename T, typename F> struct Convert {
  static T of(F x) { return T(x); }
};
template <typename F> struct Convert<bool, F> {
  static bool of(F x) { return x != F(0); }
};
template <> struct Convert<bool, half> {
  static bool of(half x) { return float(x) != 0.0f; }
};
template <> struct Convert<bool, bfloat> {
  static bool of(bfloat x) { return float(x) != 0.0f; }
};
template <typename F> struct Convert<bfloat, F> {
  static bfloat of(F x) { return bfloat(float(x)); }
};
template <typename T> struct Convert<T, bfloat> {
  static T of(bfloat x) { return T(float(x)); }
};
template <> struct Convert<bfloat, bfloat> {
  static bfloat of(bfloat x) { return x; }
};
template <typename T> struct Convert<T, complex64> {
  static T of(complex64 z) { return Convert<T, float>::of(z.re); }
};
template <> struct Convert<bool, complex64> {
  static bool of(complex64 z) { return z.re != 0.0f || z.im != 0.0f; }
};
template <> struct Convert<bfloat, complex64> {
  static bfloat of(complex64 z) { return bfloat(z.re); }
};
template <typename F> struct Convert<complex64, F> {
  static complex64 of(F x) { return complex64{float(x), 0.0f}; }
};
template <> struct Convert<complex64, bfloat> {
  static complex64 of(bfloat x) { return complex64{float(x), 0.0f}; }
};
template <> struct Convert<complex64, complex64> {
  static complex64 of(complex64 z) { return z; }
};

template <typename T, typename F> inline T convert(F x) { return Convert<T, F>::of(x); }
template <typename T> inline wide_t<T> widen(T x) { return Convert<wide_t<T>, T>::of(x); }
