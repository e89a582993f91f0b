// Products in bfloat16 by pairs of elements, on the processor's matrix unit (AMX).
#pragma once
#include <cstdint>

#include "gemm.h"

namespace monel {

// A *slot* is a pair of elements that are adjacent along the summed axis, in 32 bits. Blocks are
// kPairBlock by kPairBlock; what a matrix lacks to whole blocks and to whole steps is packed as zero.
constexpr int kPairBlock = 32;
constexpr int kPairStep = 16;  // slots that the unit sums at a time

struct PairTable {
  // kPairBlock rows of a left operand: out[r * slots + i] is slot i of row r, for r < m <= kPairBlock
  // rows of k elements.
  void (*left)(const void* src, int64_t row_stride, int64_t col_stride, int64_t m, int64_t k,
               int64_t slots, uint32_t* out);
  // kPairBlock columns of a right operand: out[i * kPairBlock + j] is slot i of column j, for
  // j < n <= kPairBlock columns of k elements.
  void (*right)(const void* src, int64_t row_stride, int64_t col_stride, int64_t k, int64_t n,
                int64_t slots, uint32_t* out);
  // c[r, j] (+)= the product of a packed left and a packed right block, r < m, j < n.
  void (*block)(int64_t slots, const uint32_t* left, const uint32_t* right, float* c, int64_t ld,
                int64_t m, int64_t n, bool accumulate);
};

// Null where the processor or the system has no such unit. It takes subnormal elements as zero.
const PairTable* pairs();

// out (float32) = a @ b, both in bfloat16. An element's sum is in an order that its shape decides.
void gemm_pairs(const PairTable& table, const Matrix& a, const Matrix& b, float* out, int64_t ld,
                bool parallel);

}  // namespace monel
