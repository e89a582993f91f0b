#include "../kernels/matmul.h"

#include <algorithm>

#include "../kernels/blas.h"
#include "outcome.h"

namespace monel {
namespace {

PyObject* run_matmul(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int n) {
  const Buffer *x = in[0], *y = in[1];
  if (n != 2 || x->rank < 2 || y->rank < 2 || x->shape[x->rank - 1] != y->shape[y->rank - 2]) {
    PyErr_SetString(PyExc_ValueError, "matmul: expected operands (..., m, k) and (..., k, n)");
    return nullptr;
  }
  const int rank = std::max(x->rank, y->rank);
  int64_t shape[kMaxRank];
  for (int d = 0; d < rank - 2; ++d) {
    const int dx = d - (rank - x->rank), dy = d - (rank - y->rank);
    const int64_t a = dx < 0 ? 1 : x->shape[dx], b = dy < 0 ? 1 : y->shape[dy];
    if (a != b && a != 1 && b != 1) {
      PyErr_Format(PyExc_ValueError, "matmul: batch axes of lengths %lld and %lld do not broadcast",
                   static_cast<long long>(a), static_cast<long long>(b));
      return nullptr;
    }
    shape[d] = a == 1 ? b : a;
  }
  shape[rank - 2] = x->shape[x->rank - 2];
  shape[rank - 1] = y->shape[y->rank - 1];
  Outcome out(x->dtype, rank, shape);
  if (!out) return nullptr;
  {
    const Unlocked gil(out->size * x->shape[x->rank - 1] > (1 << 20), in, n);
    matmul(view_of(x), view_of(y), out.view());
  }
  return out.give();
}

PyObject* use_blas(PyObject*, PyObject* const* args, Py_ssize_t n) {
  const char* path = n == 2 ? PyUnicode_AsUTF8(args[0]) : nullptr;
  const char* prefix = path ? PyUnicode_AsUTF8(args[1]) : nullptr;
  if (!prefix) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "set_blas_library(path, prefix) takes 2 strings");
    return nullptr;
  }
  set_blas_library(path, prefix);
  Py_RETURN_NONE;
}

PyObject* blas_loaded(PyObject*, PyObject*) { return PyBool_FromLong(blas().dgemm != nullptr); }

}  // namespace

MONEL_KERNELS(matmul) {
  registry.kernel("matmul", [](Kernel& k) {
    k.run = run_matmul;
    return k.arity == 2 && k.dtypes[0] == k.dtypes[1];
  });
  registry.function("set_blas_library", use_blas, METH_FASTCALL,
                    "set_blas_library(path, prefix)\n--\n\nName the CBLAS and LAPACK that is "
                    "loaded at first use.");
  registry.function(
      "blas_loaded", blas_loaded, METH_NOARGS,
      "blas_loaded()\n--\n\nLoad the library if need be and say whether it is there.");
}

}  // namespace monel
