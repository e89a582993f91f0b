// Elements moved to and from computed places. T is a word of an element's size: nothing computes.
#include "simd.h"

// out[offset + c * out_strides] = x[offset + c * strides] for each c of a shape.
template <typename T>
[[kernel]] void place(constant Place& p [[buffer(0)]],
                      device const T* x [[buffer(1)]],
                      device T* out [[buffer(2)]],
                      uint i [[thread_position_in_grid]]) {
  uint rest = i;
  long from = p.offset, to = p.out_offset;
  for (int d = int(p.rank) - 1; d >= 0; --d) {
    const long c = long(rest % p.shape[d]);
    rest /= p.shape[d];
    from += c * p.strides[d];
    to += c * p.out_strides[d];
  }
  out[to] = x[from];
}

// Where a slice begins along one axis: negative indices count from the end, and none leaves it.
inline long start_of(long index, uint n, uint size) {
  if (index < 0) index += long(n);
  return clamp(index, long(0), long(n) - long(size));
}

// Thread (e, q): element e of the slice at position q of the indices, which lie one after another.
template <typename T, typename I>
[[kernel]] void gather(constant Gather& p [[buffer(0)]],
                       device const T* x [[buffer(1)]],
                       device const I* indices [[buffer(2)]],
                       device T* out [[buffer(3)]],
                       uint2 at [[thread_position_in_grid]]) {
  long from = p.offset;
  for (uint k = 0; k < p.count; ++k) {
    const long index = long(indices[ulong(k) * p.positions + at.y]);
    from += start_of(index, p.lengths[k], p.sizes[k]) * p.steps[k];
  }
  uint rest = at.x;
  for (int d = int(p.rank) - 1; d >= 0; --d) {
    from += long(rest % p.shape[d]) * p.strides[d];
    rest /= p.shape[d];
  }
  out[ulong(at.y) * p.slice + at.x] = x[from];
}

// The number of the element that each position of the indices names, over the indexed axes.
template <typename I>
[[kernel]] void scatter_keys(constant Gather& p [[buffer(0)]],
                             device const I* indices [[buffer(1)]],
                             device uint* keys [[buffer(2)]],
                             uint q [[thread_position_in_grid]]) {
  uint key = 0;
  for (uint k = 0; k < p.count; ++k) {
    const long index = long(indices[ulong(k) * p.positions + q]);
    key = key * p.lengths[k] + uint(start_of(index, p.lengths[k], 1));
  }
  keys[q] = key;
}

template <typename T> struct Last {
  static T of(T, T y) { return y; }
};

// Thread (e, s): `order` sorts the keys; where a new key begins, its updates are combined in the
// order of the indices, so that the result does not depend on which thread runs first.
template <typename T, typename A, template <typename> class Op>
[[kernel]] void scatter(constant Gather& p [[buffer(0)]],
                        device const T* updates [[buffer(1)]],
                        device const uint* keys [[buffer(2)]],
                        device const uint* order [[buffer(3)]],
                        device T* out [[buffer(4)]],
                        uint2 at [[thread_position_in_grid]]) {
  const uint key = keys[order[at.y]];
  if (at.y > 0 && keys[order[at.y - 1]] == key) return;
  long to = 0;
  uint rest = key;
  for (int k = int(p.count) - 1; k >= 0; --k) {
    to += long(rest % p.lengths[k]) * p.steps[k];
    rest /= p.lengths[k];
  }
  rest = at.x;
  for (int d = int(p.rank) - 1; d >= 0; --d) {
    to += long(rest % p.shape[d]) * p.strides[d];
    rest /= p.shape[d];
  }
  A value = convert<A>(out[to]);
  for (uint s = at.y; s < p.positions; ++s) {
    const uint q = order[s];
    if (keys[q] != key) break;
    value = Op<A>::of(value, convert<A>(updates[ulong(q) * p.slice + at.x]));
  }
  out[to] = convert<T>(value);
}
