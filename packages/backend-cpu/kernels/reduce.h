// Reductions over any axes, arg-reductions and scans.
#pragma once
#include "rows.h"
#include "view.h"

namespace monel {

// Reduces the axes whose bit is set in `axes`; `out` is contiguous, in x's dtype, with the axes removed. False where the
// dtype has no such reduction. An empty reduction gives the neutral element (of max and min: the least, the greatest).
bool reduce(Reduction op, const View& x, uint32_t axes, void* out);

// Index of the first largest (smallest) element along `axis`; a NaN wins.
bool arg_reduce(bool largest, const View& x, int axis, uint32_t* out);

enum class Scan : uint8_t { sum, prod, max, min, logaddexp };
// x and out are contiguous [outer, n, inner] of one dtype.
bool scan(Scan op, Dtype dtype, const void* x, void* out, int64_t outer, int64_t n, int64_t inner, bool reverse,
          bool inclusive);

}  // namespace monel
