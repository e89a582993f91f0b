// Packing, unpacking and products of quantized matrices.
#pragma once
#include "packed.h"

namespace monel {

// Matrices (count, rows, k) in packed form, all parts contiguous.
struct PackedMatrices {
  Packing packing;
  const char* words;
  const char* scales;
  const char* biases;  // null: none
  int64_t count, rows, k;

  int64_t row_bytes() const { return k * packing.bits / 8; }
  int64_t factor_bytes() const;
  PackedRows matrix(int64_t i) const;
};

// Which matrix of x and which packed one product i reads.
struct Pairs {
  const int64_t* left;
  const int64_t* right;
  int64_t count;
};

// out[i] = x[left[i]] (m x inner, of float32 or a half type) times matrix right[i], or its
// transpose. All contiguous. Products of one packed matrix with rows that follow one another should
// be one pair.
void quantized_matmul(Dtype dtype, const void* x, int64_t m, const PackedMatrices& w, bool transpose,
                      const Pairs& pairs, void* out);

// The numbers of all rows, in `dtype`; `share` scales the factors of floats.
void unpack_rows(const PackedMatrices& w, float share, Dtype dtype, void* out);

// Packs the rows of a contiguous x.
void pack_rows(const Packing& p, const View& x, float spread, char* words, char* scales,
               char* biases);

void to_fp8(const View& x, uint8_t* out);
void from_fp8(const View& x, Dtype dtype, void* out);

}  // namespace monel
