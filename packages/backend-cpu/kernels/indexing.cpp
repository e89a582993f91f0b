#include "indexing.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <type_traits>

#include "pool.h"
#include "scratch.h"
#include "strided.h"

namespace monel {
namespace {

constexpr int64_t kChunk = 512;  // indices whose offsets are computed at once
constexpr int64_t kTaskBytes = 1 << 16;

// ---- Reading indices
// ---------------------------------------------------------------------------------

template <class T>
void read_row(const void* src, int64_t step, int64_t n, int64_t* out) {
  const T* from = static_cast<const T*>(src);
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(from[i * step]);
}

void read_row(Dtype dtype, const void* src, int64_t step, int64_t n, int64_t* out) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return read_row<uint8_t>(src, step, n, out);
    case Dtype::uint16: return read_row<uint16_t>(src, step, n, out);
    case Dtype::uint32: return read_row<uint32_t>(src, step, n, out);
    case Dtype::int8: return read_row<int8_t>(src, step, n, out);
    case Dtype::int16: return read_row<int16_t>(src, step, n, out);
    case Dtype::int32: return read_row<int32_t>(src, step, n, out);
    default:
      return read_row<int64_t>(src, step, n,
                               out);  // uint64 above 2^63 turns negative: out of bounds
  }
}

// Elements [begin, begin + n) of v in row-major order.
void read_indices(const View& v, int64_t begin, int64_t n, int64_t* out) {
  const char* data = v.as<char>();
  const int64_t item = itemsize(v.dtype);
  if (v.contiguous()) return read_row(v.dtype, data + begin * item, 1, n, out);
  const int64_t row = v.shape[v.rank - 1], step = v.strides[v.rank - 1];
  while (n > 0) {
    int64_t rest = begin / row, offset = begin % row * step;
    for (int d = v.rank - 2; d >= 0; --d) {
      offset += rest % v.shape[d] * v.strides[d];
      rest /= v.shape[d];
    }
    const int64_t count = std::min(n, row - begin % row);
    read_row(v.dtype, data + offset * item, step, count, out);
    begin += count, n -= count, out += count;
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

  // -1, or the first bad position.
  int64_t fill(int64_t begin, int64_t n, int64_t* out) const {
    int64_t index[kChunk];
    std::fill_n(out, n, int64_t{0});
    int64_t bad = -1;
    for (int i = 0; i < indices.count; ++i) {
      const int64_t size = x.shape[indices.axes[i]], step = x.strides[indices.axes[i]],
                    top = limit(i);
      read_indices(indices.views[i], begin, n, index);
      int64_t wrong = 0;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = index[j] < 0 ? index[j] + size : index[j];
        wrong |= static_cast<int64_t>(at < 0) | static_cast<int64_t>(at > top);
        out[j] += at * step;
      }
      if (!wrong) continue;
      for (int64_t j = 0; j < n && (bad < 0 || begin + j < bad); ++j) {
        const int64_t at = index[j] < 0 ? index[j] + size : index[j];
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

int64_t count_of(const Indices& indices) { return indices.count ? indices.views[0].size() : 1; }

// ---- Gather
// ----------------------------------------------------------------------------------------------

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

// The axes of one slice of `v` (first) against a contiguous block (second), in bytes.
Walk<2> slice_walk(const View& v, const int64_t* slice) {
  const int64_t item = itemsize(v.dtype);
  int64_t step[kMaxRank];
  int64_t block = 1;
  for (int d = v.rank - 1; d >= 0; --d) {
    step[d] = block;
    block *= slice[d];
  }
  Walk<2> walk;
  for (int d = 0; d < v.rank; ++d) walk.add(slice[d], {v.strides[d] * item, step[d] * item});
  return walk;
}

// ---- Scatter
// -----------------------------------------------------------------------------------------------

template <Mode mode, class T>
T combine(T a, T b) {
  if constexpr (mode == Mode::set) {
    return b;
  } else if constexpr (mode == Mode::add || mode == Mode::mul) {
    if constexpr (std::is_integral_v<T>)  // without sign: integers wrap
      return static_cast<T>(mode == Mode::add ? 1ull * a + 1ull * b : 1ull * a * b);
    else
      return mode == Mode::add ? a + b : a * b;
  } else if constexpr (mode == Mode::max) {
    return a != a || a > b ? a : b;  // NaN wins
  } else {
    return a != a || a < b ? a : b;
  }
}

template <Mode mode>
bool combine_bool(bool a, bool b) {
  if constexpr (mode == Mode::set) return b;
  return mode == Mode::add || mode == Mode::max ? a || b : a && b;
}

template <Mode mode>
complex64 combine_complex(complex64 a, complex64 b) {
  if constexpr (mode == Mode::set) {
    return b;
  } else if constexpr (mode == Mode::add) {
    return {a.re + b.re, a.im + b.im};
  } else if constexpr (mode == Mode::mul) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  } else {
    const bool nan = a.re != a.re || a.im != a.im;
    const bool less = a.re < b.re || (a.re == b.re && a.im < b.im);
    const bool greater = a.re > b.re || (a.re == b.re && a.im > b.im);
    return nan || (mode == Mode::max ? greater : less) ? a : b;
  }
}

template <Mode mode, class T>
MONEL_INLINE void apply(T& to, T from) {
  if constexpr (std::is_same_v<T, bool>)
    to = combine_bool<mode>(to, from);
  else if constexpr (std::is_same_v<T, complex64>)
    to = combine_complex<mode>(to, from);
  else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
    to = mode == Mode::set ? from : narrow<T>(combine<mode, float>(widen(to), widen(from)));
  else
    to = combine<mode, T>(to, from);
}

// Columns [c0, c1) of one slice row by row, at each offset in turn.
template <Mode mode, class T>
void scatter_slices(const Walk<2>& slice, T* out, const int64_t* at, int64_t n, const T* updates,
                    int64_t c0, int64_t c1) {
  const int64_t step = slice.row_step(0);
  for (int64_t i = 0; i < n; ++i) {
    char* to = reinterpret_cast<char*>(out + at[i]);
    const char* from = reinterpret_cast<const char*>(updates + i * slice.size);
    slice.each_row(0, slice.rows(), [&](const int64_t* offset) {
      const T* line = reinterpret_cast<const T*>(from + offset[1]);
      char* row = to + offset[0];
      if (step == sizeof(T)) {
        T* target = reinterpret_cast<T*>(row);
        for (int64_t j = c0; j < c1; ++j) apply<mode>(target[j], line[j]);
      } else {
        for (int64_t j = c0; j < c1; ++j)
          apply<mode>(*reinterpret_cast<T*>(row + j * step), line[j]);
      }
    });
  }
}

// Threads share the columns of long slices, so that each element sees its updates in order. Slices
// that may overlap in part (`windows`) stay in one thread.
template <Mode mode, class T>
void scatter_typed(const Walk<2>& slice, const View& out, const int64_t* at, int64_t n,
                   const void* source, bool windows) {
  T* target = out.as<T>();
  const T* updates = static_cast<const T*>(source);
  if (slice.size == 1) {
    for (int64_t i = 0; i < n; ++i) apply<mode>(target[at[i]], updates[i]);
    return;
  }
  const int64_t columns = slice.row_length(), line = 64 / static_cast<int64_t>(sizeof(T));
  const int64_t work = std::max<int64_t>(1, n * slice.rows() * static_cast<int64_t>(sizeof(T)));
  const int64_t lines = (columns + line - 1) / line;
  const int64_t grain = windows ? lines : std::max<int64_t>(4, kTaskBytes / work / line);
  parallel_for(lines, grain, [&](int64_t begin, int64_t end) {
    scatter_slices<mode>(slice, target, at, n, updates, begin * line,
                         std::min(end * line, columns));
  });
}

// Calls f.template operator()<mode, T>(); `set` needs only the size of T.
template <Mode mode, class F>
void with_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::bool_: return f.template operator()<mode, bool>();
    case Dtype::uint8: return f.template operator()<mode, uint8_t>();
    case Dtype::uint16: return f.template operator()<mode, uint16_t>();
    case Dtype::uint32: return f.template operator()<mode, uint32_t>();
    case Dtype::uint64: return f.template operator()<mode, uint64_t>();
    case Dtype::int8: return f.template operator()<mode, int8_t>();
    case Dtype::int16: return f.template operator()<mode, int16_t>();
    case Dtype::int32: return f.template operator()<mode, int32_t>();
    case Dtype::int64: return f.template operator()<mode, int64_t>();
    case Dtype::float16: return f.template operator()<mode, float16>();
    case Dtype::bfloat16: return f.template operator()<mode, bfloat16>();
    case Dtype::float32: return f.template operator()<mode, float>();
    case Dtype::float64: return f.template operator()<mode, double>();
    case Dtype::complex64: return f.template operator()<mode, complex64>();
  }
}

template <class F>
void with_mode(Mode mode, Dtype dtype, F&& f) {
  switch (mode) {
    case Mode::set:
      return with_bits(dtype,
                       [&](auto zero) { f.template operator()<Mode::set, decltype(zero)>(); });
    case Mode::add: return with_type<Mode::add>(dtype, f);
    case Mode::mul: return with_type<Mode::mul>(dtype, f);
    case Mode::max: return with_type<Mode::max>(dtype, f);
    case Mode::min: return with_type<Mode::min>(dtype, f);
  }
}

View contiguous_like(const View& v, void* data) {
  View out = v;
  out.data = data;
  fill_strides(out);
  return out;
}

// ---- Along one axis
// ------------------------------------------------------------------------------------------

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
      int64_t wrong = 0;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t i = index[j] < 0 ? index[j] + size : index[j];
        wrong |= static_cast<int64_t>(i < 0) | static_cast<int64_t>(i >= size);
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

template <Mode mode, class T>
void put_typed(const Along& along, const View& out, const View& indices, const View& values,
               Faults& faults) {
  const int64_t grain = std::max<int64_t>(1, kTaskBytes / 8 / std::max<int64_t>(1, along.length));
  parallel_for(along.count(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      along.one_row(row, [&](const int64_t* offset) {
        along.each(indices, row, offset, faults,
                   [&](int64_t to, int64_t from, int64_t j0, const int64_t* at, int64_t n) {
                     T* target = reinterpret_cast<T*>(out.as<char>() + to);
                     const T* source = reinterpret_cast<const T*>(values.as<char>() + from);
                     for (int64_t j = 0; j < n; ++j)
                       apply<mode>(target[at[j]], source[(j0 + j) * along.other_step]);
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

IndexFault scatter(const View& out, const View& updates, const Indices& indices, Mode mode) {
  const int64_t count = count_of(indices);
  const Starts starts = {out, indices, updates.shape + (updates.rank - out.rank)};
  Workspace<int64_t> at(count);
  Faults faults;
  parallel_for(count, kTaskBytes / 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kChunk) {
      const int64_t bad = starts.fill(i, std::min(kChunk, end - i), at.data() + i);
      if (bad >= 0) return faults.report(bad);
    }
  });
  if (faults.any()) return starts.describe(faults.first());
  if (updates.size() == 0) return {};
  const bool plain = updates.contiguous();
  Workspace<char> copy(plain ? 0 : updates.size() * itemsize(updates.dtype));
  if (!plain) copy_elements(updates, contiguous_like(updates, copy.data()));
  const void* source = plain ? updates.data : copy.data();
  const Walk<2> walk = slice_walk(out, starts.slice);
  bool windows = false;
  for (int i = 0; i < indices.count; ++i) windows = windows || starts.slice[indices.axes[i]] != 1;
  with_mode(mode, out.dtype,
            [&]<Mode m, class T>() { scatter_typed<m, T>(walk, out, at, count, source, windows); });
  return {};
}

IndexFault take_along_axis(const View& x, const View& indices, int axis, const View& out) {
  const Along along(x, indices, out, axis);
  Faults faults;
  with_bits(x.dtype,
            [&](auto zero) { take_typed<decltype(zero)>(along, x, indices, out, faults); });
  return faults.any() ? along.describe(indices, faults.first(), axis) : IndexFault{};
}

IndexFault put_along_axis(const View& out, const View& indices, const View& values, int axis,
                          Mode mode) {
  // With the axis last, rows are independent of each other and may run in any thread.
  const View target = axis_last(out, axis), index = axis_last(indices, axis),
             source = axis_last(values, axis);
  const Along along(target, index, source, target.rank - 1);
  Faults faults;
  with_mode(mode, out.dtype,
            [&]<Mode m, class T>() { put_typed<m, T>(along, target, index, source, faults); });
  return faults.any() ? along.describe(index, faults.first(), axis) : IndexFault{};
}

}  // namespace monel
