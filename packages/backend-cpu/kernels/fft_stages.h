// Passes of a Stockham transform over split planes, by instruction set.
#pragma once
#include <cstdint>

namespace monel {

// Lines that are transformed together: each number of a line is a row of as many lanes.
inline constexpr int64_t kFftLanes = 16;
inline constexpr int kLargestRadix = 31;

struct FftStage {
  int radix;
  int64_t m;              // what is left of the length: the stage divides radix * m by radix
  int64_t s;              // product of the radices before, times the lanes: contiguous numbers
  const float* twiddles;  // exp(-2 pi i p k / (radix m)) for p < m and 1 <= k < radix, as pairs
  const float* roots;     // cos, then sin, of 2 pi j / radix; only for radices without own code
};

struct FftTable {
  // y[q + s (radix p + k)] = exp(-2 pi i p k / (radix m)) sum_j x[q + s (p + m j)] exp(-2 pi i j k / radix)
  void (*stage)(const FftStage& stage, const float* xr, const float* xi, float* yr, float* yi);
};

const FftTable& fft_stages();

}  // namespace monel
