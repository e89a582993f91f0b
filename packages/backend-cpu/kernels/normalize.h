// Softmax, logsumexp and the norms, over rows of any floating dtype; computed in float32 (float64 in itself).
#pragma once
#include "rows.h"
#include "view.h"

namespace monel {

// x and out are `count` contiguous rows of n; out may be x.
void softmax_rows(Dtype dtype, const void* x, void* out, int64_t count, int64_t n);
// One number a row.
void logsumexp_rows(Dtype dtype, const void* x, void* out, int64_t count, int64_t n);
// w and b hold n elements of the dtype, or are null.
void layer_norm_rows(Dtype dtype, const void* x, const void* w, const void* b, double eps, void* out, int64_t count,
                     int64_t n);
void rms_norm_rows(Dtype dtype, const void* x, const void* w, double eps, void* out, int64_t count, int64_t n);

}  // namespace monel
