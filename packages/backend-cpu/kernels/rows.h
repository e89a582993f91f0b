// Reductions, scans and normalisations over rows, by instruction set.
#pragma once
#include "view.h"

namespace monel {

enum class Reduction : uint8_t { sum, prod, max, min };
inline constexpr int kReductions = 4;

// Elements that are reduced in one go; what is longer is combined leaf by leaf, in order, so that the bits of a result
// depend on shapes alone.
inline constexpr int64_t kLeaf = 1024;

// Partial results: int64-sized, double for floats, the integer itself else.
union Partial {
  double real;
  uint64_t integer;
};

// x holds n <= kLeaf elements.
using LeafFunction = Partial (*)(const void* x, int64_t n);
// acc[j] = acc[j] op x[k * stride + j] for k < rows in order, j < columns; acc in float for halves, else in the dtype.
using ColumnsFunction = void (*)(const void* x, int64_t stride, int64_t rows, int64_t columns, void* acc);

// Index of the first element equal to `value` (as a leaf gave it; NaN equals NaN), n if there is none.
using FindFunction = int64_t (*)(const void* x, int64_t n, Partial value);

struct RowTable {
  LeafFunction leaf[kReductions][kDtypes];
  ColumnsFunction columns[kReductions][kDtypes];
  FindFunction find[kDtypes];

  // Rows of n floats; out may be x. The exponentials are of x - max(x).
  void (*softmax)(const float* x, float* out, int64_t n);
  float (*logsumexp)(const float* x, int64_t n);
  // w and b may be null.
  void (*layer_norm)(const float* x, const float* w, const float* b, float eps, float* out, int64_t n);
  void (*rms_norm)(const float* x, const float* w, float eps, float* out, int64_t n);
};

const RowTable& rows();

}  // namespace monel
