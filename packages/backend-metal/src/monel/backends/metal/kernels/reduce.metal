// Reductions over rows that lie together, and over the middle axis of [outer, n, inner].
#include "simd.h"

// Group (chunk, row) combines `length` elements of its row; out[row, chunk].
template <typename T, typename A, typename R, template <typename> class Op>
[[kernel]] void reduce_rows(constant Rows& p [[buffer(0)]],
                            device const T* x [[buffer(1)]],
                            device R* out [[buffer(2)]],
                            uint3 at [[threadgroup_position_in_grid]],
                            uint3 threads [[threads_per_threadgroup]],
                            uint tid [[thread_index_in_threadgroup]],
                            uint lane [[thread_index_in_simdgroup]],
                            uint simd [[simdgroup_index_in_threadgroup]],
                            uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup A partial[32];
  const uint first = at.x * p.length;
  const uint last = min(p.n, first + p.length);
  device const T* row = x + ulong(at.y) * p.n;
  A total = Op<A>::start();
  for (uint i = first + tid; i < last; i += threads.x) {
    total = Op<A>::of(total, convert<A>(row[i]));
  }
  total = group_combine<Op<A>>(total, &partial[0], lane, simd, simds);
  if (tid == 0) out[at.y * p.chunks + at.x] = convert<R>(total);
}

// A SIMD group to a row, for short rows.
template <typename T, typename A, typename R, template <typename> class Op>
[[kernel]] void reduce_short_rows(constant Rows& p [[buffer(0)]],
                                  device const T* x [[buffer(1)]],
                                  device R* out [[buffer(2)]],
                                  uint tid [[thread_position_in_grid]],
                                  uint lane [[thread_index_in_simdgroup]]) {
  const uint r = tid / 32;
  A total = Op<A>::start();
  if (r < p.rows) {
    device const T* row = x + ulong(r) * p.n;
    for (uint i = lane; i < p.n; i += 32) total = Op<A>::of(total, convert<A>(row[i]));
  }
  total = simd_combine<Op<A>>(total);
  if (lane == 0 && r < p.rows) out[r] = convert<R>(total);
}

// A thread to a column of [outer, n, inner].
template <typename T, typename A, typename R, template <typename> class Op>
[[kernel]] void reduce_columns(constant Columns& p [[buffer(0)]],
                               device const T* x [[buffer(1)]],
                               device R* out [[buffer(2)]],
                               uint2 at [[thread_position_in_grid]]) {
  device const T* column = x + ulong(at.y) * p.n * p.inner + at.x;
  A total = Op<A>::start();
  for (uint i = 0; i < p.n; ++i) {
    total = Op<A>::of(total, convert<A>(column[ulong(i) * p.inner]));
  }
  out[ulong(at.y) * p.inner + at.x] = convert<R>(total);
}

// -- positions of extremes ------------------------------------------------------------------------

inline bool is_nan(float x) { return isnan(x); }
inline bool is_nan(complex64 x) { return has_nan(x); }
template <typename T> inline bool is_nan(T) { return false; }

// Whether (x, i) comes before (y, j): nan before all, then the more extreme, then the first.
template <bool GREATEST, typename T> inline bool wins(T x, uint i, T y, uint j) {
  if (is_nan(x) || is_nan(y)) return is_nan(x) && (!is_nan(y) || i < j);
  if (GREATEST ? op_less(y, x) : op_less(x, y)) return true;
  if (GREATEST ? op_less(x, y) : op_less(y, x)) return false;
  return i < j;
}

template <typename T, typename A, bool GREATEST>
[[kernel]] void arg_rows(constant Rows& p [[buffer(0)]],
                         device const T* x [[buffer(1)]],
                         device uint* out [[buffer(2)]],
                         uint tid [[thread_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]]) {
  const uint r = tid / 32;
  A best = GREATEST ? Limits<A>::low() : Limits<A>::high();
  uint place = ~0u;
  if (r < p.rows) {
    device const T* row = x + ulong(r) * p.n;
    for (uint i = lane; i < p.n; i += 32) {
      const A value = convert<A>(row[i]);
      if (wins<GREATEST>(value, i, best, place)) {
        best = value;
        place = i;
      }
    }
  }
  for (ushort n = 16; n > 0; n >>= 1) {
    const A other = shuffle_down(best, n);
    const uint where = shuffle_down(place, n);
    if (wins<GREATEST>(other, where, best, place)) {
      best = other;
      place = where;
    }
  }
  if (lane == 0 && r < p.rows) out[r] = place;
}
