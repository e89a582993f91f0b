#include "quantized.h"

#include <algorithm>

#include "gemm.h"
#include "isa.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"

namespace monel {

MONEL_CHOOSE_TABLE(PackedTable, packed)

namespace {

constexpr int64_t kFewRows = 8;             // of x: beyond, unpacking pays for itself
constexpr int64_t kTaskNumbers = 1 << 16;   // packed numbers worth a task of their own
constexpr int64_t kScratchNumbers = 1 << 18;  // unpacked at once, to stay in the second-level cache
constexpr int64_t kPadding = 16;            // numbers that vectors may read beyond the sums

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows of x in float32, in place where they are.
const float* wide_rows(Dtype dtype, const char* x, int64_t n, float* scratch) {
  if (dtype == Dtype::float32) return reinterpret_cast<const float*>(x);
  products().widen(dtype, x, scratch, n);
  return scratch;
}

// One product: m rows of x, `inner` long, into rows of `columns`.
struct Product {
  Dtype dtype;
  const char* x;
  int64_t m;
  const PackedMatrices& w;
  PackedRows rows;
  char* out;

  int64_t item() const { return itemsize(dtype); }

  void narrow(const float* from, int64_t n) const { products().narrow(dtype, from, out, n); }

  // x times the transpose, for few rows of x: each packed row is read once.
  void few_transposed() const {
    const PackedTable& isa = packed();
    const int64_t k = w.k, n = w.rows;
    const bool direct = isa.has_dots(w.packing), own = dtype == Dtype::float32;
    const int64_t x_ld = direct ? ceil_div(k, isa.block(w.packing)) * isa.block(w.packing) : k;
    const int64_t sums_ld = k / w.packing.group + kPadding;
    Workspace<float> wide(own ? 0 : m * k), result(own ? 0 : m * n);
    Workspace<float> arranged(direct ? m * (x_ld + sums_ld) : 0);
    const float* x32 = wide_rows(dtype, x, m * k, wide);
    float* to = own ? reinterpret_cast<float*>(out) : result.data();
    float* sums = arranged.data() + m * x_ld;
    for (int64_t r = 0; direct && r < m; ++r)
      isa.arrange(w.packing, x32 + r * k, k, arranged.data() + r * x_ld, sums + r * sums_ld);
    const int64_t groups = ceil_div(n, 4);
    const int64_t lanes = direct ? 0 : std::min<int64_t>(groups, 4 * num_threads());
    Workspace<float> unpacked(lanes * 4 * k);
    const auto body = [&](int64_t begin, int64_t end, float* scratch) {
      const int64_t first = begin * 4, last = std::min(n, end * 4);
      if (direct)
        return isa.dots(w.packing, rows, k, first, last, arranged, x_ld, sums, sums_ld,
                        static_cast<int>(m), to, n);
      for (int64_t i = first; i < last; i += 4) {
        const int64_t count = std::min<int64_t>(4, last - i);
        for (int64_t j = 0; j < count; ++j)
          isa.expand(w.packing, rows, i + j, 0, k, scratch + j * k);
        for (int64_t r = 0; r < m; r += 4)
          products().dot_rows(Dtype::float32, scratch, k, x32 + r * k, k,
                              static_cast<int>(std::min<int64_t>(4, m - r)), k, 0, count,
                              to + r * n + i, n);
      }
    };
    if (direct) {
      parallel_for(groups, std::max<int64_t>(1, kTaskNumbers / (4 * k)),
                   [&](int64_t begin, int64_t end) { body(begin, end, nullptr); });
    } else {  // each share of the rows has scratch of its own
      const int64_t share = ceil_div(groups, std::max<int64_t>(lanes, 1));
      parallel_for(lanes, std::max<int64_t>(1, kTaskNumbers / (4 * k * share)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t s = begin; s < end; ++s)
                       if (s * share < groups)
                         body(s * share, std::min(groups, (s + 1) * share),
                              unpacked.data() + s * 4 * k);
                   });
    }
    if (!own) narrow(to, m * n);
  }

  // x times the matrix as it is, for few rows of x.
  void few_plain() const {
    const int64_t inner = w.rows, n = w.k, group = w.packing.group;
    const bool own = dtype == Dtype::float32;
    Workspace<float> wide(own ? 0 : m * inner), result(own ? 0 : m * n);
    const float* x32 = wide_rows(dtype, x, m * inner, wide);
    float* to = own ? reinterpret_cast<float*>(out) : result.data();
    const int64_t columns = n / group, rows_at_once = 8;
    const int64_t shares = std::clamp<int64_t>(inner * n / kTaskNumbers, 1,
                                               std::min<int64_t>(columns, 4 * num_threads()));
    const int64_t share = ceil_div(columns, shares) * group;
    Workspace<float> unpacked(shares * rows_at_once * share);
    parallel_for(shares, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        const int64_t first = s * share, count = std::min(share, n - first);
        if (count <= 0) continue;
        float* scratch = unpacked.data() + s * rows_at_once * share;
        for (int64_t i = 0; i < inner; i += rows_at_once) {
          const int64_t depth = std::min(rows_at_once, inner - i);
          for (int64_t j = 0; j < depth; ++j)
            packed().expand(w.packing, rows, i + j, first, count, scratch + j * share);
          for (int64_t r = 0; r < m; r += 4)
            products().add_rows(Dtype::float32, scratch, share, x32 + r * inner + i, inner,
                                static_cast<int>(std::min<int64_t>(4, m - r)), depth, count,
                                to + r * n + first, n, i > 0);
        }
      }
    });
    if (!own) narrow(to, m * n);
  }

  // Unpacks some columns of the result's matrix at a time and multiplies with the usual tile.
  void many(bool transpose, bool parallel) const {
    const int64_t inner = transpose ? w.k : w.rows, n = transpose ? w.rows : w.k;
    const int64_t unit = transpose ? 64 : w.packing.group;
    const int64_t width =
        std::min(n, std::max<int64_t>(1, kScratchNumbers / (inner * unit)) * unit);
    Workspace<float> scratch(inner * width);
    const Matrix left = {x, dtype, m, inner, inner, 1};
    for (int64_t c = 0; c < n; c += width) {
      const int64_t count = std::min(width, n - c), lines = transpose ? count : inner;
      const int64_t length = transpose ? inner : count;
      const auto fill = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          packed().expand(w.packing, rows, transpose ? c + i : i, transpose ? 0 : c, length,
                          scratch.data() + i * length);
      };
      if (parallel)
        parallel_for(lines, std::max<int64_t>(1, kTaskNumbers / length), fill);
      else
        fill(0, lines);
      const Matrix right = {scratch.data(), Dtype::float32, lines, length, length, 1};
      gemm(left, transpose ? right.transposed() : right, dtype, out + c * item(), n, parallel);
    }
  }

  void run(bool transpose, bool parallel) const {
    if (m > kFewRows) return many(transpose, parallel);
    return transpose ? few_transposed() : few_plain();
  }
};

}  // namespace

int64_t PackedMatrices::factor_bytes() const {
  const int64_t item = packing.factors == Factors::floats ? itemsize(packing.dtype) : 1;
  return k / packing.group * item;
}

PackedRows PackedMatrices::matrix(int64_t i) const {
  const int64_t words_each = rows * row_bytes(), factors_each = rows * factor_bytes();
  return {words + i * words_each, scales + i * factors_each,
          biases ? biases + i * factors_each : nullptr, row_bytes(), factor_bytes()};
}

void quantized_matmul(Dtype dtype, const void* x, int64_t m, const PackedMatrices& w, bool transpose,
                      const Pairs& pairs, void* out) {
  const int64_t inner = transpose ? w.k : w.rows, n = transpose ? w.rows : w.k;
  const int64_t item = itemsize(dtype);
  const auto one = [&](int64_t i, bool parallel) {
    const Product p = {dtype,
                       static_cast<const char*>(x) + pairs.left[i] * m * inner * item,
                       m,
                       w,
                       w.matrix(pairs.right[i]),
                       static_cast<char*>(out) + i * m * n * item};
    p.run(transpose, parallel);
  };
  for (int64_t i = 0; i < pairs.count; ++i) one(i, true);
}

void unpack_rows(const PackedMatrices& w, float share, Dtype dtype, void* out) {
  const PackedRows rows = w.matrix(0);
  parallel_for(w.count * w.rows, std::max<int64_t>(1, kTaskNumbers / std::max<int64_t>(1, w.k)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i)
                   packed().unpack(w.packing, rows, i, w.k, share, dtype,
                                   static_cast<char*>(out) + i * w.k * itemsize(dtype));
               });
}

void pack_rows(const Packing& p, const View& x, float spread, char* words, char* scales,
               char* biases) {
  const int64_t item = itemsize(x.dtype), scale = p.factors == Factors::floats ? item : 1;
  parallel_for(x.size() / p.group, std::max<int64_t>(1, kTaskNumbers / 4 / p.group),
               [&](int64_t begin, int64_t end) {
                 packed().pack(p, x.dtype, x.as<char>() + begin * p.group * item,
                               (end - begin) * p.group, spread, words + begin * p.group * p.bits / 8,
                               scales + begin * scale, biases ? biases + begin * scale : nullptr);
               });
}

void to_fp8(const View& x, uint8_t* out) {
  parallel_for(x.size(), kTaskNumbers, [&](int64_t begin, int64_t end) {
    packed().to_fp8(x.dtype, x.as<char>() + begin * itemsize(x.dtype), end - begin, out + begin);
  });
}

void from_fp8(const View& x, Dtype dtype, void* out) {
  parallel_for(x.size(), kTaskNumbers, [&](int64_t begin, int64_t end) {
    packed().from_fp8(x.as<uint8_t>() + begin, end - begin, dtype,
                      static_cast<char*>(out) + begin * itemsize(dtype));
  });
}

}  // namespace monel
