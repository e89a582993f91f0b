#include "gemm.h"

#include <algorithm>

#include "isa.h"
#include "pairs.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"

namespace monel {

MONEL_CHOOSE_TABLE(ProductTable, products)

namespace {

constexpr int64_t kDepth = 384;                // rows of b that are packed at once
constexpr int64_t kWidth = 1024;               // columns of b that are packed at once
constexpr int64_t kBlockRows = 96;             // rows of a that stay in the second-level cache
constexpr int64_t kSuperRows = 3072;           // rows of a that are converted at once
constexpr int64_t kInPlaceElements = 1 << 16;  // of b: beyond, its rows evict each other
constexpr int64_t kTaskFlops = 1 << 21;
constexpr int64_t kPairVolume = 1 << 15;    // of a product that is worth packing pairs
constexpr int64_t kGemvElements = 1 << 15;  // elements of a matrix worth a second thread

const void* at(const Matrix& m, int64_t row, int64_t col) {
  return static_cast<const char*>(m.data) +
         (row * m.row_stride + col * m.col_stride) * itemsize(m.dtype);
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class F>
void run(int64_t n, int64_t grain, bool parallel, F&& body) {
  if (parallel && n > grain)
    parallel_for(n, grain, body);
  else if (n > 0)
    body(int64_t{0}, n);
}

// The left operand as the tile reads it: row r, step i at data[r * row + i * step], or, in panels
// of `cols` rows, at data[(r / cols) * panel + r % cols + i * step].
struct Left {
  const float* data;
  int64_t row, step, panel;

  const float* pointer(int64_t r, int cols) const {
    return panel ? data + (r / cols) * panel + r % cols : data + r * row;
  }
};

// Widens or packs rows [r0, r0 + m) and depth [k0, k0 + k) of a into scratch, unless they can be
// read in place.
Left prepare_left(const Matrix& a, int64_t r0, int64_t m, int64_t k0, int64_t k, int64_t n,
                  float* scratch, bool parallel) {
  const ProductTable& isa = products();
  const bool plain = a.dtype == Dtype::float32;
  if (plain && (a.col_stride == 1 || n <= isa.cols))
    return {static_cast<const float*>(at(a, r0, k0)), a.row_stride, a.col_stride, 0};
  if (a.col_stride == 1) {
    run(m, std::max<int64_t>(1, 65536 / k), parallel, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        isa.widen(a.dtype, at(a, r0 + r, k0), scratch + r * k, k);
    });
    return {scratch, k, 1, 0};
  }
  const int64_t panel = k * isa.cols;
  run(ceil_div(m, isa.cols), std::max<int64_t>(1, 65536 / panel), parallel,
      [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t r = p * isa.cols;
          const int rows = static_cast<int>(std::min<int64_t>(isa.cols, m - r));
          isa.pack(a.dtype, at(a, r0 + r, k0), a.col_stride, a.row_stride, k, rows,
                   scratch + p * panel);
        }
      });
  return {scratch, 0, isa.cols, panel};
}

// The right operand in panels of `cols` columns; whole panels may be read in place.
struct Right {
  const float* packed;
  const float* in_place;
  int64_t in_place_ld;
};

Right prepare_right(const Matrix& b, int64_t k0, int64_t k, int64_t c0, int64_t n, bool in_place,
                    float* scratch, bool parallel) {
  const ProductTable& isa = products();
  const int64_t panel = k * isa.cols;
  const int64_t first = in_place ? n / isa.cols : 0;
  run(ceil_div(n, isa.cols) - first, std::max<int64_t>(1, 65536 / panel), parallel,
      [&](int64_t begin, int64_t end) {
        for (int64_t p = first + begin; p < first + end; ++p) {
          const int64_t c = p * isa.cols;
          const int cols = static_cast<int>(std::min<int64_t>(isa.cols, n - c));
          isa.pack(b.dtype, at(b, k0, c0 + c), b.row_stride, b.col_stride, k, cols,
                   scratch + p * panel);
        }
      });
  return {scratch, in_place ? static_cast<const float*>(at(b, k0, c0)) : nullptr, b.row_stride};
}

// Tiles [t0, t1) of rows times panels [p0, p1) of columns.
void run_tiles(const Left& left, const Right& right, int64_t m, int64_t n, int64_t k, float* c,
               int64_t ld, bool accumulate, int64_t t0, int64_t t1, int64_t p0, int64_t p1) {
  const ProductTable& isa = products();
  const int64_t block = std::max<int64_t>(1, kBlockRows / isa.rows);
  for (int64_t tb = t0; tb < t1; tb += block)
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t col = p * isa.cols;
      const int cols = static_cast<int>(std::min<int64_t>(isa.cols, n - col));
      const bool direct = right.in_place && cols == isa.cols;
      const float* b = direct ? right.in_place + col : right.packed + p * k * isa.cols;
      for (int64_t t = tb; t < std::min(t1, tb + block); ++t) {
        const int64_t row = t * isa.rows;
        const int rows = static_cast<int>(std::min<int64_t>(isa.rows, m - row));
        const float* a[8];
        for (int r = 0; r < isa.rows; ++r)
          a[r] = left.pointer(row + std::min(r, rows - 1), isa.cols);
        isa.tile(1, k, a, left.step, b, direct ? right.in_place_ld : isa.cols, c + row * ld + col,
                 ld, rows, cols, accumulate);
      }
    }
}

// out (float32) = a @ b for at most kSuperRows rows of a, starting at r0.
void gemm_rows(const Matrix& a, const Matrix& b, int64_t r0, int64_t m, float* out, int64_t ld,
               bool parallel) {
  const ProductTable& isa = products();
  const int64_t n = b.cols, depth = a.cols;
  const int64_t pieces = depth <= kDepth + kDepth / 2 ? 1 : ceil_div(depth, kDepth);
  const int64_t step = ceil_div(depth, pieces),
                width = std::min(kWidth, ceil_div(n, isa.cols) * isa.cols);
  const bool left_in_place = a.dtype == Dtype::float32 && (a.col_stride == 1 || n <= isa.cols);
  const bool right_in_place =
      b.dtype == Dtype::float32 && b.col_stride == 1 && m <= 48 && depth * n <= kInPlaceElements;
  const int64_t row_tiles = ceil_div(m, isa.rows);
  Workspace<float> left_scratch(left_in_place ? 0 : ceil_div(m, isa.cols) * isa.cols * step);
  Workspace<float> right_scratch(width * step);
  for (int64_t c0 = 0; c0 < n; c0 += width)
    for (int64_t k0 = 0; k0 < depth; k0 += step) {
      const int64_t k = std::min(step, depth - k0), cols = std::min(width, n - c0);
      const Right right =
          prepare_right(b, k0, k, c0, cols, right_in_place, right_scratch, parallel);
      const Left left = prepare_left(a, r0, m, k0, k, n, left_scratch, parallel);
      const int64_t panels = ceil_div(cols, isa.cols), tile_flops = 2 * k * isa.rows * isa.cols;
      float* c = out + c0;
      if (row_tiles >= panels)
        run(row_tiles, std::max<int64_t>(1, kTaskFlops / (tile_flops * panels)), parallel,
            [&](int64_t t0, int64_t t1) {
              run_tiles(left, right, m, cols, k, c, ld, k0 > 0, t0, t1, 0, panels);
            });
      else
        run(panels, std::max<int64_t>(1, kTaskFlops / (tile_flops * row_tiles)), parallel,
            [&](int64_t p0, int64_t p1) {
              run_tiles(left, right, m, cols, k, c, ld, k0 > 0, 0, row_tiles, p0, p1);
            });
    }
}

void narrow_rows(Dtype dtype, const float* src, int64_t m, int64_t n, void* out, int64_t ld,
                 bool parallel) {
  run(m, std::max<int64_t>(1, 65536 / std::max<int64_t>(n, 1)), parallel,
      [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          products().narrow(dtype, src + r * n, static_cast<char*>(out) + r * ld * itemsize(dtype),
                            n);
      });
}

// Rows of a as float32 with unit stride, in scratch or in place.
const float* plain_rows(const Matrix& a, float* scratch, int64_t* ld) {
  if (a.dtype == Dtype::float32 && a.col_stride == 1) {
    *ld = a.row_stride;
    return static_cast<const float*>(a.data);
  }
  *ld = a.cols;
  for (int64_t r = 0; r < a.rows; ++r) {
    float* row = scratch + r * a.cols;
    if (a.col_stride == 1)
      products().widen(a.dtype, at(a, r, 0), row, a.cols);
    else
      for (int64_t i = 0; i < a.cols; ++i) products().widen(a.dtype, at(a, r, i), row + i, 1);
  }
  return scratch;
}

// out (float32) = a @ b for few rows of a: b is read once, where it lies, and not packed.
void few_rows(const Matrix& a, const Matrix& b, float* out, int64_t ld, bool parallel) {
  const ProductTable& isa = products();
  const int64_t m = a.rows, k = a.cols, n = b.cols;
  Workspace<float> scratch(a.dtype == Dtype::float32 && a.col_stride == 1 ? 0 : m * k);
  int64_t x_ld;
  const float* x = plain_rows(a, scratch, &x_ld);
  if (b.col_stride == 1) {
    const int64_t shares = std::clamp<int64_t>(k * n / kGemvElements, 1, num_threads());
    const int64_t columns = std::max<int64_t>(64, ceil_div(ceil_div(n, shares), 64) * 64);
    run(ceil_div(n, 64), columns / 64, parallel, [&](int64_t begin, int64_t end) {
      const int64_t last = std::min(end * 64, n), step = m <= 4 ? k : kDepth / 4,
                    block = m <= 4 ? last : 512;
      for (int64_t j = begin * 64; j < last; j += block)
        for (int64_t k0 = 0; k0 < k; k0 += step)
          for (int64_t r = 0; r < m; r += 4)
            isa.add_rows(b.dtype, at(b, k0, j), b.row_stride, x + r * x_ld + k0, x_ld,
                         std::min<int64_t>(4, m - r), std::min(step, k - k0),
                         std::min(block, last - j), out + r * ld + j, ld, k0 > 0);
    });
    return;
  }
  run(ceil_div(n, 16), std::max<int64_t>(1, kGemvElements / k / 16), parallel,
      [&](int64_t begin, int64_t end) {
        for (int64_t group = begin; group < end; ++group)
          for (int64_t r = 0; r < m; r += 4)
            isa.dot_rows(b.dtype, b.data, b.col_stride, x + r * x_ld, x_ld,
                         std::min<int64_t>(4, m - r), k, group * 16, std::min(group * 16 + 16, n),
                         out + r * ld, ld);
      });
}

bool suits_few_rows(const Matrix& a, const Matrix& b) {
  const bool unit = b.col_stride == 1 || b.row_stride == 1;
  return unit && (a.rows <= 4 || (a.rows <= 16 && b.cols >= 256 && b.rows >= 256));
}

void gemm_f32(const Matrix& a, const Matrix& b, float* out, int64_t ld, bool parallel) {
  if (suits_few_rows(a, b)) return few_rows(a, b, out, ld, parallel);
  if (b.cols <= 4 && b.cols < a.rows && suits_few_rows(b.transposed(), a.transposed())) {
    if (b.cols == 1 && ld == 1)
      return few_rows(b.transposed(), a.transposed(), out, a.rows, parallel);
    Workspace<float> turned(b.cols * a.rows);
    few_rows(b.transposed(), a.transposed(), turned, a.rows, parallel);
    for (int64_t i = 0; i < a.rows; ++i)
      for (int64_t j = 0; j < b.cols; ++j) out[i * ld + j] = turned[j * a.rows + i];
    return;
  }
  const bool halves = a.dtype == Dtype::bfloat16 && b.dtype == Dtype::bfloat16 &&
                      a.rows * a.cols * b.cols >= kPairVolume;
  if (const PairTable* table = halves ? pairs() : nullptr)
    return gemm_pairs(*table, a, b, out, ld, parallel);
  for (int64_t r = 0; r < a.rows; r += kSuperRows)
    gemm_rows(a, b, r, std::min(kSuperRows, a.rows - r), out + r * ld, ld, parallel);
}

// Strides along axes of length one mean nothing: give them the values that the fast paths look for.
Matrix normalised(Matrix m) {
  if (m.cols == 1)
    m.col_stride = m.row_stride == 1 && m.rows > 1 ? std::max<int64_t>(m.rows, 2) : 1;
  if (m.rows == 1) m.row_stride = m.col_stride == 1 ? std::max<int64_t>(m.cols, 2) : 1;
  return m;
}

}  // namespace

void gemm(const Matrix& left, const Matrix& right, Dtype dtype, void* out, int64_t ld,
          bool parallel) {
  const Matrix a = normalised(left), b = normalised(right);
  if (a.rows == 0 || b.cols == 0) return;
  if (dtype == Dtype::float32) return gemm_f32(a, b, static_cast<float*>(out), ld, parallel);
  const int64_t rows = std::min(a.rows, std::max(kSuperRows, int64_t{1} << 22 / b.cols));
  Workspace<float> wide(rows * b.cols);
  for (int64_t r = 0; r < a.rows; r += rows) {
    const int64_t m = std::min(rows, a.rows - r);
    const Matrix part = {at(a, r, 0), a.dtype, m, a.cols, a.row_stride, a.col_stride};
    gemm_f32(part, b, wide, b.cols, parallel);
    narrow_rows(dtype, wide, m, b.cols, static_cast<char*>(out) + r * ld * itemsize(dtype), ld,
                parallel);
  }
}

void gemv_f64(const Matrix& a, const double* x, int64_t x_stride, double* out) {
  const int64_t m = a.rows, k = a.cols;
  Workspace<double> line(x_stride == 1 ? 0 : k);
  if (x_stride != 1) {
    for (int64_t i = 0; i < k; ++i) line[i] = x[i * x_stride];
    x = line;
  }
  const double* w = static_cast<const double*>(a.data);
  const bool dots = a.col_stride == 1;
  run(m, std::max<int64_t>(dots ? 16 : 256, kGemvElements / std::max<int64_t>(k, 1)), true,
      [&](int64_t begin, int64_t end) {
        if (dots)
          products().dot_rows_f64(w, a.row_stride, x, k, begin, end, out);
        else
          products().add_rows_f64(w + begin, a.col_stride, x, k, end - begin, out + begin);
      });
}

}  // namespace monel
