// Rotary positions (Su et al., "RoFormer", arXiv:2104.09864): a thread to a pair of features.
#include "common.h"

// Threads past the pairs copy the features that stay.
template <typename T, bool TRADITIONAL, bool PERIODS>
[[kernel]] void rope(constant Rope& p [[buffer(0)]],
                     device const T* x [[buffer(1)]],
                     device const int* offsets [[buffer(2)]],
                     device const float* periods [[buffer(3)]],
                     device T* y [[buffer(4)]],
                     uint2 at [[thread_position_in_grid]]) {
  const uint i = at.x, row = at.y;
  x += ulong(row) * p.features;
  y += ulong(row) * p.features;
  if (i >= p.pairs) {
    const uint rest = i + p.pairs;
    y[rest] = x[rest];
    return;
  }
  const int place = int(row % p.length) + offsets[row / p.rows_a_batch * p.offset_step];
  const float slope = PERIODS ? 1.0f / periods[i] : precise::exp(float(i) * p.slope);
  const float angle = float(place) * p.scale * slope;
  const float c = precise::cos(angle), s = precise::sin(angle) * p.direction;
  const uint first = TRADITIONAL ? 2 * i : i;
  const uint second = TRADITIONAL ? 2 * i + 1 : i + p.pairs;
  const float a = float(x[first]), b = float(x[second]);
  y[first] = T(a * c - b * s);
  y[second] = T(a * s + b * c);
}
