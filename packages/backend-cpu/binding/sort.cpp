#include "../kernels/sort.h"

#include "outcome.h"

namespace monel {
namespace {

PyObject* sort_or_argsort(PyObject* p, Buffer* const* in, int n, bool values) {
  static Name axis_name("axis");
  const Buffer* x = in[0];
  int64_t axis;
  if (!get(p, axis_name, axis)) return nullptr;
  if (axis < 0 || axis >= x->rank) {
    PyErr_Format(PyExc_ValueError, "sort: axis %lld is out of bounds for %d axes",
                 static_cast<long long>(axis), x->rank);
    return nullptr;
  }
  if (x->shape[axis] > INT64_C(0xffffffff))
    return Py_NewRef(Py_NotImplemented);  // positions are uint32
  Outcome out(values ? x->dtype : Dtype::uint32, x->rank, x->shape);
  if (!out) return nullptr;
  const Unlocked gil(x->size > (1 << 11), in, n);
  (values ? sort_axis : argsort_axis)(view_of(x), out.view(), static_cast<int>(axis));
  return out.give();
}

PyObject* run_sort(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  return sort_or_argsort(p, in, n, true);
}

PyObject* run_argsort(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  return sort_or_argsort(p, in, n, false);
}

}  // namespace

MONEL_KERNELS(sort) {
  registry.kernel("sort", [](Kernel& k) {
    k.run = run_sort;
    return k.arity == 1;
  });
  registry.kernel("argsort", [](Kernel& k) {
    k.run = run_argsort;
    return k.arity == 1;
  });
}

}  // namespace monel
