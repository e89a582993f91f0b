#include <cstring>

#include "indices.h"
#include "pool.h"

namespace monel {
namespace {

using namespace indexing;

template <class T>
void gather_elements(const T* x, const int64_t* at, int64_t n, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = x[at[i]];
}

// One slice (a walk over x and a contiguous target) for each of n offsets.
template <class T>
void gather_slices(const Walk<2>& slice, const T* x, const int64_t* at, int64_t n, T* out) {
  const int64_t length = slice.row_length(), step = slice.row_step(0);
  const size_t bytes = static_cast<size_t>(length) * sizeof(T);
  for (int64_t i = 0; i < n; ++i) {
    const char* from = reinterpret_cast<const char*>(x + at[i]);
    char* to = reinterpret_cast<char*>(out + i * slice.size);
    slice.each_row(0, slice.rows(), [&](const int64_t* offset) {
      if (step == sizeof(T)) {
        std::memcpy(to + offset[1], from + offset[0], bytes);
      } else {
        T* line = reinterpret_cast<T*>(to + offset[1]);
        for (int64_t j = 0; j < length; ++j)
          line[j] = *reinterpret_cast<const T*>(from + offset[0] + j * step);
      }
    });
  }
}

template <class T>
void gather_typed(const Starts& starts, const Walk<2>& slice, int64_t count, const View& out,
                  Faults& faults) {
  const T* x = starts.x.as<T>();
  const int64_t each = std::max<int64_t>(1, slice.size * static_cast<int64_t>(sizeof(T)));
  parallel_for(count, std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(each, 8)),
               [&](int64_t begin, int64_t end) {
                 int64_t at[kChunk];
                 for (int64_t i = begin; i < end; i += kChunk) {
                   const int64_t n = std::min(kChunk, end - i), bad = starts.fill(i, n, at);
                   if (bad >= 0) return faults.report(bad);
                   T* to = out.as<T>() + i * slice.size;
                   if (slice.size == 1)
                     gather_elements(x, at, n, to);
                   else
                     gather_slices(slice, x, at, n, to);
                 }
               });
}

template <class T>
void take_typed(const Along& along, const View& x, const View& indices, const View& out,
                Faults& faults) {
  const int64_t grain = std::max<int64_t>(1, kTaskBytes / 8 / std::max<int64_t>(1, along.length));
  parallel_for(along.count(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      along.one_row(row, [&](const int64_t* offset) {
        along.each(indices, row, offset, faults,
                   [&](int64_t from, int64_t to, int64_t j0, const int64_t* at, int64_t n) {
                     const T* source = reinterpret_cast<const T*>(x.as<char>() + from);
                     T* target = reinterpret_cast<T*>(out.as<char>() + to) + j0;
                     for (int64_t j = 0; j < n; ++j) target[j] = source[at[j]];
                   });
      });
  });
}

}  // namespace

IndexFault gather(const View& x, const Indices& indices, const int64_t* slice, const View& out) {
  const int64_t count = count_of(indices);
  const Walk<2> walk = slice_walk(x, slice);
  const Starts starts = {x, indices, slice};
  Faults faults;
  if (count == 0) return {};
  if (walk.size == 0) {  // nothing to copy, but bad indices are errors all the same
    int64_t at[kChunk];
    for (int64_t i = 0; i < count && !faults.any(); i += kChunk) {
      const int64_t bad = starts.fill(i, std::min(kChunk, count - i), at);
      if (bad >= 0) faults.report(bad);
    }
  } else if (count == 1) {  // one slice may be large: share its copying
    int64_t at;
    if (starts.fill(0, 1, &at) >= 0) return starts.describe(0);
    View from = x, to = x;
    from.data = x.as<char>() + at * itemsize(x.dtype);
    to.data = out.data;
    for (int d = 0; d < x.rank; ++d) from.shape[d] = to.shape[d] = slice[d];
    fill_strides(to);
    copy_elements(from, to);
  } else {
    with_bits(x.dtype,
              [&](auto zero) { gather_typed<decltype(zero)>(starts, walk, count, out, faults); });
  }
  return faults.any() ? starts.describe(faults.first()) : IndexFault{};
}

IndexFault take_along_axis(const View& x, const View& indices, int axis, const View& out) {
  const Along along(x, indices, out, axis);
  Faults faults;
  with_bits(x.dtype,
            [&](auto zero) { take_typed<decltype(zero)>(along, x, indices, out, faults); });
  return faults.any() ? along.describe(indices, faults.first(), axis) : IndexFault{};
}

}  // namespace monel
