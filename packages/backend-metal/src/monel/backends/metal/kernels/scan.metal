// Running combinations of rows: a thread group walks its row, a stretch of its threads at a time.
#include "simd.h"

inline float shuffle_up(float x, ushort n) { return simd_shuffle_up(x, n); }
inline int shuffle_up(int x, ushort n) { return simd_shuffle_up(x, n); }
inline uint shuffle_up(uint x, ushort n) { return simd_shuffle_up(x, n); }
inline char shuffle_up(char x, ushort n) { return char(simd_shuffle_up(int(x), n)); }
inline short shuffle_up(short x, ushort n) { return short(simd_shuffle_up(int(x), n)); }
inline uchar shuffle_up(uchar x, ushort n) { return uchar(simd_shuffle_up(uint(x), n)); }
inline ushort shuffle_up(ushort x, ushort n) { return ushort(simd_shuffle_up(uint(x), n)); }
inline bool shuffle_up(bool x, ushort n) { return simd_shuffle_up(uint(x), n) != 0u; }
inline ulong shuffle_up(ulong x, ushort n) {
  const uint low = simd_shuffle_up(uint(x), n);
  const uint high = simd_shuffle_up(uint(x >> 32), n);
  return (ulong(high) << 32) | ulong(low);
}
inline long shuffle_up(long x, ushort n) { return long(shuffle_up(ulong(x), n)); }
inline complex64 shuffle_up(complex64 x, ushort n) {
  return complex64{simd_shuffle_up(x.re, n), simd_shuffle_up(x.im, n)};
}

template <typename T, typename A, template <typename> class Op, bool REVERSE, bool INCLUSIVE>
[[kernel]] void scan_rows(constant Scan& p [[buffer(0)]],
                          device const T* x [[buffer(1)]],
                          device T* y [[buffer(2)]],
                          uint row [[threadgroup_position_in_grid]],
                          uint tid [[thread_index_in_threadgroup]],
                          uint threads [[threads_per_threadgroup]],
                          uint lane [[thread_index_in_simdgroup]],
                          uint simd [[simdgroup_index_in_threadgroup]],
                          uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup A partial[32];
  x += ulong(row) * p.n;
  y += ulong(row) * p.n;
  A carry = Op<A>::start();
  for (uint base = 0; base < p.n; base += threads) {
    const uint i = base + tid;
    const uint at = REVERSE ? p.n - 1 - min(i, p.n - 1) : min(i, p.n - 1);
    A own = i < p.n ? A(convert<A>(x[at])) : A(Op<A>::start());
    for (ushort n = 1; n < 32; n <<= 1) {
      const A other = shuffle_up(own, n);
      if (lane >= n) own = Op<A>::of(other, own);
    }
    if (lane == 31) partial[simd] = own;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    A before = carry;
    for (uint k = 0; k < simd; ++k) before = Op<A>::of(before, partial[k]);
    for (uint k = 0; k < simds; ++k) carry = Op<A>::of(carry, partial[k]);
    const A previous = shuffle_up(own, 1);
    const A left = lane == 0 ? before : A(Op<A>::of(before, previous));
    const A made = INCLUSIVE ? A(Op<A>::of(before, own)) : left;
    if (i < p.n) y[at] = convert<T>(made);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}
