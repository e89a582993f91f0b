// Inner loops of attention, depthwise convolution and random bits: one table per instruction set.
#pragma once
#include <cstdint>

#include "view.h"

namespace monel {

inline constexpr int kThreefryLanes = 32;

struct StepTable {
  // One row of online softmax: s = exp(s - top), updating the running maximum `max` and `sum`.
  // Returns the factor by which what was accumulated before must be scaled.
  float (*softmax_row)(float* s, int64_t n, float* max, float* sum);
  void (*scale_row)(float* x, int64_t n, float factor);
  // out[c] = sum over t < taps of x[t][c] * w[t * n + c].
  void (*depthwise)(int64_t taps, const float* const* x, const float* w, int64_t n, float* out);

  // For n indices, `src_step` elements apart: out[j] (+)= i * step, i being index j, or index j +
  // size where that is negative. True if any i is outside of 0 to top.
  bool (*place)(Dtype dtype, const void* src, int64_t src_step, int64_t n, int64_t size,
                int64_t top, int64_t step, bool accumulate, int64_t* out);

  // Encrypts kThreefryLanes counter pairs in place.
  void (*threefry)(uint32_t key0, uint32_t key1, uint32_t* left, uint32_t* right);
};

const StepTable& steps();

}  // namespace monel
