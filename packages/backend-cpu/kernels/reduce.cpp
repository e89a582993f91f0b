#include "reduce.h"

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <type_traits>

#include "copy.h"
#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace monel {

MONEL_CHOOSE_TABLE(RowTable, rows)

namespace {

constexpr int64_t kGrain = 32768;        // elements worth a thread
constexpr int64_t kColumnBlock = 1024;
constexpr int64_t kSegment = 65536;      // elements of a partial result of columns
constexpr int64_t kChunkRows = 128;      // rows added up before they join their segment's sum

// The kept and the reduced axes of a view, each collapsed by itself.
struct Split {
  View kept, reduced;
};

Split split(const View& x, uint32_t axes) {
  Split s;
  s.kept.data = s.reduced.data = x.data;
  s.kept.dtype = s.reduced.dtype = x.dtype;
  for (int i = 0; i < x.rank; ++i) {
    View& v = axes >> i & 1 ? s.reduced : s.kept;
    v.shape[v.rank] = x.shape[i];
    v.strides[v.rank++] = x.strides[i];
  }
  collapse(&s.kept, 1);
  collapse(&s.reduced, 1);
  return s;
}

int64_t offset_of(const View& v, int rank, int64_t index) {
  int64_t offset = 0;
  for (int i = rank - 1; i >= 0; --i) {
    offset += index % v.shape[i] * v.strides[i];
    index /= v.shape[i];
  }
  return offset;
}

template <class T> T start_of(Reduction op) {
  using L = std::numeric_limits<T>;
  switch (op) {
    case Reduction::sum: return T(0);
    case Reduction::prod: return T(1);
    case Reduction::max: return L::has_infinity ? static_cast<T>(-L::infinity()) : L::lowest();
    default: return L::has_infinity ? L::infinity() : L::max();
  }
}

template <class A> void combine(Reduction op, A& a, A x) {
  switch (op) {
    case Reduction::sum:
      if constexpr (std::is_integral_v<A>) a = static_cast<A>(static_cast<uint64_t>(a) + static_cast<uint64_t>(x));
      else a += x;
      break;
    case Reduction::prod:
      if constexpr (std::is_integral_v<A>) a = static_cast<A>(static_cast<uint64_t>(a) * static_cast<uint64_t>(x));
      else a *= x;
      break;
    case Reduction::max: a = x > a || x != x ? x : a; break;
    case Reduction::min: a = x < a || x != x ? x : a; break;
  }
}

template <class T> constexpr bool is_real_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
// Leaves are combined in double, or in the integer type.
template <class T>
using Accumulator = std::conditional_t<std::is_integral_v<T>, T, double>;

template <class T> Accumulator<T> value_of(Partial p) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(p.integer);
  else return p.real;
}

template <class T> T finished(Accumulator<T> a) {
  if constexpr (is_real_half<T>) return narrow<T>(static_cast<float>(a));
  else return static_cast<T>(a);
}

// Rows: the reduced axis has stride 1.
template <class T>
void reduce_rows(Reduction op, const Split& s, T* out) {
  const LeafFunction leaf = rows().leaf[static_cast<int>(op)][static_cast<int>(DtypeOf<T>::value)];
  const int64_t n = s.reduced.size(), count = s.kept.size(), leaves = (n + kLeaf - 1) / kLeaf;
  const T* x = static_cast<const T*>(s.kept.data);
  const auto piece = [&](int64_t row, int64_t l) {
    const int64_t at = l * kLeaf;
    return leaf(x + offset_of(s.kept, s.kept.rank, row) + at, n - at < kLeaf ? n - at : kLeaf);
  };
  if (leaves > 1 && count < 64) {
    Scratch scratch(static_cast<size_t>(count * leaves) * sizeof(Partial));
    Partial* partials = scratch.as<Partial>();
    parallel_for(count * leaves, kGrain / kLeaf, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) partials[i] = piece(i / leaves, i % leaves);
    });
    for (int64_t row = 0; row < count; ++row) {
      auto a = value_of<T>(partials[row * leaves]);
      for (int64_t l = 1; l < leaves; ++l) combine(op, a, value_of<T>(partials[row * leaves + l]));
      out[row] = finished<T>(a);
    }
    return;
  }
  parallel_for(count, kGrain / (n + 8) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      auto a = value_of<T>(piece(row, 0));
      for (int64_t l = 1; l < leaves; ++l) combine(op, a, value_of<T>(piece(row, l)));
      out[row] = finished<T>(a);
    }
  });
}

// Columns: the last kept axis has stride 1; the rows of the reduced axes are added up side by side.
template <class T>
void reduce_columns(Reduction op, const Split& s, T* out) {
  using A = typename Compute<T>::type;
  const int o = static_cast<int>(op);
  const ColumnsFunction add = rows().columns[o][static_cast<int>(DtypeOf<T>::value)];
  const ColumnsFunction join = rows().columns[o][static_cast<int>(DtypeOf<A>::value)];
  const View &kept = s.kept, &reduced = s.reduced;
  const int64_t n = kept.shape[kept.rank - 1], outer = kept.size() / n;
  const int64_t inner_rows = reduced.shape[reduced.rank - 1], row_stride = reduced.strides[reduced.rank - 1];
  const int64_t total = reduced.size();
  const int64_t blocks = (n + kColumnBlock - 1) / kColumnBlock, width = n < kColumnBlock ? n : kColumnBlock;
  int64_t rows_each = (kSegment / width + kChunkRows - 1) / kChunkRows * kChunkRows;
  if (rows_each > total) rows_each = total;
  const int64_t segments = (total + rows_each - 1) / rows_each;
  Scratch scratch(static_cast<size_t>(outer * segments * n) * sizeof(A));
  A* sums = scratch.as<A>();
  const A start = start_of<A>(op);
  const int64_t work = rows_each * width;
  parallel_for(outer * segments * blocks, kGrain / (work + 1) + 1, [&](int64_t begin, int64_t end) {
    A chunk[kColumnBlock];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t block = unit % blocks, segment = unit / blocks % segments, plane = unit / blocks / segments;
      const int64_t column = block * kColumnBlock, m = n - column < kColumnBlock ? n - column : kColumnBlock;
      const T* x = static_cast<const T*>(kept.data) + offset_of(kept, kept.rank - 1, plane) + column;
      A* sum = sums + (plane * segments + segment) * n + column;
      for (int64_t j = 0; j < m; ++j) sum[j] = start;
      int64_t row = segment * rows_each;
      const int64_t stop = row + rows_each < total ? row + rows_each : total;
      while (row < stop) {
        const int64_t within = row % inner_rows;
        int64_t count = inner_rows - within;
        if (count > stop - row) count = stop - row;
        if (count > kChunkRows) count = kChunkRows;
        const T* from = x + offset_of(reduced, reduced.rank - 1, row / inner_rows) + within * row_stride;
        for (int64_t j = 0; j < m; ++j) chunk[j] = start;
        add(from, row_stride, count, m, chunk);
        join(chunk, 0, 1, m, sum);
        row += count;
      }
    }
  });
  for (int64_t plane = 0; plane < outer; ++plane) {
    A* sum = sums + plane * segments * n;
    if (segments > 1) join(sum + n, n, segments - 1, n, sum);
    for (int64_t j = 0; j < n; ++j) out[plane * n + j] = narrow<T>(sum[j]);
  }
}

// Any layout becomes rows by a copy with the reduced axes last.
View kept_then_reduced(const View& x, uint32_t axes) {
  View v;
  v.data = x.data;
  v.dtype = x.dtype;
  for (const bool last : {false, true})
    for (int i = 0; i < x.rank; ++i)
      if ((axes >> i & 1) == last) {
        v.shape[v.rank] = x.shape[i];
        v.strides[v.rank++] = x.strides[i];
      }
  return v;
}

template <class T>
void reduce_typed(Reduction op, const View& x, uint32_t axes, T* out) {
  const Split s = split(x, axes);
  const int64_t count = s.kept.size();
  if (count == 0) return;
  if (s.reduced.size() == 0) {
    for (int64_t i = 0; i < count; ++i) out[i] = narrow<T>(start_of<typename Compute<T>::type>(op));
    return;
  }
  const View &k = s.kept, &r = s.reduced;
  if (r.rank == 0 || (r.rank == 1 && r.strides[0] == 1)) return reduce_rows(op, s, out);
  if (k.rank > 0 && k.strides[k.rank - 1] == 1 && k.shape[k.rank - 1] >= 4) return reduce_columns(op, s, out);
  const View ordered = kept_then_reduced(x, axes);
  Scratch scratch(static_cast<size_t>(x.size()) * sizeof(T));
  copy(ordered, scratch.as<T>());
  Split rows{k, {}};
  rows.kept.data = scratch.as<T>();
  rows.kept.rank = 1;
  rows.kept.shape[0] = count;
  rows.kept.strides[0] = rows.reduced.shape[0] = s.reduced.size();
  rows.reduced.rank = 1;
  rows.reduced.strides[0] = 1;
  reduce_rows(op, rows, out);
}

void product_complex(const View& x, uint32_t axes, std::complex<float>* out) {
  const View ordered = kept_then_reduced(x, axes);
  const int64_t n = split(x, axes).reduced.size(), count = n ? x.size() / n : split(x, axes).kept.size();
  Scratch scratch(static_cast<size_t>(n * count) * sizeof(complex64));
  auto* data = scratch.as<std::complex<float>>();
  copy(ordered, data);
  for (int64_t i = 0; i < count; ++i) {
    std::complex<double> p(1);
    for (int64_t j = 0; j < n; ++j) p *= std::complex<double>(data[i * n + j]);
    out[i] = std::complex<float>(p);
  }
}

template <class T>
bool arg_typed(bool largest, const View& x, int axis, uint32_t* out) {
  using A = Accumulator<T>;
  const int op = static_cast<int>(largest ? Reduction::max : Reduction::min);
  const LeafFunction leaf = rows().leaf[op][static_cast<int>(DtypeOf<T>::value)];
  const FindFunction find = rows().find[static_cast<int>(DtypeOf<T>::value)];
  const View ordered = kept_then_reduced(x, 1u << axis);
  const int64_t n = x.shape[axis], count = x.size() / n;
  const bool direct = x.strides[axis] == 1 || n == 1;
  Scratch scratch(direct ? 0 : static_cast<size_t>(x.size()) * sizeof(T));
  View kept = ordered;
  if (!direct) {
    copy(ordered, scratch.as<T>());
    kept.data = scratch.as<T>();
    fill_strides(kept);
  }
  --kept.rank;
  parallel_for(count, kGrain / (n + 8) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = static_cast<const T*>(kept.data) + offset_of(kept, kept.rank, i);
      A best{};
      Partial winner{};
      int64_t where = 0;
      for (int64_t at = 0; at < n; at += kLeaf) {
        const Partial p = leaf(row + at, n - at < kLeaf ? n - at : kLeaf);
        const A v = value_of<T>(p);
        if (at == 0 || (best == best && (v != v || (largest ? v > best : v < best)))) {
          best = v;
          winner = p;
          where = at;
        }
      }
      where += find(row + where, n - where, winner);
      out[i] = static_cast<uint32_t>(where);
    }
  });
  return true;
}

// ------------------------------------------------------------------------------------------------------ scans

struct ScanSum { template <class T> static T f(T a, T x) { return a + x; } template <class T> static T start() { return T(0); } };
struct ScanProd { template <class T> static T f(T a, T x) { return a * x; } template <class T> static T start() { return T(1); } };
struct ScanMax {
  template <class T> static T f(T a, T x) { return x >= a || x != x ? x : a; }
  template <class T> static T start() { return start_of<T>(Reduction::max); }
};
struct ScanMin {
  template <class T> static T f(T a, T x) { return x <= a || x != x ? x : a; }
  template <class T> static T start() { return start_of<T>(Reduction::min); }
};
struct ScanLog {
  template <class T> static T f(T a, T x) {
    const T top = x > a ? x : a, low = x > a ? a : x;
    if (x != x || a != a) return x + a;
    return std::isinf(top) ? top : top + std::log1p(std::exp(low - top));
  }
  template <class T> static T start() { return start_of<T>(Reduction::max); }
};

constexpr int64_t kLane = 256;  // columns that are scanned side by side

template <class T> auto loaded(T x) {
  if constexpr (std::is_same_v<T, std::complex<float>>) return x;
  else return widen(x);
}
template <class T, class A> T stored(A a) {
  if constexpr (std::is_same_v<T, std::complex<float>>) return a;
  else return narrow<T>(a);
}

template <class F, class T>
void scan_typed(const T* x, T* out, int64_t outer, int64_t n, int64_t inner, bool reverse, bool inclusive) {
  using A = decltype(loaded(T{}));
  const int64_t lanes = (inner + kLane - 1) / kLane, step = reverse ? -inner : inner;
  parallel_for(outer * lanes, kGrain / (n * (inner < kLane ? inner : kLane) + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t column = unit % lanes * kLane, m = inner - column < kLane ? inner - column : kLane;
      const int64_t first = unit / lanes * n * inner + column + (reverse ? (n - 1) * inner : 0);
      const T* from = x + first;
      T* to = out + first;
      if (m == 1) {
        A a = F::template start<A>();
        for (int64_t k = 0; k < n; ++k, from += step, to += step) {
          const A next = F::f(a, loaded(*from));
          *to = stored<T>(inclusive ? next : a);
          a = next;
        }
        continue;
      }
      A acc[kLane];
      for (int64_t j = 0; j < m; ++j) acc[j] = F::template start<A>();
      for (int64_t k = 0; k < n; ++k, from += step, to += step)
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) {
          const A next = F::f(acc[j], loaded(from[j]));
          to[j] = stored<T>(inclusive ? next : acc[j]);
          acc[j] = next;
        }
    }
  });
}

template <class T>
bool scan_op(Scan op, const void* x, void* out, int64_t outer, int64_t n, int64_t inner, bool reverse, bool inclusive) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  constexpr bool ordered = !std::is_same_v<T, std::complex<float>>;
  constexpr bool floating = !std::is_integral_v<T> && ordered;
  switch (op) {
    case Scan::sum: scan_typed<ScanSum>(from, to, outer, n, inner, reverse, inclusive); return true;
    case Scan::prod: scan_typed<ScanProd>(from, to, outer, n, inner, reverse, inclusive); return true;
    case Scan::max:
      if constexpr (ordered) scan_typed<ScanMax>(from, to, outer, n, inner, reverse, inclusive);
      return ordered;
    case Scan::min:
      if constexpr (ordered) scan_typed<ScanMin>(from, to, outer, n, inner, reverse, inclusive);
      return ordered;
    case Scan::logaddexp:
      if constexpr (floating) scan_typed<ScanLog>(from, to, outer, n, inner, reverse, inclusive);
      return floating;
  }
  return false;
}

}  // namespace

bool reduce(Reduction op, const View& x, uint32_t axes, void* out) {
  switch (x.dtype) {
    case Dtype::bool_:
    case Dtype::uint8: reduce_typed(op, x, axes, static_cast<uint8_t*>(out)); return true;
    case Dtype::uint16: reduce_typed(op, x, axes, static_cast<uint16_t*>(out)); return true;
    case Dtype::uint32: reduce_typed(op, x, axes, static_cast<uint32_t*>(out)); return true;
    case Dtype::uint64: reduce_typed(op, x, axes, static_cast<uint64_t*>(out)); return true;
    case Dtype::int8: reduce_typed(op, x, axes, static_cast<int8_t*>(out)); return true;
    case Dtype::int16: reduce_typed(op, x, axes, static_cast<int16_t*>(out)); return true;
    case Dtype::int32: reduce_typed(op, x, axes, static_cast<int32_t*>(out)); return true;
    case Dtype::int64: reduce_typed(op, x, axes, static_cast<int64_t*>(out)); return true;
    case Dtype::float16: reduce_typed(op, x, axes, static_cast<float16*>(out)); return true;
    case Dtype::bfloat16: reduce_typed(op, x, axes, static_cast<bfloat16*>(out)); return true;
    case Dtype::float32: reduce_typed(op, x, axes, static_cast<float*>(out)); return true;
    case Dtype::float64: reduce_typed(op, x, axes, static_cast<double*>(out)); return true;
    case Dtype::complex64: break;
  }
  if (op == Reduction::prod) {
    product_complex(x, axes, static_cast<std::complex<float>*>(out));
    return true;
  }
  if (op != Reduction::sum || x.rank == kMaxRank) return false;
  View parts = x;  // a sum of pairs is a pair of sums: one more axis, of size 2
  parts.dtype = Dtype::float32;
  for (int i = 0; i < x.rank; ++i) parts.strides[i] *= 2;
  parts.shape[parts.rank] = 2;
  parts.strides[parts.rank++] = 1;
  reduce_typed(op, parts, axes, static_cast<float*>(out));
  return true;
}

bool arg_reduce(bool largest, const View& x, int axis, uint32_t* out) {
  if (x.size() == 0) return true;
  switch (x.dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return arg_typed<uint8_t>(largest, x, axis, out);
    case Dtype::uint16: return arg_typed<uint16_t>(largest, x, axis, out);
    case Dtype::uint32: return arg_typed<uint32_t>(largest, x, axis, out);
    case Dtype::uint64: return arg_typed<uint64_t>(largest, x, axis, out);
    case Dtype::int8: return arg_typed<int8_t>(largest, x, axis, out);
    case Dtype::int16: return arg_typed<int16_t>(largest, x, axis, out);
    case Dtype::int32: return arg_typed<int32_t>(largest, x, axis, out);
    case Dtype::int64: return arg_typed<int64_t>(largest, x, axis, out);
    case Dtype::float16: return arg_typed<float16>(largest, x, axis, out);
    case Dtype::bfloat16: return arg_typed<bfloat16>(largest, x, axis, out);
    case Dtype::float32: return arg_typed<float>(largest, x, axis, out);
    case Dtype::float64: return arg_typed<double>(largest, x, axis, out);
    case Dtype::complex64: return false;
  }
  return false;
}

bool scan(Scan op, Dtype dtype, const void* x, void* out, int64_t outer, int64_t n, int64_t inner, bool reverse,
          bool inclusive) {
  const bool additive = op == Scan::sum || op == Scan::prod;  // these wrap: done unsigned
  const auto go = [&]<class T>(T) { return scan_op<T>(op, x, out, outer, n, inner, reverse, inclusive); };
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return go(uint8_t{});
    case Dtype::uint16: return go(uint16_t{});
    case Dtype::uint32: return go(uint32_t{});
    case Dtype::uint64: return go(uint64_t{});
    case Dtype::int8: return additive ? go(uint8_t{}) : go(int8_t{});
    case Dtype::int16: return additive ? go(uint16_t{}) : go(int16_t{});
    case Dtype::int32: return additive ? go(uint32_t{}) : go(int32_t{});
    case Dtype::int64: return additive ? go(uint64_t{}) : go(int64_t{});
    case Dtype::float16: return go(float16{});
    case Dtype::bfloat16: return go(bfloat16{});
    case Dtype::float32: return go(float{});
    case Dtype::float64: return go(double{});
    case Dtype::complex64: return go(std::complex<float>{});
  }
  return false;
}

}  // namespace monel
