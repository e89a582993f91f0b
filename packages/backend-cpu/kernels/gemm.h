// Products of single matrices in float32, float16 and bfloat16, on the tile of products.h.
#pragma once
#include <cstdint>

#include "view.h"

namespace monel {

// A matrix in memory with any strides, in elements.
struct Matrix {
  const void* data;
  Dtype dtype;
  int64_t rows, cols;
  int64_t row_stride, col_stride;

  Matrix transposed() const { return {data, dtype, cols, rows, col_stride, row_stride}; }
};

// out = a @ b, with rows `ld` elements apart. Element (i, j) is summed over k in ascending order
// with fused multiply-adds, whatever the layout and the number of threads (few rows or columns: see
// `few_rows`).
void gemm(const Matrix& a, const Matrix& b, Dtype dtype, void* out, int64_t ld, bool parallel);

// float64 matrix times vector, and vector times matrix.
void gemv_f64(const Matrix& a, const double* x, int64_t x_stride, double* out);

}  // namespace monel
