#include "../kernels/hadamard.h"

#include <cmath>

#include "outcome.h"

namespace monel {
namespace {

// The parameter `scale`: a number, or None for one that keeps lengths.
bool read_scale(PyObject* p, int64_t n, double& out) {
  static Name scale_name("scale");
  PyObject* given = PyObject_GetAttr(p, scale_name);
  if (!given) return false;
  out = given == Py_None ? 1 / std::sqrt(static_cast<double>(n)) : PyFloat_AsDouble(given);
  Py_DECREF(given);
  return !PyErr_Occurred();
}

PyObject* run_hadamard(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  const int64_t length = in[0]->rank ? in[0]->shape[in[0]->rank - 1] : 0;
  const bool power = length > 0 && (length & (length - 1)) == 0;
  if (!power) return Py_NewRef(Py_NotImplemented);
  double scale;
  if (!read_scale(p, length, scale)) return nullptr;
  const Owned x(contiguous(in[0]));
  if (!x) return nullptr;
  Outcome out(x->dtype, x->rank, x->shape);
  if (!out) return nullptr;
  {
    const Unlocked gil(out->size > kUnlockWork, in, n);
    hadamard(view_of(x.get()), scale, out.view());
  }
  return out.give();
}

}  // namespace

MONEL_KERNELS(hadamard) {
  registry.kernel("hadamard", [](Kernel& k) {
    k.run = run_hadamard;
    return k.arity == 1 && is_floating(k.dtypes[0]);
  });
}

}  // namespace monel
