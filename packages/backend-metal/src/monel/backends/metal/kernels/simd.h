// Combining values over SIMD groups and thread groups, for every type.
#pragma once

#include "functors.h"

// Lanes exchange 32-bit words: longer types in parts, shorter ones widened.
inline float shuffle_down(float x, ushort n) { return simd_shuffle_down(x, n); }
inline int shuffle_down(int x, ushort n) { return simd_shuffle_down(x, n); }
inline uint shuffle_down(uint x, ushort n) { return simd_shuffle_down(x, n); }
inline char shuffle_down(char x, ushort n) { return char(simd_shuffle_down(int(x), n)); }
inline short shuffle_down(short x, ushort n) { return short(simd_shuffle_down(int(x), n)); }
inline uchar shuffle_down(uchar x, ushort n) { return uchar(simd_shuffle_down(uint(x), n)); }
inline ushort shuffle_down(ushort x, ushort n) { return ushort(simd_shuffle_down(uint(x), n)); }
inline bool shuffle_down(bool x, ushort n) { return simd_shuffle_down(uint(x), n) != 0u; }
inline ulong shuffle_down(ulong x, ushort n) {
  const uint low = simd_shuffle_down(uint(x), n);
  const uint high = simd_shuffle_down(uint(x >> 32), n);
  return (ulong(high) << 32) | ulong(low);
}
inline long shuffle_down(long x, ushort n) { return long(shuffle_down(ulong(x), n)); }
inline complex64 shuffle_down(complex64 x, ushort n) {
  return complex64{simd_shuffle_down(x.re, n), simd_shuffle_down(x.im, n)};
}

// -- what reductions combine with -----------------------------------------------------------------

template <typename T> struct Limits {
  static T low() { return numeric_limits<T>::lowest(); }
  static T high() { return numeric_limits<T>::max(); }
};
template <> struct Limits<float> {
  static float low() { return -INFINITY; }
  static float high() { return INFINITY; }
};
template <> struct Limits<complex64> {
  static complex64 low() { return complex64{-INFINITY, -INFINITY}; }
  static complex64 high() { return complex64{INFINITY, INFINITY}; }
};

template <typename T> struct Sum {
  static T start() { return convert<T>(0); }
  static T of(T x, T y) { return op_add(x, y); }
};
template <typename T> struct Prod {
  static T start() { return convert<T>(1); }
  static T of(T x, T y) { return op_mul(x, y); }
};
template <typename T> struct Max {
  static T start() { return Limits<T>::low(); }
  static T of(T x, T y) { return op_maximum(x, y); }
};
template <typename T> struct Min {
  static T start() { return Limits<T>::high(); }
  static T of(T x, T y) { return op_minimum(x, y); }
};

// The combination over a SIMD group of 32, right in lane 0.
template <typename Op, typename T> inline T simd_combine(T x) {
  for (ushort n = 16; n > 0; n >>= 1) x = Op::of(x, shuffle_down(x, n));
  return x;
}

// The combination over a thread group of whole SIMD groups, right in the first thread. `partial`
// holds 32 values; a caller that uses it again puts a barrier before.
template <typename Op, typename T>
inline T group_combine(T x, threadgroup T* partial, uint lane, uint simd, uint simds) {
  x = simd_combine<Op>(x);
  if (lane == 0) partial[simd] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const T other = lane < simds ? partial[lane] : Op::start();
  return simd_combine<Op>(other);
}
