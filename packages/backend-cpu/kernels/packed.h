// The vector routines behind quantized arrays: one table per instruction set.
#pragma once
#include <cstdint>

#include "view.h"

namespace monel {

inline constexpr int64_t kLargestGroup = 128;

enum class Codes : uint8_t { integers, fp4, fp8 };            // what a code stands for
enum class Factors : uint8_t { floats, e8m0, e4m3 };          // what a group's scale is held as

// How a matrix is packed. A row of k numbers is k * bits / 32 words, the lowest bits first, and k /
// group factors: scale, and where the codes are integers a bias that is added.
struct Packing {
  Codes codes;
  Factors factors;
  int bits;
  int64_t group;
  Dtype dtype;  // of scales and biases that are floats
};

struct PackedRows {
  const char* words;
  const char* scales;
  const char* biases;  // null: none
  int64_t row_bytes, scale_bytes;
};

struct PackedTable {
  // Numbers that one block of `dots` spans: x must be arranged and filled up to whole blocks.
  int64_t (*block)(const Packing& p);
  // True where `dots` takes this packing.
  bool (*has_dots)(const Packing& p);
  // Arranges k numbers as `dots` reads them, zeros behind them, and sums each group.
  void (*arrange)(const Packing& p, const float* x, int64_t k, float* out, float* sums);
  // out[r * out_ld + i] = sum over k of number i of row i times x[r], begin <= i < end, r < nx.
  void (*dots)(const Packing& p, const PackedRows& w, int64_t k, int64_t begin, int64_t end,
               const float* x, int64_t x_ld, const float* sums, int64_t sums_ld, int nx, float* out,
               int64_t out_ld);
  // out[i] = numbers [first, first + n) of a row, both whole groups, in float32.
  void (*expand)(const Packing& p, const PackedRows& w, int64_t row, int64_t first, int64_t n,
                 float* out);
  // The same in `dtype`, rounded after the product and after the sum; `share` scales the factors.
  void (*unpack)(const Packing& p, const PackedRows& w, int64_t row, int64_t k, float share,
                 Dtype dtype, void* out);
  // Packs n numbers of `dtype`, whole groups. `spread` multiplies the scales of nvfp4.
  void (*pack)(const Packing& p, Dtype dtype, const void* x, int64_t n, float spread, char* words,
               char* scales, char* biases);
  void (*to_fp8)(Dtype dtype, const void* x, int64_t n, uint8_t* out);
  void (*from_fp8)(const uint8_t* x, int64_t n, Dtype dtype, void* out);
};

const PackedTable& packed();

}  // namespace monel
