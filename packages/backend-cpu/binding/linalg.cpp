#include "../kernels/linalg.h"

#include <algorithm>
#include <climits>

#include "../kernels/strided.h"
#include "outcome.h"

namespace monel {
namespace {

PyObject* error_maker = nullptr;  // gives the class to raise; RuntimeError until core gives its own

PyObject* set_linalg_error(PyObject*, PyObject* maker) {
  if (!PyCallable_Check(maker)) {
    PyErr_SetString(PyExc_TypeError, "set_linalg_error: expected a function");
    return nullptr;
  }
  Py_XSETREF(error_maker, Py_NewRef(maker));
  Py_RETURN_NONE;
}

void raise_linalg_error(const char* name, const char* what, Info info) {
  PyObject* type = error_maker ? PyObject_CallNoArgs(error_maker) : Py_NewRef(PyExc_RuntimeError);
  if (!type) return;
  PyErr_Format(type, "%s: %s (LAPACK code %lld)", name, what, static_cast<long long>(info));
  Py_DECREF(type);
}

bool failed(const char* name, const char* what, Info info) {
  if (info == 0) return false;
  if (info < 0)
    PyErr_Format(PyExc_MemoryError, "%s: LAPACK found no memory to work in (code %lld)", name,
                 static_cast<long long>(info));
  else
    raise_linalg_error(name, what, info);
  return true;
}

// Matrices with at least one element, whose sides LAPACK can count.
bool suits(const Buffer* a, bool square) {
  if (a->rank < 2 || a->size == 0) return false;
  const int64_t m = a->shape[a->rank - 2], n = a->shape[a->rank - 1];
  return m < INT_MAX && n < INT_MAX && (!square || m == n);
}

Dtype real_of(Dtype d) { return d == Dtype::complex64 ? Dtype::float32 : d; }

// A contiguous copy of an operand, to be overwritten.
Buffer* copied(const Buffer* b) {
  Buffer* out = new_buffer(b->dtype, b->rank, b->shape);
  if (out) copy_elements(view_of(b), view_of(out));
  return out;
}

// Output with the batch axes of a, followed by others.
Buffer* batched(const Buffer* a, Dtype dtype, std::initializer_list<int64_t> last) {
  int64_t shape[kMaxRank];
  std::copy(last.begin(), last.end(), std::copy_n(a->shape, a->rank - 2, shape));
  return new_buffer(dtype, a->rank - 2 + static_cast<int>(last.size()), shape);
}

PyObject* tuple_of(std::initializer_list<Outcome*> outcomes) {
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(outcomes.size()));
  Py_ssize_t i = 0;
  for (Outcome* each : outcomes)
    if (tuple) PyTuple_SET_ITEM(tuple, i++, each->give());
  return tuple;
}

bool is_large(const Buffer* a) { return a->size > 512; }

PyObject* run_cholesky(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name upper_name("upper");
  bool upper;
  if (!get(p, upper_name, upper)) return nullptr;
  if (!suits(in[0], true)) return Py_NewRef(Py_NotImplemented);
  Outcome a(copied(in[0]));
  if (!a) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = cholesky(a.view(), upper);
  }
  return failed("cholesky", "the matrix is not positive definite", info) ? nullptr : a.give();
}

PyObject* run_qr(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name complete_name("complete");
  bool complete;
  if (!get(p, complete_name, complete)) return nullptr;
  if (!suits(in[0], false)) return Py_NewRef(Py_NotImplemented);
  const int64_t rows = in[0]->shape[in[0]->rank - 2], cols = in[0]->shape[in[0]->rank - 1],
                k = complete ? rows : std::min(rows, cols);
  Outcome a(copied(in[0])), q(batched(in[0], in[0]->dtype, {rows, k})),
      r(batched(in[0], in[0]->dtype, {k, cols}));
  if (!a || !q || !r) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = qr(a.view(), q.view(), r.view());
  }
  return failed("qr", "the factorisation failed", info) ? nullptr : tuple_of({&q, &r});
}

PyObject* run_svd(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name vectors_name("compute_uv"), full_name("full_matrices");
  bool vectors, full;
  if (!get(p, vectors_name, vectors) || !get(p, full_name, full)) return nullptr;
  if (!suits(in[0], false)) return Py_NewRef(Py_NotImplemented);
  const Dtype dtype = in[0]->dtype;
  const int64_t rows = in[0]->shape[in[0]->rank - 2], cols = in[0]->shape[in[0]->rank - 1],
                k = std::min(rows, cols);
  Outcome a(copied(in[0])), s(batched(in[0], real_of(dtype), {k}));
  Outcome u(vectors ? batched(in[0], dtype, {rows, full ? rows : k}) : nullptr),
      vt(vectors ? batched(in[0], dtype, {full ? cols : k, cols}) : nullptr);
  if (!a || !s || (vectors && (!u || !vt))) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    if (vectors) {
      const View left = u.view(), right = vt.view();
      info = svd(a.view(), s.view(), &left, &right);
    } else {
      info = svd(a.view(), s.view(), nullptr, nullptr);
    }
  }
  if (failed("svd", "the iteration did not converge", info)) return nullptr;
  return vectors ? tuple_of({&u, &s, &vt}) : s.give();
}

PyObject* run_eigh(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name uplo_name("uplo"), vectors_name("compute_vectors");
  std::string_view uplo;
  bool vectors;
  if (!get(p, uplo_name, uplo) || !get(p, vectors_name, vectors)) return nullptr;
  if (uplo != "L" && uplo != "U") {
    PyErr_SetString(PyExc_ValueError, "eigh: uplo must be 'L' or 'U'");
    return nullptr;
  }
  if (!suits(in[0], true)) return Py_NewRef(Py_NotImplemented);
  Outcome a(copied(in[0])),
      w(batched(in[0], real_of(in[0]->dtype), {in[0]->shape[in[0]->rank - 1]}));
  if (!a || !w) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = eigh(a.view(), uplo == "L", vectors, w.view());
  }
  if (failed("eigh", "the iteration did not converge", info)) return nullptr;
  return vectors ? tuple_of({&w, &a}) : w.give();
}

PyObject* run_eig(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name vectors_name("compute_vectors");
  bool vectors;
  if (!get(p, vectors_name, vectors)) return nullptr;
  if (!suits(in[0], true)) return Py_NewRef(Py_NotImplemented);
  const int64_t side = in[0]->shape[in[0]->rank - 1];
  Outcome a(copied(in[0])), w(batched(in[0], Dtype::complex64, {side})),
      v(vectors ? batched(in[0], Dtype::complex64, {side, side}) : nullptr);
  if (!a || !w || (vectors && !v)) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    if (vectors) {
      const View columns = v.view();
      info = eig(a.view(), w.view(), &columns);
    } else {
      info = eig(a.view(), w.view(), nullptr);
    }
  }
  if (failed("eig", "the iteration did not converge", info)) return nullptr;
  return vectors ? tuple_of({&w, &v}) : w.give();
}

PyObject* run_lu(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int n) {
  if (!suits(in[0], false)) return Py_NewRef(Py_NotImplemented);
  const int64_t rows = in[0]->shape[in[0]->rank - 2], cols = in[0]->shape[in[0]->rank - 1];
  Outcome a(copied(in[0])), pivots(batched(in[0], Dtype::uint32, {std::min(rows, cols)})),
      order(batched(in[0], Dtype::uint32, {rows}));
  if (!a || !pivots || !order) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = lu(a.view(), pivots.view(), order.view());
  }
  return failed("lu", "the factorisation failed", info) ? nullptr : tuple_of({&a, &pivots, &order});
}

PyObject* run_inverse(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int n) {
  if (!suits(in[0], true)) return Py_NewRef(Py_NotImplemented);
  Outcome a(copied(in[0]));
  if (!a) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = inverse(a.view());
  }
  return failed("inv", "the matrix is singular", info) ? nullptr : a.give();
}

// The batch axes of a solution: those of both operands, broadcast.
struct Lead {
  int rank = 0;
  int64_t shape[kMaxRank];

  Lead(const Buffer* a, const Buffer* b) {
    rank = std::max(a->rank, b->rank) - 2;
    for (int d = 0; d < rank; ++d) shape[d] = std::max(length(a, d), length(b, d));
  }

  // The length of axis d of an operand, 1 where it lacks the axis.
  int64_t length(const Buffer* b, int d) const {
    const int at = d - rank + b->rank - 2;
    return at < 0 ? 1 : b->shape[at];
  }

  // A contiguous copy of an operand with all batch axes, to be overwritten.
  Buffer* copied(const Buffer* b) const {
    const View from = view_of(b);
    View spread = from;
    spread.rank = rank + 2;
    for (int d = 0; d < spread.rank; ++d) {
      const int at = d - spread.rank + b->rank;
      const bool own = at >= 0 && (d >= rank || b->shape[at] == shape[d]);
      spread.shape[d] = d < rank ? shape[d] : b->shape[at];
      spread.strides[d] = own ? from.strides[at] : 0;
    }
    Buffer* out = new_buffer(b->dtype, spread.rank, spread.shape);
    if (out) copy_elements(spread, view_of(out));
    return out;
  }
};

bool solvable(Buffer* const* in) {
  const Buffer *a = in[0], *b = in[1];
  return suits(a, true) && suits(b, false) && a->shape[a->rank - 1] == b->shape[b->rank - 2];
}

PyObject* run_solve(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int n) {
  if (!solvable(in)) return Py_NewRef(Py_NotImplemented);
  const Lead lead(in[0], in[1]);
  Outcome a(lead.copied(in[0])), b(lead.copied(in[1]));
  if (!a || !b) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = solve(a.view(), b.view());
  }
  return failed("solve", "the matrix is singular", info) ? nullptr : b.give();
}

PyObject* run_solve_triangular(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name upper_name("upper");
  bool upper;
  if (!get(p, upper_name, upper)) return nullptr;
  if (!solvable(in)) return Py_NewRef(Py_NotImplemented);
  const Lead lead(in[0], in[1]);
  Outcome a(lead.copied(in[0])), b(lead.copied(in[1]));
  if (!a || !b) return nullptr;
  Info info;
  {
    const Unlocked gil(is_large(in[0]), in, n);
    info = solve_triangular(a.view(), upper, b.view());
  }
  return failed("solve_triangular", "the matrix is singular", info) ? nullptr : b.give();
}

template <KernelFunction run, int arity>
bool resolve(Kernel& k) {
  const Dtype d = k.dtypes[0];
  k.run = run;
  return k.arity == arity && (arity == 1 || d == k.dtypes[1]) &&
         (d == Dtype::float32 || d == Dtype::float64 || d == Dtype::complex64) && has_lapack();
}

}  // namespace

MONEL_KERNELS(linalg) {
  registry.kernel("cholesky", resolve<run_cholesky, 1>);
  registry.kernel("qr", resolve<run_qr, 1>);
  registry.kernel("svd", resolve<run_svd, 1>);
  registry.kernel("eigh", resolve<run_eigh, 1>);
  registry.kernel("eig", resolve<run_eig, 1>);
  registry.kernel("lu", resolve<run_lu, 1>);
  registry.kernel("inv", resolve<run_inverse, 1>);
  registry.kernel("solve", resolve<run_solve, 2>);
  registry.kernel("solve_triangular", resolve<run_solve_triangular, 2>);
  registry.function("set_linalg_error", set_linalg_error, METH_O,
                    "set_linalg_error(maker)\n--\n\nThe function that gives the class raised for a "
                    "matrix that cannot be factored or inverted; called at the first such matrix.");
}

}  // namespace monel
