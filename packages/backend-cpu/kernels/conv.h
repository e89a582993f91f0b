// Convolution as an implicit product of matrices: the tile reads pixels where they lie.
#pragma once
#include "view.h"

namespace monel {

// One entry a spatial axis.
struct ConvParameters {
  const int64_t *stride, *padding_low, *kernel_dilation, *input_dilation;
  int64_t groups;
  bool flip;  // the kernel is reversed along every spatial axis
};

// out[n, p..., o] = sum over k..., c of x[n, p * stride + k * kernel_dilation - low, c] * w[o,
// k..., c], x being dilated and zero outside. x (N, S..., C), w (O, K..., C / groups), out (N,
// P..., O) contiguous; float32, float16 or bfloat16, summed in float32.
void conv(const View& x, const View& w, const ConvParameters& p, const View& out);

}  // namespace monel
