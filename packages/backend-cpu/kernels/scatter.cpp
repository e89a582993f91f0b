#include <type_traits>

#include "copy.h"
#include "indices.h"
#include "pool.h"
#include "scratch.h"

namespace monel {
namespace {

using namespace indexing;

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
  Workspace<char> room(plain ? 0 : updates.size() * itemsize(updates.dtype));
  if (!plain) monel::copy(updates, room.data());
  const void* source = plain ? updates.data : room.data();
  const Walk<2> walk = slice_walk(out, starts.slice);
  bool windows = false;
  for (int i = 0; i < indices.count; ++i) windows = windows || starts.slice[indices.axes[i]] != 1;
  with_mode(mode, out.dtype,
            [&]<Mode m, class T>() { scatter_typed<m, T>(walk, out, at, count, source, windows); });
  return {};
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
