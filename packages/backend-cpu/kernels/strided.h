// Walking strided memory: coalesced axes, positions to offsets, copies.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "view.h"

namespace monel {

// Axes shared by up to N arrays, with the strides of each in bytes. Axes of length 1 are dropped
// and neighbours that are one run in every array are joined; the last axis is the innermost.
template <int N>
struct Walk {
  int rank = 0;
  int64_t size = 1;
  int64_t shape[kMaxRank];
  int64_t strides[N][kMaxRank];

  void add(int64_t n, const int64_t (&step)[N]) {
    size *= n;
    if (n == 1) return;
    if (rank > 0) {
      bool joined = true;
      for (int a = 0; a < N; ++a) joined = joined && strides[a][rank - 1] == n * step[a];
      if (joined) {
        shape[rank - 1] *= n;
        for (int a = 0; a < N; ++a) strides[a][rank - 1] = step[a];
        return;
      }
    }
    shape[rank] = n;
    for (int a = 0; a < N; ++a) strides[a][rank] = step[a];
    ++rank;
  }

  int64_t row_length() const { return rank ? shape[rank - 1] : 1; }
  int64_t row_step(int a) const { return rank ? strides[a][rank - 1] : 0; }
  int64_t rows() const { return size == 0 ? 0 : size / row_length(); }

  // Calls body(offsets in bytes) for rows [begin, end) of the innermost axis, in row-major order.
  template <class F>
  void each_row(int64_t begin, int64_t end, F&& body) const {
    if (begin >= end) return;
    int64_t at[kMaxRank], offset[N] = {};
    int64_t rest = begin;
    for (int d = rank - 2; d >= 0; --d) {
      at[d] = rest % shape[d];
      rest /= shape[d];
      for (int a = 0; a < N; ++a) offset[a] += at[d] * strides[a][d];
    }
    for (int64_t row = begin; row < end; ++row) {
      body(offset);
      for (int d = rank - 2; d >= 0; --d) {
        for (int a = 0; a < N; ++a) offset[a] += strides[a][d];
        if (++at[d] < shape[d]) break;
        for (int a = 0; a < N; ++a) offset[a] -= shape[d] * strides[a][d];
        at[d] = 0;
      }
    }
  }
};

// An axis moved to the end, in front of nothing: the rows of sort and put_along_axis.
inline View axis_last(const View& v, int axis) {
  View moved = v;
  for (int d = axis; d + 1 < v.rank; ++d) {
    moved.shape[d] = v.shape[d + 1];
    moved.strides[d] = v.strides[d + 1];
  }
  moved.shape[v.rank - 1] = v.shape[axis];
  moved.strides[v.rank - 1] = v.strides[axis];
  return moved;
}

// Calls f with a value of the unsigned type that has the size of dtype (complex64 and float64:
// uint64_t).
template <class F>
void with_bits(Dtype dtype, F&& f) {
  switch (itemsize(dtype)) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

// dst[...] = src[...], of one shape and dtype, any strides.
void copy_elements(const View& src, const View& dst);

}  // namespace monel
