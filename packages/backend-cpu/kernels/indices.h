// What gather, scatter and their along-one-axis forms share: reading indices, checking them,
// walking.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "indexing.h"
#include "strided.h"

namespace monel::indexing {

inline constexpr int64_t kChunk = 512;  // indices whose offsets are computed at once
inline constexpr int64_t kTaskBytes = 1 << 16;

// Elements of one row of integers, `step` elements apart, as int64; those of uint64 above 2^63 turn
// negative: out of bounds.
void read_row(Dtype dtype, const void* src, int64_t step, int64_t n, int64_t* out);
// Elements [begin, begin + n) of v in row-major order.
void read_indices(const View& v, int64_t begin, int64_t n, int64_t* out);

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
    int64_t index[kChunk];
    int64_t bad = -1;
    if (indices.count == 0) std::fill_n(out, n, int64_t{0});
    for (int i = 0; i < indices.count; ++i) {
      const int64_t size = x.shape[indices.axes[i]], step = x.strides[indices.axes[i]];
      const int64_t top = limit(i);
      read_indices(indices.views[i], begin, n, index);
      uint64_t wrong = top < 0;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = index[j] + (index[j] < 0 ? size : 0);
        wrong |= static_cast<uint64_t>(at) > static_cast<uint64_t>(top);
        out[j] = (i == 0 ? 0 : out[j]) + at * step;
      }
      if (!wrong) continue;
      for (int64_t j = 0; j < n && (bad < 0 || begin + j < bad); ++j) {
        const int64_t at = index[j] + (index[j] < 0 ? size : 0);
        if (at < 0 || at > top) bad = begin + j;
      }
    }
    return bad;
  }

  IndexFault describe(int64_t position) const {
    for (int i = 0; i < indices.count; ++i) {
      const int64_t axis = indices.axes[i], size = x.shape[axis];
      int64_t index;
      read_indices(indices.views[i], position, 1, &index);
      const int64_t at = index < 0 ? index + size : index;
      if (at < 0 || at > limit(i)) return {index, static_cast<int>(axis), size};
    }
    return {};
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
    for (int64_t j0 = 0; j0 < length; j0 += kChunk) {
      const int64_t n = std::min(kChunk, length - j0);
      read_row(indices.dtype,
               indices.as<char>() + at[1] + j0 * index_step * itemsize(indices.dtype), index_step,
               n, index);
      uint64_t wrong = 0;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t i = index[j] + (index[j] < 0 ? size : 0);
        wrong |= static_cast<uint64_t>(i) >= static_cast<uint64_t>(size);
        index[j] = i * along + (j0 + j) * beside;
      }
      if (wrong) {
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
        int64_t index;
        read_row(indices.dtype,
                 indices.as<char>() + at[1] + j * index_step * itemsize(indices.dtype), 1, 1,
                 &index);
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
