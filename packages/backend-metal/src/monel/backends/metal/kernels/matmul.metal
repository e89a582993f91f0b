// Matrix products, batched: tiles of 8x8 products in float for float, half and bfloat; vectors;
// and a plain loop for complex numbers.
#include "simd.h"

// C[m, n] = A[m, k] B[k, n]. A group makes a tile of BM x BN with WM x WN SIMD groups.
// TA and TB say that an operand lies transposed.
template <typename T, int BM, int BN, int BK, int WM, int WN, bool TA, bool TB>
[[kernel]] void gemm(constant Gemm& p [[buffer(0)]],
                     device const T* a [[buffer(1)]],
                     device const T* b [[buffer(2)]],
                     device T* c [[buffer(3)]],
                     uint3 at [[threadgroup_position_in_grid]],
                     uint tid [[thread_index_in_threadgroup]],
                     uint simd [[simdgroup_index_in_threadgroup]]) {
  threadgroup T left[BM * (BK + 4)];
  threadgroup T right[BK * (BN + 4)];
  threadgroup float tile[BM * BN];
  const int threads = WM * WN * 32;
  const int rows = BM / WM, columns = BN / WN;
  const uint row = at.y * BM, column = at.x * BN;
  const uint top = simd / WN * rows, side = simd % WN * columns;
  a += long(at.z) * p.a_batch;
  b += long(at.z) * p.b_batch;
  c += long(at.z) * long(p.m) * long(p.n);

  simdgroup_float8x8 sums[rows / 8 * (columns / 8)];
  for (int i = 0; i < rows / 8 * (columns / 8); ++i) sums[i] = simdgroup_float8x8(0.0f);

  for (uint k0 = 0; k0 < p.k; k0 += BK) {
    for (int i = tid; i < BM * BK; i += threads) {
      const uint r = TA ? i % BM : i / BK, k = TA ? i / BM : i % BK;
      const bool inside = row + r < p.m && k0 + k < p.k;
      const ulong from = TA ? ulong(k0 + k) * p.lda + row + r : ulong(row + r) * p.lda + k0 + k;
      left[r * (BK + 4) + k] = inside ? a[from] : T(0.0f);
    }
    for (int i = tid; i < BK * BN; i += threads) {
      const uint k = TB ? i % BK : i / BN, n = TB ? i / BK : i % BN;
      const bool inside = column + n < p.n && k0 + k < p.k;
      const ulong from = TB ? ulong(column + n) * p.ldb + k0 + k : ulong(k0 + k) * p.ldb + column + n;
      right[k * (BN + 4) + n] = inside ? b[from] : T(0.0f);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int k = 0; k < BK; k += 8) {
      simdgroup_matrix<T, 8, 8> x[rows / 8], y[columns / 8];
      for (int i = 0; i < rows / 8; ++i) {
        simdgroup_load(x[i], &left[(top + i * 8) * (BK + 4) + k], BK + 4);
      }
      for (int j = 0; j < columns / 8; ++j) {
        simdgroup_load(y[j], &right[k * (BN + 4) + side + j * 8], BN + 4);
      }
      for (int i = 0; i < rows / 8; ++i) {
        for (int j = 0; j < columns / 8; ++j) {
          simdgroup_multiply_accumulate(sums[i * (columns / 8) + j], x[i], y[j],
                                        sums[i * (columns / 8) + j]);
        }
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  for (int i = 0; i < rows / 8; ++i) {
    for (int j = 0; j < columns / 8; ++j) {
      simdgroup_store(sums[i * (columns / 8) + j], &tile[(top + i * 8) * BN + side + j * 8], BN);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int i = tid; i < BM * BN; i += threads) {
    const uint r = row + i / BN, n = column + i % BN;
    if (r < p.m && n < p.n) c[ulong(r) * p.n + n] = T(tile[i]);
  }
}

// y[rows] = A[rows, n] x[n], with rows that lie together: 4 rows to a SIMD group.
template <typename T>
[[kernel]] void gemv_rows(constant Gemv& p [[buffer(0)]],
                          device const T* a [[buffer(1)]],
                          device const T* x [[buffer(2)]],
                          device T* y [[buffer(3)]],
                          uint3 at [[thread_position_in_grid]],
                          uint lane [[thread_index_in_simdgroup]]) {
  const uint first = at.x / 32 * 4;
  a += long(at.y) * p.a_batch;
  x += long(at.y) * p.x_batch;
  float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (uint i = lane; i < p.n; i += 32) {
    const float v = float(x[ulong(i) * p.x_step]);
    for (uint r = 0; r < 4; ++r) {
      if (first + r < p.rows) sums[r] += float(a[ulong(first + r) * p.lda + i]) * v;
    }
  }
  for (uint r = 0; r < 4; ++r) {
    const float total = simd_sum(sums[r]);
    if (lane == 0 && first + r < p.rows) y[ulong(at.y) * p.rows + first + r] = T(total);
  }
}

// The same where columns lie together: a thread to a row.
template <typename T>
[[kernel]] void gemv_columns(constant Gemv& p [[buffer(0)]],
                             device const T* a [[buffer(1)]],
                             device const T* x [[buffer(2)]],
                             device T* y [[buffer(3)]],
                             uint3 at [[thread_position_in_grid]]) {
  a += long(at.y) * p.a_batch;
  x += long(at.y) * p.x_batch;
  float sum = 0.0f;
  for (uint i = 0; i < p.n; ++i) {
    sum += float(a[ulong(i) * p.lda + at.x]) * float(x[ulong(i) * p.x_step]);
  }
  y[ulong(at.y) * p.rows + at.x] = T(sum);
}

// A thread to an element.
template <typename T>
[[kernel]] void gemm_plain(constant Gemm& p [[buffer(0)]],
                           device const T* a [[buffer(1)]],
                           device const T* b [[buffer(2)]],
                           device T* c [[buffer(3)]],
                           uint3 at [[thread_position_in_grid]]) {
  a += long(at.z) * p.a_batch + long(at.y) * p.lda;
  b += long(at.z) * p.b_batch + at.x;
  T sum = convert<T>(0);
  for (uint i = 0; i < p.k; ++i) sum = op_add(sum, op_mul(a[i], b[ulong(i) * p.ldb]));
  c[(ulong(at.z) * p.m + at.y) * p.n + at.x] = sum;
}
