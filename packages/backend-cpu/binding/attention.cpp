#include "../kernels/attention.h"

#include "outcome.h"

namespace monel {
namespace {

bool broadcast_mask(const Buffer* mask, const int64_t* shape, View& view) {
  if (mask->rank > 4) return false;
  view = view_of(mask);
  view.rank = 4;
  for (int d = 3; d >= 0; --d) {
    const int own = d - (4 - mask->rank);
    const int64_t length = own < 0 ? 1 : mask->shape[own];
    if (length != 1 && length != shape[d]) return false;
    view.strides[d] = length == 1 ? 0 : mask->strides[own];
    view.shape[d] = shape[d];
  }
  return true;
}

PyObject* run_sdpa(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name scale_name("scale"), causal_name("causal");
  const Buffer *q = in[0], *k = in[1], *v = in[2];
  double scale;
  bool causal;
  if (!get(p, scale_name, scale) || !get(p, causal_name, causal)) return nullptr;
  if (q->size == 0) return Py_NewRef(Py_NotImplemented);  // nothing to ask for
  const bool good = q->rank == 4 && k->rank == 4 && v->rank == 4 && k->shape[0] == q->shape[0] &&
                    v->shape[0] == q->shape[0] && k->shape[1] == v->shape[1] && k->shape[1] > 0 &&
                    q->shape[1] % k->shape[1] == 0 && k->shape[2] == v->shape[2] &&
                    k->shape[3] == q->shape[3];
  if (!good) {
    PyErr_SetString(
        PyExc_ValueError,
        "sdpa: expected q (B, H, L, D), k (B, G, S, D) and v (B, G, S, E), H a multiple of G");
    return nullptr;
  }
  if (k->shape[2] == 0) return Py_NewRef(Py_NotImplemented);  // a softmax of nothing
  const int64_t shape[] = {q->shape[0], q->shape[1], q->shape[2], v->shape[3]};
  const int64_t scores[] = {q->shape[0], q->shape[1], q->shape[2], k->shape[2]};
  View mask;
  if (n == 4 && !broadcast_mask(in[3], scores, mask)) {
    PyErr_SetString(PyExc_ValueError, "sdpa: the mask must broadcast to (B, H, L, S)");
    return nullptr;
  }
  Outcome out(q->dtype, 4, shape);
  if (!out) return nullptr;
  const Unlocked gil(q->size * k->shape[2] > (1 << 18), in, n);
  attention(view_of(q), view_of(k), view_of(v), n == 4 ? &mask : nullptr, scale, causal,
            out.view());
  return out.give();
}

}  // namespace

MONEL_KERNELS(attention) {
  registry.kernel("sdpa", [](Kernel& k) {
    k.run = run_sdpa;
    const Dtype d = k.dtypes[0];
    return (k.arity == 3 ||
            (k.arity == 4 && (k.dtypes[3] == Dtype::bool_ || is_floating(k.dtypes[3])))) &&
           d == k.dtypes[1] && d == k.dtypes[2] && (d == Dtype::float32 || is_half(d));
  });
}

}  // namespace monel
