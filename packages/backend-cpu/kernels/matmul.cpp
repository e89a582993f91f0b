#include "matmul.h"

#include <algorithm>
#include <complex>
#include <cstring>
#include <type_traits>

#include "blas.h"
#include "gemm.h"
#include "pool.h"
#include "scratch.h"

namespace monel {
namespace {

constexpr int64_t kTaskWork = 1 << 20;  // multiply-adds worth a task of their own

// Offsets of each product's matrices, in elements, for batch axes broadcast against each other.
struct Batch {
  int rank = 0;
  int64_t count = 1;
  int64_t shape[kMaxRank], x[kMaxRank], y[kMaxRank];

  void offsets(int64_t i, int64_t* x_offset, int64_t* y_offset) const {
    *x_offset = *y_offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
      const int64_t at = i % shape[d];
      i /= shape[d];
      *x_offset += at * x[d];
      *y_offset += at * y[d];
    }
  }
};

int64_t batch_stride(const View& v, int axis_from_right) {
  const int d = v.rank - 1 - axis_from_right;
  return d < 0 || v.shape[d] == 1 ? 0 : v.strides[d];
}

Batch batch_of(const View& x, const View& y, const View& out) {
  Batch b;
  b.rank = out.rank - 2;
  for (int d = 0; d < b.rank; ++d) {
    b.shape[d] = out.shape[d];
    b.x[d] = batch_stride(x, out.rank - 1 - d);
    b.y[d] = batch_stride(y, out.rank - 1 - d);
    b.count *= b.shape[d];
  }
  return b;
}

Matrix matrix_of(const View& v) {
  const int r = v.rank;
  return {v.data, v.dtype, v.shape[r - 2], v.shape[r - 1], v.strides[r - 2], v.strides[r - 1]};
}

// One right matrix for all products, and left rows that follow one another: a single taller
// product.
void fold_batch(Batch& batch, Matrix& a) {
  while (batch.rank > 0) {
    const int d = batch.rank - 1;
    const bool shared = batch.y[d] == 0 || batch.shape[d] == 1;
    const bool follows = batch.shape[d] == 1 || a.rows == 1 || batch.x[d] == a.rows * a.row_stride;
    if (!shared || !follows) return;
    if (a.rows == 1 && batch.shape[d] > 1) a.row_stride = batch.x[d];
    a.rows *= batch.shape[d];
    batch.count /= batch.shape[d];
    --batch.rank;
  }
}

// ---- Every other dtype: loops over blocks of k, rows of out updated in turn ---

template <class T>
T multiply_add(T a, T b, T c) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(c + 1u * a * b);  // never in a signed type: integers wrap
  else
    return c + a * b;
}
template <>
bool multiply_add(bool a, bool b, bool c) {
  return c || (a && b);
}
template <>
std::complex<float> multiply_add(std::complex<float> a, std::complex<float> b,
                                 std::complex<float> c) {
  return {c.real() + (a.real() * b.real() - a.imag() * b.imag()),
          c.imag() + (a.real() * b.imag() + a.imag() * b.real())};
}

template <class T>
void plain_rows(const Matrix& a, const Matrix& b, T* out, int64_t ld, int64_t begin, int64_t end) {
  const T* x = static_cast<const T*>(a.data);
  const T* y = static_cast<const T*>(b.data);
  constexpr int64_t kBlock = 64;
  for (int64_t i = begin; i < end; ++i) std::fill_n(out + i * ld, b.cols, T{});
  for (int64_t k0 = 0; k0 < a.cols; k0 += kBlock)
    for (int64_t i = begin; i < end; ++i) {
      T* line = out + i * ld;
      for (int64_t k = k0; k < std::min(k0 + kBlock, a.cols); ++k) {
        const T left = x[i * a.row_stride + k * a.col_stride];
        const T* row = y + k * b.row_stride;
        if (b.col_stride == 1)
          for (int64_t j = 0; j < b.cols; ++j) line[j] = multiply_add(left, row[j], line[j]);
        else
          for (int64_t j = 0; j < b.cols; ++j)
            line[j] = multiply_add(left, row[j * b.col_stride], line[j]);
      }
    }
}

template <class T>
void plain(const Matrix& a, const Matrix& b, void* out, int64_t ld, bool parallel) {
  const int64_t grain =
      parallel ? std::max<int64_t>(1, kTaskWork / 8 / std::max<int64_t>(1, a.cols * b.cols))
               : a.rows;
  parallel_for(a.rows, std::max<int64_t>(grain, 1), [&](int64_t begin, int64_t end) {
    plain_rows(a, b, static_cast<T*>(out), ld, begin, end);
  });
}

// ---- float64 and complex64 through BLAS --------------------------------------

// A matrix that BLAS can read: rows or columns of unit stride, and a leading dimension that fits.
struct BlasMatrix {
  const void* data;
  int trans;
  int64_t ld;
};

bool blas_layout(const Matrix& m, BlasMatrix* out) {
  constexpr int64_t kMost = INT32_MAX;
  const bool rows = (m.col_stride == 1 || m.cols == 1) && (m.rows == 1 || m.row_stride >= m.cols);
  if (rows && (m.rows == 1 || m.row_stride <= kMost)) {
    *out = {m.data, kNoTrans, m.rows == 1 ? m.cols : m.row_stride};
    return true;
  }
  const bool columns =
      (m.row_stride == 1 || m.rows == 1) && (m.cols == 1 || m.col_stride >= m.rows);
  if (columns && (m.cols == 1 || m.col_stride <= kMost)) {
    *out = {m.data, kTrans, m.cols == 1 ? m.rows : m.col_stride};
    return true;
  }
  return false;
}

template <class T>
void copy_matrix(const Matrix& m, T* out) {
  const T* src = static_cast<const T*>(m.data);
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j)
      out[i * m.cols + j] = src[i * m.row_stride + j * m.col_stride];
}

template <class T>
void call_blas(const BlasMatrix& a, const BlasMatrix& b, int m, int n, int k, T* out, int64_t ld) {
  const int lda = static_cast<int>(a.ld), ldb = static_cast<int>(b.ld), ldc = static_cast<int>(ld);
  const T one{1}, zero{0};
  if constexpr (std::is_same_v<T, double>)
    blas().dgemm(kRowMajor, a.trans, b.trans, m, n, k, one, static_cast<const double*>(a.data), lda,
                 static_cast<const double*>(b.data), ldb, zero, out, ldc);
  else
    blas().cgemm(kRowMajor, a.trans, b.trans, m, n, k, &one, a.data, lda, b.data, ldb, &zero, out,
                 ldc);
}

template <class T>
bool has_blas() {
  if constexpr (std::is_same_v<T, double>)
    return blas().dgemm != nullptr;
  else
    return blas().cgemm != nullptr;
}

// Rows are split into blocks fixed by the shape and the number of threads.
template <class T>
void product(const Matrix& a, const Matrix& b, T* out, int64_t ld, bool parallel) {
  const bool small = a.rows * a.cols * b.cols <= 4096,
             fits = std::max({a.rows, a.cols, b.cols, ld}) < INT32_MAX;
  if (small || !fits || !has_blas<T>()) return plain<T>(a, b, out, ld, parallel);
  BlasMatrix left, right;
  const bool left_fits = blas_layout(a, &left), right_fits = blas_layout(b, &right);
  Workspace<T> a_copy(left_fits ? 0 : a.rows * a.cols), b_copy(right_fits ? 0 : b.rows * b.cols);
  if (!left_fits) copy_matrix(a, a_copy.data()), left = {a_copy.data(), kNoTrans, a.cols};
  if (!right_fits) copy_matrix(b, b_copy.data()), right = {b_copy.data(), kNoTrans, b.cols};
  const int n = static_cast<int>(b.cols), k = static_cast<int>(a.cols);
  const int64_t work = a.rows * a.cols * b.cols;
  const int64_t blocks = parallel ? std::clamp<int64_t>(work / kTaskWork, 1, num_threads()) : 1;
  const int64_t rows = (a.rows + blocks - 1) / blocks;
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * rows, count = std::min(rows, a.rows - first);
      if (count <= 0) continue;
      BlasMatrix part = left;
      part.data =
          static_cast<const T*>(left.data) + (left.trans == kTrans ? first : first * left.ld);
      call_blas(part, right, static_cast<int>(count), n, k, out + first * ld, ld);
    }
  });
}

void product_f64(const Matrix& a, const Matrix& b, double* out, int64_t ld, bool parallel) {
  const bool column = b.cols == 1 && (a.col_stride == 1 || a.row_stride == 1) && ld == 1;
  if (column) return gemv_f64(a, static_cast<const double*>(b.data), b.row_stride, out);
  if (a.rows == 1 && (b.col_stride == 1 || b.row_stride == 1))
    return gemv_f64(b.transposed(), static_cast<const double*>(a.data), a.col_stride, out);
  product(a, b, out, ld, parallel);
}

void one_product(const Matrix& a, const Matrix& b, void* out, int64_t ld, bool parallel) {
  switch (a.dtype) {
    case Dtype::float32:
    case Dtype::float16:
    case Dtype::bfloat16: return gemm(a, b, a.dtype, out, ld, parallel);
    case Dtype::float64: return product_f64(a, b, static_cast<double*>(out), ld, parallel);
    case Dtype::complex64:
      return product(a, b, static_cast<std::complex<float>*>(out), ld, parallel);
    case Dtype::bool_: return plain<bool>(a, b, out, ld, parallel);
    default: break;
  }
  switch (itemsize(a.dtype)) {  // wrapping products have the same bits with and without sign
    case 1: return plain<uint8_t>(a, b, out, ld, parallel);
    case 2: return plain<uint16_t>(a, b, out, ld, parallel);
    case 4: return plain<uint32_t>(a, b, out, ld, parallel);
    default: return plain<uint64_t>(a, b, out, ld, parallel);
  }
}

}  // namespace

void matmul(const View& x, const View& y, const View& out) {
  if (out.size() == 0) return;
  Matrix a = matrix_of(x), b = matrix_of(y);
  const int64_t item = itemsize(out.dtype), n = b.cols;
  if (a.cols == 0) {
    std::memset(out.data, 0, static_cast<size_t>(out.size() * item));
    return;
  }
  Batch batch = batch_of(x, y, out);
  fold_batch(batch, a);
  const int64_t work = a.rows * a.cols * n, each = a.rows * n;
  const auto run = [&](int64_t i, bool parallel) {
    int64_t x_offset, y_offset;
    batch.offsets(i, &x_offset, &y_offset);
    Matrix left = a, right = b;
    left.data = static_cast<const char*>(a.data) + x_offset * item;
    right.data = static_cast<const char*>(b.data) + y_offset * item;
    one_product(left, right, static_cast<char*>(out.data) + i * each * item, n, parallel);
  };
  if (batch.count < 2 * num_threads() && work > kTaskWork / 32) {
    for (int64_t i = 0; i < batch.count; ++i) run(i, true);
    return;
  }
  parallel_for(batch.count, std::max<int64_t>(1, kTaskWork / 4 / work),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) run(i, false);
               });
}

}  // namespace monel
