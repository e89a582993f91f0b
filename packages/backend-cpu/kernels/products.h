// The vector routines behind matmul, conv and sdpa: one table per instruction set.
#pragma once
#include <cstdint>

#include "view.h"

namespace monel {

// Products compute in float32; halves are widened when loaded. Matrices are row-major with
// unit column stride; `ld` is the distance between rows in elements.
struct ProductTable {
  int rows;  // rows of a tile of `tile`
  int cols;  // columns of a tile, and of a packed panel

  // c[r, j] (+)= sum over t < taps, i < k of a[t * rows + r][i * step] * b[t * k + i, j], r < m,
  // j < n. 1 <= m <= rows, 1 <= n <= cols; a holds `rows` pointers a tap. b is a packed panel
  // (b_ld = cols), or a row-major matrix in place where n = cols (it is read in whole vectors).
  void (*tile)(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
               int64_t b_ld, float* c, int64_t ld, int m, int n, bool accumulate);
  // out[i * cols + j] = src[i * row_stride + j * col_stride], zero from column n on, for i < k.
  void (*pack)(Dtype dtype, const void* src, int64_t row_stride, int64_t col_stride, int64_t k,
               int n, float* out);
  void (*widen)(Dtype from, const void* src, float* out, int64_t n);
  void (*narrow)(Dtype to, const float* src, void* out, int64_t n);

  // out[r * out_ld + i] = dot(w[i, :], x[r, :]) for r < nx <= 4, begin <= i < end; w in dtype, x in
  // float32.
  void (*dot_rows)(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
                   int64_t k, int64_t begin, int64_t end, float* out, int64_t out_ld);
  // out[r, j] (+)= sum over i < k of x[r, i] * w[i, j] for r < nx <= 4, j < n.
  void (*add_rows)(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
                   int64_t k, int64_t n, float* out, int64_t out_ld, bool accumulate);
  void (*dot_rows_f64)(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t begin,
                       int64_t end, double* out);
  void (*add_rows_f64)(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t n,
                       double* out);
};

const ProductTable& products();

}  // namespace monel
