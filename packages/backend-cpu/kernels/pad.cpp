#include "pad.h"

#include <algorithm>

#include "pool.h"
#include "strided.h"

namespace monel {
namespace {

constexpr int64_t kTaskBytes = 1 << 16;

// Rows of out along the last axis, each filled, or copied between its two ends.
template <class T>
struct Padding {
  const View &x, &out;
  const int64_t *low, *interior;
  T value;

  // Offset in elements of the row of x behind row r of out, or -1.
  int64_t source(int64_t r) const {
    int64_t offset = 0;
    for (int d = out.rank - 2; d >= 0; --d) {
      const int64_t at = r % out.shape[d] - low[d], step = interior[d] + 1;
      r /= out.shape[d];
      if (at < 0 || at % step != 0 || at / step >= x.shape[d]) return kNone;
      offset += at / step * x.strides[d];
    }
    return offset;
  }

  void row(int64_t r) const {
    const int last = out.rank - 1;
    const int64_t width = out.shape[last], n = x.shape[last], from = source(r),
                  step = interior[last] + 1;
    T* to = out.as<T>() + r * width;
    if (from == kNone || n == 0) {
      std::fill_n(to, width, value);
      return;
    }
    const T* src = x.as<T>() + from;
    const int64_t stride = x.strides[last], first = low[last], end = first + (n - 1) * step + 1;
    std::fill(to, to + first, value);
    if (step == 1 && stride == 1) {
      std::memcpy(to + first, src, static_cast<size_t>(n) * sizeof(T));
    } else {
      if (step > 1) std::fill(to + first, to + end, value);
      for (int64_t i = 0; i < n; ++i) to[first + i * step] = src[i * stride];
    }
    std::fill(to + end, to + width, value);
  }

  static constexpr int64_t kNone = INT64_MIN;
};

template <class T>
void pad_typed(const View& x, const void* value, const int64_t* low, const int64_t* interior,
               const View& out) {
  const Padding<T> padding = {x, out, low, interior, *static_cast<const T*>(value)};
  const int64_t width = out.shape[out.rank - 1], rows = out.size() / width;
  const int64_t grain = std::max<int64_t>(1, kTaskBytes / static_cast<int64_t>(sizeof(T)) / width);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) padding.row(r);
  });
}

}  // namespace

void pad(const View& x, const void* value, const int64_t* low, const int64_t* interior,
         const View& out) {
  if (out.size() == 0) return;
  if (out.rank == 0) return copy_elements(x, out);
  with_bits(x.dtype, [&](auto zero) { pad_typed<decltype(zero)>(x, value, low, interior, out); });
}

void concatenate(const View* operands, int n, int axis, const View& out) {
  int64_t offset = 0;
  for (int i = 0; i < n; ++i) {
    View part = out;
    part.shape[axis] = operands[i].shape[axis];
    part.data = out.as<char>() + offset * out.strides[axis] * itemsize(out.dtype);
    if (part.size() > 0) copy_elements(operands[i], part);
    offset += part.shape[axis];
  }
}

}  // namespace monel
