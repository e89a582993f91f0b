#include "../kernels/pad.h"

#include <algorithm>
#include <vector>

#include "outcome.h"

namespace monel {
namespace {

PyObject* run_pad(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name low_name("low"), high_name("high"), interior_name("interior");
  const Buffer *x = in[0], *value = in[1];
  Ints low, high, interior;
  if (!get(p, low_name, low) || !get(p, high_name, high) || !get(p, interior_name, interior))
    return nullptr;
  if (low.size != x->rank || high.size != x->rank || interior.size != x->rank || value->size != 1) {
    PyErr_SetString(
        PyExc_ValueError,
        "pad: one entry an axis expected in low, high and interior, and a scalar value");
    return nullptr;
  }
  int64_t shape[kMaxRank];
  for (int d = 0; d < x->rank; ++d) {
    if (low[d] < 0 || high[d] < 0 || interior[d] < 0) return Py_NewRef(Py_NotImplemented);
    shape[d] = low[d] + high[d] + x->shape[d] + std::max<int64_t>(x->shape[d] - 1, 0) * interior[d];
  }
  Outcome out(x->dtype, x->rank, shape);
  if (!out) return nullptr;
  const Unlocked gil(out->size > kUnlockWork, in, n);
  pad(view_of(x), value->data, low.values, interior.values, out.view());
  return out.give();
}

PyObject* run_concatenate(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name axis_name("axis");
  int64_t axis;
  if (!get(p, axis_name, axis)) return nullptr;
  const Buffer* first = in[0];
  bool good = axis >= 0 && axis < first->rank;
  int64_t shape[kMaxRank];
  std::copy_n(first->shape, first->rank, shape);
  for (int i = 1; good && i < n; ++i) {
    good = in[i]->rank == first->rank && in[i]->dtype == first->dtype;
    for (int d = 0; good && d < first->rank; ++d)
      good = d == axis || in[i]->shape[d] == first->shape[d];
    if (good) shape[axis] += in[i]->shape[axis];
  }
  if (!good) {
    PyErr_SetString(
        PyExc_ValueError,
        "concatenate: operands must agree in dtype and in every axis but the one joined");
    return nullptr;
  }
  Outcome out(first->dtype, first->rank, shape);
  if (!out) return nullptr;
  std::vector<View> views(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) views[static_cast<size_t>(i)] = view_of(in[i]);
  const Unlocked gil(out->size > kUnlockWork, in, n);
  concatenate(views.data(), n, static_cast<int>(axis), out.view());
  return out.give();
}

}  // namespace

MONEL_KERNELS(pad) {
  registry.kernel("pad", [](Kernel& k) {
    k.run = run_pad;
    return k.arity == 2 && k.dtypes[0] == k.dtypes[1];
  });
  registry.kernel("concatenate", [](Kernel& k) {
    k.run = run_concatenate;
    return k.arity >= 1;
  });
}

}  // namespace monel
