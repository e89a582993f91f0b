// Compiled once per instruction set (isa.h): the tile of all products, packing, conversion, and
// products with few rows.
#include "products.h"

#include "isa.h"
#include "vector.h"

namespace monel {
namespace {

// ---- The tile: M rows by V vectors in registers ------------------------------

template <int M, int V>
void tile_of(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
             int64_t b_ld, float* c, int64_t ld, int n, bool accumulate) {
  Reg acc[M][V];
  for (int r = 0; r < M; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = Reg{};
  for (int64_t t = 0; t < taps; ++t, a += kTileRows) {
    const float* row[M];
    for (int r = 0; r < M; ++r) row[r] = a[r];
    for (int64_t i = 0, at = 0; i < k; ++i, at += step, b += b_ld) {
      Reg right[V];
      for (int v = 0; v < V; ++v) right[v] = load(b + v * kLanes);
      for (int r = 0; r < M; ++r) {
        const Reg left = splat(row[r][at]);
        for (int v = 0; v < V; ++v) acc[r][v] = fma(left, right[v], acc[r][v]);
      }
    }
  }
  if (n == V * kLanes) {
    for (int r = 0; r < M; ++r)
      for (int v = 0; v < V; ++v) {
        float* at = c + r * ld + v * kLanes;
        store(at, accumulate ? load(at) + acc[r][v] : acc[r][v]);
      }
    return;
  }
  for (int r = 0; r < M; ++r) {
    float line[V * kLanes];
    for (int v = 0; v < V; ++v) store(line + v * kLanes, acc[r][v]);
    for (int j = 0; j < n; ++j) c[r * ld + j] = accumulate ? c[r * ld + j] + line[j] : line[j];
  }
}

template <int M>
void tile_rows(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
               int64_t b_ld, float* c, int64_t ld, int n, bool accumulate) {
  if (n <= kLanes) return tile_of<M, 1>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  if constexpr (kPanelVectors > 2) {
    if (n <= 2 * kLanes) return tile_of<M, 2>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    if (n <= 3 * kLanes) return tile_of<M, 3>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  }
  return tile_of<M, kPanelVectors>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
}

void tile(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
          int64_t b_ld, float* c, int64_t ld, int m, int n, bool accumulate) {
  switch (m) {
    case 1: return tile_rows<1>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 2: return tile_rows<2>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 3: return tile_rows<3>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 4: return tile_rows<4>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 5: return tile_rows<5>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    default: return tile_rows<6>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  }
}

// ---- Packing and conversion --------------------------------------------------

// Columns adjacent in memory: copy or convert whole vectors.
template <class T>
void pack_unit(const T* src, int64_t row_stride, int64_t k, int n, float* out) {
  for (int64_t i = 0; i < k; ++i, src += row_stride, out += kPanel) {
    if (n == kPanel) {
      for (int v = 0; v < kPanelVectors; ++v) store(out + v * kLanes, load(src + v * kLanes));
    } else {
      for (int j = 0; j < n; ++j) out[j] = value(src[j]);
      for (int j = n; j < kPanel; ++j) out[j] = 0;
    }
  }
}

// Rows adjacent in memory (a transposed operand).
template <class T>
void pack_transposed(const T* src, int64_t col_stride, int64_t k, int n, float* out) {
  int j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes)
      transpose_square([&](int c) { return load(src + i + (j + c) * col_stride); },
                       out + i * kPanel + j, kPanel);
    for (; i < k; ++i)
      for (int c = j; c < j + kLanes; ++c) out[i * kPanel + c] = value(src[i + c * col_stride]);
  }
  for (; j < n; ++j)
    for (int64_t i = 0; i < k; ++i) out[i * kPanel + j] = value(src[i + j * col_stride]);
  for (int64_t i = 0; i < k; ++i)
    for (j = n; j < kPanel; ++j) out[i * kPanel + j] = 0;
}

template <class T>
void pack_any(const T* src, int64_t row_stride, int64_t col_stride, int64_t k, int n, float* out) {
  for (int64_t i = 0; i < k; ++i, src += row_stride, out += kPanel) {
    for (int j = 0; j < n; ++j) out[j] = value(src[j * col_stride]);
    for (int j = n; j < kPanel; ++j) out[j] = 0;
  }
}

template <class T>
void pack_of(const void* src, int64_t row_stride, int64_t col_stride, int64_t k, int n,
             float* out) {
  const T* from = static_cast<const T*>(src);
  if (col_stride == 1)
    pack_unit(from, row_stride, k, n, out);
  else if (row_stride == 1)
    pack_transposed(from, col_stride, k, n, out);
  else
    pack_any(from, row_stride, col_stride, k, n, out);
}

void pack(Dtype dtype, const void* src, int64_t row_stride, int64_t col_stride, int64_t k, int n,
          float* out) {
  if (dtype == Dtype::bfloat16) return pack_of<bfloat16>(src, row_stride, col_stride, k, n, out);
  if (dtype == Dtype::float16) return pack_of<float16>(src, row_stride, col_stride, k, n, out);
  pack_of<float>(src, row_stride, col_stride, k, n, out);
}

template <class T>
void widen_of(const T* src, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, load(src + i));
  for (; i < n; ++i) out[i] = value(src[i]);
}

void widen_row(Dtype from, const void* src, float* out, int64_t n) {
  if (from == Dtype::bfloat16) return widen_of(static_cast<const bfloat16*>(src), out, n);
  if (from == Dtype::float16) return widen_of(static_cast<const float16*>(src), out, n);
  widen_of(static_cast<const float*>(src), out, n);
}

void narrow_row(Dtype to, const float* src, void* out, int64_t n) {
  if (to == Dtype::bfloat16) {
    bfloat16* half = static_cast<bfloat16*>(out);
    for (int64_t i = 0; i < n; ++i) half[i] = to_bfloat16(src[i]);
  } else if (to == Dtype::float16) {
    float16* half = static_cast<float16*>(out);
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + kLanes <= n; i += kLanes)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(half + i), _mm512_cvtps_ph(load(src + i), 0));
#endif
    for (; i < n; ++i) half[i] = to_float16(src[i]);
  } else {
    float* same = static_cast<float*>(out);
    for (int64_t i = 0; i < n; ++i) same[i] = src[i];
  }
}

// ---- Products with few rows --------------------------------------------------

// W rows of the matrix against X vectors: each is read once.
template <class T, int W, int X>
void dots(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, float* out,
          int64_t out_ld) {
  Reg acc[W][X] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    Reg right[X];
    for (int r = 0; r < X; ++r) right[r] = load(x + r * x_ld + i);
    for (int j = 0; j < W; ++j) {
      const Reg left = load(w + j * w_ld + i);
      for (int r = 0; r < X; ++r) acc[j][r] = fma(left, right[r], acc[j][r]);
    }
  }
  for (int j = 0; j < W; ++j)
    for (int r = 0; r < X; ++r) {
      float sum = total(acc[j][r]);
      for (int64_t t = i; t < k; ++t) sum = fma1(value(w[j * w_ld + t]), x[r * x_ld + t], sum);
      out[r * out_ld + j] = sum;
    }
}

template <class T, int X>
void dot_rows_of(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, int64_t begin,
                 int64_t end, float* out, int64_t out_ld) {
  constexpr int W = X == 1 ? 8 : 4;
  int64_t i = begin;
  for (; i + W <= end; i += W) dots<T, W, X>(w + i * w_ld, w_ld, x, x_ld, k, out + i, out_ld);
  for (; i < end; ++i) dots<T, 1, X>(w + i * w_ld, w_ld, x, x_ld, k, out + i, out_ld);
}

template <class T>
void dot_rows_x(const void* src, int64_t w_ld, const float* x, int64_t x_ld, int nx, int64_t k,
                int64_t begin, int64_t end, float* out, int64_t out_ld) {
  const T* w = static_cast<const T*>(src);
  switch (nx) {
    case 1: return dot_rows_of<T, 1>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    case 2: return dot_rows_of<T, 2>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    case 3: return dot_rows_of<T, 3>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    default: return dot_rows_of<T, 4>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
  }
}

void dot_rows(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
              int64_t k, int64_t begin, int64_t end, float* out, int64_t out_ld) {
  if (dtype == Dtype::bfloat16)
    return dot_rows_x<bfloat16>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
  if (dtype == Dtype::float16)
    return dot_rows_x<float16>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
  dot_rows_x<float>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
}

// Adds U rows of the matrix, scaled, to X output rows, which stay in the first-level cache.
template <class T, int U, int X>
void add_scaled(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t n, float* out,
                int64_t out_ld) {
  Reg left[U][X];
  for (int i = 0; i < U; ++i)
    for (int r = 0; r < X; ++r) left[i][r] = splat(x[r * x_ld + i]);
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    Reg acc[X];
    for (int r = 0; r < X; ++r) acc[r] = load(out + r * out_ld + j);
    for (int i = 0; i < U; ++i) {
      const Reg right = load(w + i * w_ld + j);
      for (int r = 0; r < X; ++r) acc[r] = fma(left[i][r], right, acc[r]);
    }
    for (int r = 0; r < X; ++r) store(out + r * out_ld + j, acc[r]);
  }
  for (; j < n; ++j)
    for (int r = 0; r < X; ++r) {
      float sum = out[r * out_ld + j];
      for (int i = 0; i < U; ++i) sum = fma1(x[r * x_ld + i], value(w[i * w_ld + j]), sum);
      out[r * out_ld + j] = sum;
    }
}

template <class T, int X>
void add_rows_of(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, int64_t n,
                 float* out, int64_t out_ld) {
  constexpr int64_t kColumns = 4096;
  constexpr int U = X == 1 ? 8 : 4;
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t width = n - j < kColumns ? n - j : kColumns;
    int64_t i = 0;
    for (; i + U <= k; i += U)
      add_scaled<T, U, X>(w + i * w_ld + j, w_ld, x + i, x_ld, width, out + j, out_ld);
    for (; i < k; ++i)
      add_scaled<T, 1, X>(w + i * w_ld + j, w_ld, x + i, x_ld, width, out + j, out_ld);
  }
}

template <class T>
void add_rows_x(const void* src, int64_t w_ld, const float* x, int64_t x_ld, int nx, int64_t k,
                int64_t n, float* out, int64_t out_ld) {
  const T* w = static_cast<const T*>(src);
  switch (nx) {
    case 1: return add_rows_of<T, 1>(w, w_ld, x, x_ld, k, n, out, out_ld);
    case 2: return add_rows_of<T, 2>(w, w_ld, x, x_ld, k, n, out, out_ld);
    case 3: return add_rows_of<T, 3>(w, w_ld, x, x_ld, k, n, out, out_ld);
    default: return add_rows_of<T, 4>(w, w_ld, x, x_ld, k, n, out, out_ld);
  }
}

void add_rows(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
              int64_t k, int64_t n, float* out, int64_t out_ld, bool accumulate) {
  if (!accumulate)
    for (int r = 0; r < nx; ++r)
      for (int64_t j = 0; j < n; ++j) out[r * out_ld + j] = 0;
  if (dtype == Dtype::bfloat16)
    return add_rows_x<bfloat16>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
  if (dtype == Dtype::float16) return add_rows_x<float16>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
  add_rows_x<float>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
}

// R rows of w against x, each with several sums at once.
template <int R>
void dots_f64(const double* w, int64_t w_ld, const double* x, int64_t k, double* out) {
  constexpr int kWide = 16;
  double acc[R][kWide] = {};
  int64_t i = 0;
  for (; i + kWide <= k; i += kWide)
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < kWide; ++j) acc[r][j] = fma1(w[r * w_ld + i + j], x[i + j], acc[r][j]);
  for (int r = 0; r < R; ++r) {
    for (int step = kWide / 2; step > 0; step /= 2)
      for (int j = 0; j < step; ++j) acc[r][j] += acc[r][j + step];
    for (int64_t t = i; t < k; ++t) acc[r][0] = fma1(w[r * w_ld + t], x[t], acc[r][0]);
    out[r] = acc[r][0];
  }
}

void dot_rows_f64(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t begin,
                  int64_t end, double* out) {
  int64_t r = begin;
  for (; r + 4 <= end; r += 4) dots_f64<4>(w + r * w_ld, w_ld, x, k, out + r);
  for (; r < end; ++r) dots_f64<1>(w + r * w_ld, w_ld, x, k, out + r);
}

// out[j] += the sum over R rows of x[r] * w[r, j].
template <int R>
void add_scaled_f64(const double* w, int64_t w_ld, const double* x, int64_t n, double* out) {
  for (int64_t j = 0; j < n; ++j) {
    double sum = out[j];
    for (int r = 0; r < R; ++r) sum = fma1(x[r], w[r * w_ld + j], sum);
    out[j] = sum;
  }
}

void add_rows_f64(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t n,
                  double* out) {
  constexpr int64_t kColumns = 2048;
  for (int64_t j = 0; j < n; ++j) out[j] = 0;
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t width = n - j < kColumns ? n - j : kColumns;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8) add_scaled_f64<8>(w + i * w_ld + j, w_ld, x + i, width, out + j);
    for (; i < k; ++i) add_scaled_f64<1>(w + i * w_ld + j, w_ld, x + i, width, out + j);
  }
}

}  // namespace

MONEL_DEFINE_TABLE(ProductTable, products) = {
    kTileRows, kPanel, tile, pack, widen_row, narrow_row, dot_rows, add_rows, dot_rows_f64,
    add_rows_f64};

}  // namespace monel
