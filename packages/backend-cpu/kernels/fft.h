// Discrete Fourier transforms along one axis, of any length, on the pool.
#pragma once
#include "view.h"

namespace monel {

// All views are contiguous and of one shape, but for `axis`; lengths are at least 1.
//
// out[k] = scale * sum_j x[j] exp(-2 pi i j k / n), or with + for the inverse; both complex64.
void fft(const View& x, const View& out, int axis, bool inverse, float scale);
// The first n / 2 + 1 entries of that for float32 x.
void rfft(const View& x, const View& out, int axis, float scale);
// The float32 line of which x holds the first n / 2 + 1 entries; n is the length of out.
void irfft(const View& x, const View& out, int axis, float scale);

}  // namespace monel
