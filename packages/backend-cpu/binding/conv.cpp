#include "../kernels/conv.h"

#include <algorithm>

#include "outcome.h"

namespace monel {
namespace {

struct Window {
  Ints stride, low, high, kernel_dilation, input_dilation;
  int64_t groups;
  bool flip;

  bool read(PyObject* p) {
    static Name stride_name("stride"), low_name("padding_low"), high_name("padding_high"),
        kernel_name("kernel_dilation"), input_name("input_dilation"), groups_name("groups"),
        flip_name("flip");
    return get(p, stride_name, stride) && get(p, low_name, low) && get(p, high_name, high) &&
           get(p, kernel_name, kernel_dilation) && get(p, input_name, input_dilation) &&
           get(p, groups_name, groups) && get(p, flip_name, flip);
  }

  bool fits(const Buffer* x, const Buffer* w) const {
    const int axes = x->rank - 2;
    for (const Ints* each : {&stride, &low, &high, &kernel_dilation, &input_dilation})
      if (each->size != axes) return false;
    return axes >= 0 && w->rank == x->rank && groups > 0 && w->shape[0] % groups == 0 &&
           x->shape[x->rank - 1] == w->shape[w->rank - 1] * groups;
  }

  // Outputs along spatial axis d.
  int64_t length(const Buffer* x, const Buffer* w, int d) const {
    const int64_t n = x->shape[d + 1], k = w->shape[d + 1];
    const int64_t padded = low[d] + high[d] + (n > 0 ? (n - 1) * input_dilation[d] + 1 : 0);
    const int64_t reach = k > 0 ? (k - 1) * kernel_dilation[d] + 1 : 0;
    return padded < reach ? 0 : (padded - reach) / stride[d] + 1;
  }
};

PyObject* run_conv(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  const Buffer *x = in[0], *w = in[1];
  Window window;
  if (!window.read(p)) return nullptr;
  if (!window.fits(x, w)) {
    PyErr_SetString(PyExc_ValueError,
                    "conv: expected x (N, *S, C), weight (O, *K, C / groups) and one entry a "
                    "spatial axis in each parameter");
    return nullptr;
  }
  int64_t shape[kMaxRank];
  shape[0] = x->shape[0];
  shape[x->rank - 1] = w->shape[0];
  for (int d = 0; d < x->rank - 2; ++d) shape[d + 1] = window.length(x, w, d);
  Outcome out(x->dtype, x->rank, shape);
  if (!out) return nullptr;
  const ConvParameters parameters = {
      window.stride.values,         window.low.values, window.kernel_dilation.values,
      window.input_dilation.values, window.groups,     window.flip};
  const Unlocked gil(out->size * (w->size / std::max<int64_t>(1, w->shape[0])) > (1 << 19), in, n);
  conv(view_of(x), view_of(w), parameters, out.view());
  return out.give();
}

bool computes_in_float32(Dtype d) { return d == Dtype::float32 || is_half(d); }

}  // namespace

MONEL_KERNELS(conv) {
  registry.kernel("conv", [](Kernel& k) {
    k.run = run_conv;
    return k.arity == 2 && k.dtypes[0] == k.dtypes[1] && computes_in_float32(k.dtypes[0]);
  });
}

}  // namespace monel
