#include "copy.h"

#include <cstring>

#include "pool.h"

namespace monel {
namespace {

template <size_t N> struct Raw;
template <> struct Raw<1> { using type = uint8_t; };
template <> struct Raw<2> { using type = uint16_t; };
template <> struct Raw<4> { using type = uint32_t; };
template <> struct Raw<8> { using type = uint64_t; };

constexpr int64_t kBlock = 32;  // of a transposition: 32 rows of 32 words stay in L1

// Rows [begin, end) of a [rows, columns] block; columns of `out` are contiguous.
template <class T>
void copy_rows(const T* from, int64_t row_stride, int64_t stride, T* out, int64_t columns, int64_t begin,
               int64_t end) {
  const bool transposed = (row_stride == 1 || row_stride == -1) && stride != 1 && stride != 0;
  if (!transposed) {
    for (int64_t r = begin; r < end; ++r) {
      const T* src = from + r * row_stride;
      T* dst = out + r * columns;
      if (stride == 1)
        std::memcpy(dst, src, static_cast<size_t>(columns) * sizeof(T));
      else if (stride == 0)
        for (int64_t c = 0; c < columns; ++c) dst[c] = *src;
      else
        for (int64_t c = 0; c < columns; ++c) dst[c] = src[c * stride];
    }
    return;
  }
  for (int64_t r0 = begin; r0 < end; r0 += kBlock) {
    const int64_t r1 = r0 + kBlock < end ? r0 + kBlock : end;
    for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      const int64_t c1 = c0 + kBlock < columns ? c0 + kBlock : columns;
      T tile[kBlock * kBlock];
      for (int64_t c = c0; c < c1; ++c)
        for (int64_t r = r0; r < r1; ++r) tile[(r - r0) * kBlock + c - c0] = from[r * row_stride + c * stride];
      for (int64_t r = r0; r < r1; ++r)
        std::memcpy(out + r * columns + c0, tile + (r - r0) * kBlock, static_cast<size_t>(c1 - c0) * sizeof(T));
    }
  }
}

template <class T>
void copy_typed(const View& v, T* out) {
  const int rank = v.rank;
  const int64_t columns = rank > 0 ? v.shape[rank - 1] : 1, stride = rank > 0 ? v.strides[rank - 1] : 1;
  const int64_t rows = rank > 1 ? v.shape[rank - 2] : 1, row_stride = rank > 1 ? v.strides[rank - 2] : 0;
  int64_t planes = 1;
  for (int i = 0; i < rank - 2; ++i) planes *= v.shape[i];
  const auto plane = [&](int64_t index) {
    const T* from = static_cast<const T*>(v.data);
    for (int i = rank - 3; i >= 0; --i) {
      from += index % v.shape[i] * v.strides[i];
      index /= v.shape[i];
    }
    return from;
  };
  const int64_t grain = 32768;
  if (planes == 1 && rows == 1) {
    parallel_for(columns, grain, [&](int64_t begin, int64_t end) {
      copy_rows(static_cast<const T*>(v.data) + begin * stride, 0, stride, out + begin, end - begin, 0, 1);
    });
  } else if (planes > 1) {
    parallel_for(planes, grain / (rows * columns + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        copy_rows(plane(p), row_stride, stride, out + p * rows * columns, columns, 0, rows);
    });
  } else {
    parallel_for(rows, grain / (columns + 1) + kBlock, [&](int64_t begin, int64_t end) {
      copy_rows(plane(0), row_stride, stride, out, columns, begin, end);
    });
  }
}

}  // namespace

void collapse(View* views, int n) {
  const int rank = views[0].rank;
  int last = -1;  // the axis being grown
  for (int i = 0; i < rank; ++i) {
    const int64_t size = views[0].shape[i];
    if (size == 1) continue;
    bool joins = last >= 0;
    for (int k = 0; joins && k < n; ++k) joins = views[k].strides[last] == views[k].strides[i] * size;
    if (!joins) ++last;
    for (int k = 0; k < n; ++k) {
      views[k].shape[last] = joins ? views[k].shape[last] * size : size;
      views[k].strides[last] = views[k].strides[i];
    }
  }
  for (int k = 0; k < n; ++k) views[k].rank = last + 1;
}

void copy(const View& from, void* out) {
  if (from.size() == 0) return;
  View v = from;
  collapse(&v, 1);
  switch (itemsize(v.dtype)) {
    case 1: return copy_typed(v, static_cast<uint8_t*>(out));
    case 2: return copy_typed(v, static_cast<uint16_t*>(out));
    case 4: return copy_typed(v, static_cast<uint32_t*>(out));
    default: return copy_typed(v, static_cast<uint64_t*>(out));
  }
}

}  // namespace monel
