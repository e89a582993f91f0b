// Radix sort, least significant digit first: floats become unsigned keys of the same order. Long
// rows are shared by all threads, short ones are sorted each in one.
#include "sort.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "pool.h"
#include "scratch.h"
#include "strided.h"

namespace monel {
namespace {

constexpr int64_t kInsertion = 40;    // rows up to this long are sorted by insertion
constexpr int64_t kShared = 1 << 15;  // rows from this long on are shared by all threads
constexpr int kDigits = 256;

// ---- Items: what moves in the sort, and its digits ---------------------------

struct Packed {  // a key of up to 32 bits above its position
  uint64_t bits;
};
struct Paired {
  uint64_t key;
  uint32_t position;
};

template <class K>
MONEL_INLINE uint32_t digit(K item, int d) {
  return static_cast<uint32_t>(item >> (8 * d)) & 255;
}
MONEL_INLINE uint32_t digit(Packed item, int d) {
  return static_cast<uint32_t>(item.bits >> (32 + 8 * d)) & 255;
}
MONEL_INLINE uint32_t digit(const Paired& item, int d) {
  return static_cast<uint32_t>(item.key >> (8 * d)) & 255;
}

template <class K>
MONEL_INLINE bool before(K a, K b) {
  return a < b;
}
MONEL_INLINE bool before(Packed a, Packed b) { return a.bits < b.bits; }
MONEL_INLINE bool before(const Paired& a, const Paired& b) { return a.key < b.key; }

// ---- Keys --------------------------------------------------------------------

enum class Kind { plain, is_signed, floating };

// The order of keys is the order of values; -0 comes before 0 unless `merged`.
template <class K, Kind kind, int kFraction>
MONEL_INLINE K to_key(K u, bool merged) {
  constexpr K sign = K(K(1) << (8 * sizeof(K) - 1));
  if constexpr (kind == Kind::plain) {
    return u;
  } else if constexpr (kind == Kind::is_signed) {
    return u ^ sign;
  } else {
    constexpr K infinity = K(K(sign - 1) >> kFraction << kFraction);
    constexpr K nan = K(infinity | (K(1) << (kFraction - 1)));
    if ((u & K(~sign)) > infinity) u = nan;
    if (merged && u == sign) u = 0;
    return u & sign ? K(~u) : K(u | sign);
  }
}

template <class K, Kind kind>
MONEL_INLINE K from_key(K key) {
  constexpr K sign = K(K(1) << (8 * sizeof(K) - 1));
  if constexpr (kind == Kind::plain) return key;
  if constexpr (kind == Kind::is_signed) return key ^ sign;
  return key & sign ? K(key ^ sign) : K(~key);
}

// ---- Sorting one row of items ------------------------------------------------

template <class Item>
void insertion(Item* a, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const Item item = a[i];
    int64_t j = i;
    for (; j > 0 && before(item, a[j - 1]); --j) a[j] = a[j - 1];
    a[j] = item;
  }
}

template <class Item>
void count_digits(const Item* a, int64_t n, int digits, uint32_t (*counts)[kDigits]) {
  std::memset(counts, 0, sizeof(uint32_t) * kDigits * static_cast<size_t>(digits));
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < digits; ++d) ++counts[d][digit(a[i], d)];
}

template <class Item>
void move_items(const Item* from, int64_t n, int d, uint32_t* at, Item* to) {
  for (int64_t i = 0; i < n; ++i) to[at[digit(from[i], d)]++] = from[i];
}

// All items share digit d: this pass would move nothing.
bool trivial(const uint32_t* counts, uint32_t n) {
  return std::find(counts, counts + kDigits, n) != counts + kDigits;
}

template <class Item, int kBytes>
Item* radix(Item* a, Item* spare, int64_t n) {
  uint32_t counts[kBytes][kDigits];
  if (n <= kInsertion) {
    insertion(a, n);
    return a;
  }
  count_digits(a, n, kBytes, counts);
  for (int d = 0; d < kBytes; ++d) {
    if (trivial(counts[d], static_cast<uint32_t>(n))) continue;
    uint32_t sum = 0;
    for (uint32_t& c : counts[d]) sum += std::exchange(c, sum);
    move_items(a, n, d, counts[d], spare);
    std::swap(a, spare);
  }
  return a;
}

// The same with each pass split over the threads: equal parts, each with its own place for every
// digit.
template <class Item, int kBytes>
Item* radix_shared(Item* a, Item* spare, int64_t n) {
  const int64_t parts = num_threads(), part = (n + parts - 1) / parts;
  Workspace<uint32_t[kDigits]> counts(parts);
  for (int d = 0; d < kBytes; ++d) {
    parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        uint32_t* own = counts[p];
        std::fill_n(own, kDigits, 0u);
        for (int64_t i = p * part; i < std::min(n, (p + 1) * part); ++i) ++own[digit(a[i], d)];
      }
    });
    uint32_t sum = 0;
    bool moves = true;
    for (int v = 0; v < kDigits; ++v) {
      const uint32_t before_digit = sum;
      for (int64_t p = 0; p < parts; ++p) sum += std::exchange(counts[p][v], sum);
      if (sum - before_digit == static_cast<uint32_t>(n)) moves = false;
    }
    if (!moves) continue;
    parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t first = p * part, count = std::min(n, first + part) - first;
        if (count > 0) move_items(a + first, count, d, counts[p], spare);
      }
    });
    std::swap(a, spare);
  }
  return a;
}

// ---- Rows --------------------------------------------------------------------

// Offsets of rows: all axes but the last.
Walk<2> rows_of(const View& x, const View& out) {
  Walk<2> rows;
  const int64_t item = itemsize(x.dtype), out_item = itemsize(out.dtype);
  for (int d = 0; d + 1 < x.rank; ++d)
    rows.add(x.shape[d], {x.strides[d] * item, out.strides[d] * out_item});
  // each_row treats its last axis as the inside of a row: give it one of length 1.
  rows.shape[rows.rank] = 1;
  rows.strides[0][rows.rank] = rows.strides[1][rows.rank] = 0;
  ++rows.rank;
  return rows;
}

template <class Item, int kBytes, class Load, class Store>
void sort_rows(const View& x, const View& out, Load load, Store store) {
  const int64_t n = x.shape[x.rank - 1];
  const Walk<2> rows = rows_of(x, out);
  const int64_t step = x.strides[x.rank - 1], out_step = out.strides[x.rank - 1];
  if (n == 0 || rows.size == 0) return;
  const bool shared = n >= kShared && rows.size < num_threads() && n < INT64_C(0xffffffff);
  const auto run = [&](int64_t begin, int64_t end, Item* items, Item* spare) {
    rows.each_row(begin, end, [&](const int64_t* at) {
      const char* from = x.as<char>() + at[0];
      char* to = out.as<char>() + at[1];
      if (shared) {
        parallel_for(n, 1 << 14, [&](int64_t i0, int64_t i1) { load(from, step, i0, i1, items); });
        const Item* sorted = radix_shared<Item, kBytes>(items, spare, n);
        parallel_for(n, 1 << 14,
                     [&](int64_t i0, int64_t i1) { store(to, out_step, i0, i1, sorted); });
      } else {
        load(from, step, 0, n, items);
        store(to, out_step, 0, n, radix<Item, kBytes>(items, spare, n));
      }
    });
  };
  const int64_t tasks = shared ? 1 : std::min<int64_t>(rows.size, 8 * num_threads());
  const int64_t each = (rows.size + tasks - 1) / tasks;
  Workspace<Item> memory(2 * n * tasks);
  parallel_for(tasks, std::max<int64_t>(1, 4096 / (n * each)), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      run(std::min(t * each, rows.size), std::min((t + 1) * each, rows.size), memory + 2 * n * t,
          memory + 2 * n * t + n);
  });
}

template <class K, Kind kind, int kFraction = 1>
void sort_typed(const View& x, const View& out) {
  sort_rows<K, sizeof(K)>(
      x, out,
      [](const char* from, int64_t step, int64_t begin, int64_t end, K* items) {
        const K* src = reinterpret_cast<const K*>(from);
        for (int64_t i = begin; i < end; ++i)
          items[i] = to_key<K, kind, kFraction>(src[i * step], false);
      },
      [](char* to, int64_t step, int64_t begin, int64_t end, const K* items) {
        K* dst = reinterpret_cast<K*>(to);
        for (int64_t i = begin; i < end; ++i) dst[i * step] = from_key<K, kind>(items[i]);
      });
}

template <class K, Kind kind, int kFraction = 1>
void argsort_typed(const View& x, const View& out) {
  using Item = std::conditional_t<sizeof(K) == 8, Paired, Packed>;
  sort_rows<Item, sizeof(K)>(
      x, out,
      [](const char* from, int64_t step, int64_t begin, int64_t end, Item* items) {
        const K* src = reinterpret_cast<const K*>(from);
        for (int64_t i = begin; i < end; ++i) {
          const K key = to_key<K, kind, kFraction>(src[i * step], true);
          if constexpr (sizeof(K) == 8)
            items[i] = {key, static_cast<uint32_t>(i)};
          else
            items[i] = {static_cast<uint64_t>(key) << 32 | static_cast<uint32_t>(i)};
        }
      },
      [](char* to, int64_t step, int64_t begin, int64_t end, const Item* items) {
        uint32_t* dst = reinterpret_cast<uint32_t*>(to);
        for (int64_t i = begin; i < end; ++i) {
          if constexpr (sizeof(K) == 8)
            dst[i * step] = items[i].position;
          else
            dst[i * step] = static_cast<uint32_t>(items[i].bits);
        }
      });
}

// NumPy's order of complex numbers: by real part, then imaginary part, those with a NaN after all
// others.
int nan_class(complex64 z) { return 2 * (z.re != z.re) + (z.im != z.im); }

bool less(complex64 a, complex64 b) {
  const int ca = nan_class(a), cb = nan_class(b);
  if (ca != cb) return ca < cb;
  if (ca < 2 && a.re != b.re) return a.re < b.re;
  return (ca & 1) == 0 && a.im < b.im;
}

void argsort_complex(const View& x, const View& out, bool values) {
  const int64_t n = x.shape[x.rank - 1], step = x.strides[x.rank - 1],
                out_step = out.strides[x.rank - 1];
  const Walk<2> rows = rows_of(x, out);
  std::vector<uint32_t> order(static_cast<size_t>(n));
  rows.each_row(0, n ? rows.size : 0, [&](const int64_t* at) {
    const complex64* from = reinterpret_cast<const complex64*>(x.as<char>() + at[0]);
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return less(from[a * step], from[b * step]); });
    for (int64_t i = 0; i < n; ++i) {
      if (values)
        reinterpret_cast<complex64*>(out.as<char>() + at[1])[i * out_step] =
            from[order[static_cast<size_t>(i)] * step];
      else
        reinterpret_cast<uint32_t*>(out.as<char>() + at[1])[i * out_step] =
            order[static_cast<size_t>(i)];
    }
  });
}

}  // namespace

void sort_axis(const View& x, const View& out, int axis) {
  const View a = axis_last(x, axis), b = axis_last(out, axis);
  switch (x.dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return sort_typed<uint8_t, Kind::plain>(a, b);
    case Dtype::uint16: return sort_typed<uint16_t, Kind::plain>(a, b);
    case Dtype::uint32: return sort_typed<uint32_t, Kind::plain>(a, b);
    case Dtype::uint64: return sort_typed<uint64_t, Kind::plain>(a, b);
    case Dtype::int8: return sort_typed<uint8_t, Kind::is_signed>(a, b);
    case Dtype::int16: return sort_typed<uint16_t, Kind::is_signed>(a, b);
    case Dtype::int32: return sort_typed<uint32_t, Kind::is_signed>(a, b);
    case Dtype::int64: return sort_typed<uint64_t, Kind::is_signed>(a, b);
    case Dtype::float16: return sort_typed<uint16_t, Kind::floating, 10>(a, b);
    case Dtype::bfloat16: return sort_typed<uint16_t, Kind::floating, 7>(a, b);
    case Dtype::float32: return sort_typed<uint32_t, Kind::floating, 23>(a, b);
    case Dtype::float64: return sort_typed<uint64_t, Kind::floating, 52>(a, b);
    case Dtype::complex64: return argsort_complex(a, b, true);
  }
}

void argsort_axis(const View& x, const View& out, int axis) {
  const View a = axis_last(x, axis), b = axis_last(out, axis);
  switch (x.dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return argsort_typed<uint8_t, Kind::plain>(a, b);
    case Dtype::uint16: return argsort_typed<uint16_t, Kind::plain>(a, b);
    case Dtype::uint32: return argsort_typed<uint32_t, Kind::plain>(a, b);
    case Dtype::uint64: return argsort_typed<uint64_t, Kind::plain>(a, b);
    case Dtype::int8: return argsort_typed<uint8_t, Kind::is_signed>(a, b);
    case Dtype::int16: return argsort_typed<uint16_t, Kind::is_signed>(a, b);
    case Dtype::int32: return argsort_typed<uint32_t, Kind::is_signed>(a, b);
    case Dtype::int64: return argsort_typed<uint64_t, Kind::is_signed>(a, b);
    case Dtype::float16: return argsort_typed<uint16_t, Kind::floating, 10>(a, b);
    case Dtype::bfloat16: return argsort_typed<uint16_t, Kind::floating, 7>(a, b);
    case Dtype::float32: return argsort_typed<uint32_t, Kind::floating, 23>(a, b);
    case Dtype::float64: return argsort_typed<uint64_t, Kind::floating, 52>(a, b);
    case Dtype::complex64: return argsort_complex(a, b, false);
  }
}

}  // namespace monel
