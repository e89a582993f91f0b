// What gather, scatter and their along-one-axis forms share: reading indices, checking them,
// walking.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "indexing.h"
#include "steps.h"
#include "strided.h"

namespace monel::indexing {

inline constexpr int64_t kChunk = 512;  // indices whose offsets are computed at once
inline constexpr int64_t kTaskBytes = 1 << 16;

// One index as int64; uint64 above 2^63 turns negative: out of bounds.
int64_t read_index(Dtype dtype, const void* src);

// Calls body(pointer, step, first, count) for the runs of one stride in elements [begin, begin + n)
// of v, in row-major order; first counts from begin.
template <class F>
void each_run(const View& v, int64_t begin, int64_t n, F&& body) {
  const char* data = v.as<char>();
  const int64_t item = itemsize(v.dtype);
  if (v.contiguous()) return body(data + begin * item, 1, 0, n);
  const int64_t row = v.shape[v.rank - 1], step = v.strides[v.rank - 1];
  for (int64_t first = 0; first < n;) {
    const int64_t at = begin + first;
    int64_t rest = at / row, offset = at % row * step;
    for (int d = v.rank - 2; d >= 0; --d) {
      offset += rest % v.shape[d] * v.strides[d];
      rest /= v.shape[d];
    }
    const int64_t count = std::min(n - first, row - at % row);
    body(data + offset * item, step, first, count);
    first += count;
  }
}

// The fault at the lowest position, from whichever thread.
class Faults {
 public:
  void report(int64_t position) {
    int64_t seen = first_.load(std::memory_order_relaxed);
    while (position < seen && !first_.compare_exchange_weak(seen, position)) {
    }
  }
  bool any() const { return first_.load() != kNone; }
  int64_t first() const { return first_.load(); }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> first_{kNone};
};

// Offsets in elements of the slices that positions [begin, begin + n) select; false at the first
// fault.
struct Starts {
  const View& x;
  const Indices& indices;
  const int64_t* slice;  // null: all ones on indexed axes

  int64_t limit(int i) const {
    const int64_t axis = indices.axes[i];
    return x.shape[axis] - (slice ? slice[axis] : 1);
  }

  // Offsets of positions [begin, begin + n), n <= kChunk. Returns -1, or the first bad position.
  int64_t fill(int64_t begin, int64_t n, int64_t* out) const {
    bool wrong = false;
    if (indices.count == 0) std::fill_n(out, n, int64_t{0});
    for (int i = 0; i < indices.count; ++i) {
      const View& v = indices.views[i];
      const int64_t size = x.shape[indices.axes[i]], step = x.strides[indices.axes[i]];
      each_run(v, begin, n, [&](const char* src, int64_t stride, int64_t first, int64_t count) {
        wrong |=
            steps().place(v.dtype, src, stride, count, size, limit(i), step, i > 0, out + first);
      });
    }
    for (int64_t j = begin; wrong && j < begin + n; ++j)
      if (describe(j).axis >= 0) return j;
    return -1;
  }

  // The fault at one position, if there is one.
  IndexFault describe(int64_t position) const {
    IndexFault fault;
    for (int i = 0; i < indices.count && fault.axis < 0; ++i) {
      const int64_t axis = indices.axes[i], size = x.shape[axis];
      each_run(indices.views[i], position, 1, [&](const char* src, int64_t, int64_t, int64_t) {
        const int64_t index = read_index(indices.views[i].dtype, src),
                      at = index + (index < 0 ? size : 0);
        if (at < 0 || at > limit(i)) fault = {index, static_cast<int>(axis), size};
      });
    }
    return fault;
  }
};

inline int64_t count_of(const Indices& indices) {
  return indices.count ? indices.views[0].size() : 1;
}

// The axes of one slice of `v` (first) against a contiguous block (second), in bytes.
Walk<2> slice_walk(const View& v, const int64_t* slice);

// Rows of the last axis of the index array against x (or the target) and out (or the values).
// Element j of a row lies at base + index * along + j * beside.
struct Along {
  Walk<3> rows;    // x, indices, other: all axes but the last, in bytes
  int64_t length;  // of a row of indices
  int64_t along, beside, index_step, other_step;  // in elements
  int64_t size;

  Along(const View& x, const View& indices, const View& other, int axis) {
    const int last = x.rank - 1;
    const int64_t item = itemsize(x.dtype), index_item = itemsize(indices.dtype);
    for (int d = 0; d < last; ++d)
      rows.add(indices.shape[d], {d == axis ? 0 : x.strides[d] * item,
                                  indices.strides[d] * index_item, other.strides[d] * item});
    rows.add(1, {0, 0, 0});
    length = indices.shape[last];
    along = x.strides[axis];
    beside = axis == last ? 0 : x.strides[last];
    index_step = indices.strides[last];
    other_step = other.strides[last];
    size = x.shape[axis];
  }

  // Calls body(x offset, other offset, first column, offsets in elements, n) chunk by chunk; false
  // after a fault.
  template <class F>
  bool each(const View& indices, int64_t row, const int64_t* at, Faults& faults, F&& body) const {
    int64_t index[kChunk];
    const int64_t item = itemsize(indices.dtype);
    for (int64_t j0 = 0; j0 < length; j0 += kChunk) {
      const int64_t n = std::min(kChunk, length - j0);
      const char* src = indices.as<char>() + at[1] + j0 * index_step * item;
      for (int64_t j = 0; beside != 0 && j < n; ++j) index[j] = (j0 + j) * beside;
      if (steps().place(indices.dtype, src, index_step, n, size, size - 1, along, beside != 0,
                        index)) {
        faults.report(row);
        return false;
      }
      body(at[0], at[2], j0, index, n);
    }
    return true;
  }

  IndexFault describe(const View& indices, int64_t row, int axis) const {
    IndexFault fault;
    const auto find = [&](const int64_t* at) {
      for (int64_t j = 0; j < length && fault.axis < 0; ++j) {
        const int64_t index = read_index(
            indices.dtype, indices.as<char>() + at[1] + j * index_step * itemsize(indices.dtype));
        if (index < -size || index >= size) fault = {index, axis, size};
      }
    };
    one_row(row, find);
    return fault;
  }

  int64_t count() const { return length == 0 ? 0 : rows.size; }

  // Every axis of `rows` is an outer one here, unlike in Walk::each_row.
  template <class F>
  void one_row(int64_t row, F&& body) const {
    int64_t offset[3] = {};
    for (int d = rows.rank - 1; d >= 0; --d) {
      const int64_t at = row % rows.shape[d];
      row /= rows.shape[d];
      for (int a = 0; a < 3; ++a) offset[a] += at * rows.strides[a][d];
    }
    body(offset);
  }
};

}  // namespace monel::indexing
