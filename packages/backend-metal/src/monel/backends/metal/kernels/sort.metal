// Stable sorting of rows: pairs of key and place, blocks in threadgroup memory, then merges.
#include "simd.h"

inline bool key_nan(float x) { return isnan(x); }
inline bool key_nan(complex64 x) { return has_nan(x); }
template <typename T> inline bool key_nan(T) { return false; }

// The order of NumPy: nan last, equal keys by their place.
template <typename T> inline bool before(T x, uint i, T y, uint j) {
  if (key_nan(x) || key_nan(y)) {
    if (key_nan(x) != key_nan(y)) return key_nan(y);
    return i < j;
  }
  if (op_less(x, y)) return true;
  return !op_less(y, x) && i < j;
}

// Blocks of N keys of each row, sorted by a bitonic network: a thread to two keys. Places past the
// end of a row come last: none is smaller.
template <typename T, typename A, uint N>
[[kernel]] void sort_blocks(constant Sort& p [[buffer(0)]],
                            device const T* x [[buffer(1)]],
                            device uint* order [[buffer(2)]],
                            uint3 at [[threadgroup_position_in_grid]],
                            uint tid [[thread_index_in_threadgroup]],
                            uint3 threads [[threads_per_threadgroup]]) {
  threadgroup A keys[N];
  threadgroup uint places[N];
  device const T* row = x + ulong(at.y) * p.n;
  const uint first = at.x * N;
  for (uint i = tid; i < N; i += threads.x) {
    const bool inside = first + i < p.n;
    keys[i] = inside ? convert<A>(row[first + i]) : A(convert<A>(row[p.n - 1]));
    places[i] = inside ? first + i : ~0u;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint size = 2; size <= N; size *= 2) {
    for (uint step = size / 2; step > 0; step /= 2) {
      for (uint t = tid; t < N / 2; t += threads.x) {
        const uint i = t / step * step * 2 + t % step, j = i + step;
        const bool rising = (i & size) == 0;
        const bool past_i = places[i] == ~0u, past_j = places[j] == ~0u;
        const bool swapped = past_i != past_j ? past_i
                           : past_i           ? false
                                              : before(keys[j], places[j], keys[i], places[i]);
        if (swapped == rising && !(past_i && past_j)) {
          const A key = keys[i];
          const uint place = places[i];
          keys[i] = keys[j];
          places[i] = places[j];
          keys[j] = key;
          places[j] = place;
        }
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
  for (uint i = tid; i < N; i += threads.x) {
    if (first + i < p.n) order[ulong(at.y) * p.n + first + i] = places[i];
  }
}

// Neighbouring runs of `width` merged: each place finds its rank in the other run by bisection.
template <typename T, typename A>
[[kernel]] void sort_merge(constant Sort& p [[buffer(0)]],
                           device const T* x [[buffer(1)]],
                           device const uint* order [[buffer(2)]],
                           device uint* merged [[buffer(3)]],
                           uint2 at [[thread_position_in_grid]]) {
  device const T* row = x + ulong(at.y) * p.n;
  device const uint* runs = order + ulong(at.y) * p.n;
  const uint run = at.x / p.width, pair = run & ~1u;
  const uint other = (run ^ 1u) * p.width;
  const uint place = runs[at.x];
  const A key = convert<A>(row[place]);
  uint low = min(other, p.n), high = min(other + p.width, p.n);
  const uint start = low;
  while (low < high) {
    const uint middle = (low + high) / 2;
    if (before(convert<A>(row[runs[middle]]), runs[middle], key, place)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const uint rank = at.x - run * p.width + low - start;
  merged[ulong(at.y) * p.n + pair * p.width + rank] = place;
}
