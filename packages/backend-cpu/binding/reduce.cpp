// Reductions, arg-reductions and scans.
#include "../kernels/reduce.h"

#include "../kernels/ops.h"
#include "registry.h"

namespace monel {
namespace {

constexpr int64_t kWorth = 32768;

bool wrong_axis(int64_t axis, int rank, const char* name) {
  if (axis >= 0 && axis < rank) return false;
  PyErr_Format(PyExc_ValueError, "%s: axis %lld is out of bounds for %d axes", name, static_cast<long long>(axis), rank);
  return true;
}

PyObject* unsupported(const Kernel& k) {
  PyErr_Format(PyExc_TypeError, "%s: no kernel for %s", k.name, dtype_name(k.dtypes[0]));
  return nullptr;
}

PyObject* run_reduce(const Kernel& k, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axes_("axes");
  Ints axes;
  if (!get(p, axes_, axes)) return nullptr;
  const Buffer* x = in[0];
  const auto op = static_cast<Reduction>(k.code);
  uint32_t mask = 0;
  for (int i = 0; i < axes.size; ++i) {
    if (wrong_axis(axes[i], x->rank, k.name)) return nullptr;
    mask |= 1u << axes[i];
  }
  int rank = 0;
  int64_t shape[kMaxRank], reduced = 1;
  for (int i = 0; i < x->rank; ++i) {
    if (mask >> i & 1) reduced *= x->shape[i];
    else shape[rank++] = x->shape[i];
  }
  Owned out(new_buffer(x->dtype, rank, shape));
  if (!out) return nullptr;
  const bool truth = x->dtype == Dtype::bool_;
  if (reduced == 0 && !truth && (op == Reduction::max || op == Reduction::min) && out->size > 0) {
    PyErr_Format(PyExc_ValueError, "%s: an axis of size 0 has no such element", k.name);
    return nullptr;
  }
  bool good;
  {
    Unlocked gil(x->size > kWorth, in, 1);
    good = reduce(op, view_of(x), mask, out->data);
  }
  if (!good) return unsupported(k);
  if (truth && reduced == 0 && op == Reduction::min)  // of no truth values all are true
    for (int64_t i = 0; i < out->size; ++i) out->data[i] = 1;
  return out.give();
}

PyObject* run_truth(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
  const Buffer* x = in[0];
  if (x->dtype == Dtype::bool_) return run_reduce(k, ctx, p, in, n);
  const Owned packed(contiguous(in[0]));
  if (!packed) return nullptr;
  const Owned truth(new_buffer(Dtype::bool_, x->rank, x->shape));
  if (!truth) return nullptr;
  find_cast(x->dtype, Dtype::bool_)(packed->data, nullptr, nullptr, truth->data, truth->size);
  Buffer* operand = truth.get();
  return run_reduce(k, ctx, p, &operand, 1);
}

PyObject* run_arg(const Kernel& k, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axis_("axis");
  int64_t axis;
  const Buffer* x = in[0];
  if (!get(p, axis_, axis) || wrong_axis(axis, x->rank, k.name)) return nullptr;
  if (x->shape[axis] == 0) {
    PyErr_Format(PyExc_ValueError, "%s: an axis of size 0 has no such element", k.name);
    return nullptr;
  }
  int rank = 0;
  int64_t shape[kMaxRank];
  for (int i = 0; i < x->rank; ++i)
    if (i != axis) shape[rank++] = x->shape[i];
  Owned out(new_buffer(Dtype::uint32, rank, shape));
  if (!out) return nullptr;
  {
    Unlocked gil(x->size > kWorth, in, 1);
    arg_reduce(k.code == 1, view_of(x), static_cast<int>(axis), reinterpret_cast<uint32_t*>(out->data));
  }
  return out.give();
}

PyObject* run_scan(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int) {
  static Name axis_("axis"), reverse_("reverse"), inclusive_("inclusive");
  int64_t axis;
  bool reverse, inclusive;
  if (!get(p, axis_, axis) || !get(p, reverse_, reverse) || !get(p, inclusive_, inclusive) ||
      wrong_axis(axis, in[0]->rank, k.name))
    return nullptr;
  const Owned x(contiguous(in[0]));
  if (!x) return nullptr;
  Owned out(reuse_or_new(ctx, in, 1, x->dtype, x->rank, x->shape));
  if (!out) return nullptr;
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < x->rank; ++i) {
    if (i < axis) outer *= x->shape[i];
    if (i > axis) inner *= x->shape[i];
  }
  bool good = true;
  if (x->size > 0) {
    Unlocked gil(x->size > kWorth, in, 1);
    good = scan(static_cast<Scan>(k.code), x->dtype, x->data, out->data, outer, x->shape[axis], inner, reverse,
                inclusive);
  }
  return good ? out.give() : unsupported(k);
}

template <KernelFunction run, int64_t code, bool real>
bool resolve(Kernel& k) {
  k.run = run;
  k.code = code;
  return k.arity == 1 && !(real && k.dtypes[0] == Dtype::complex64);
}

constexpr int64_t code(Reduction op) { return static_cast<int64_t>(op); }
constexpr int64_t code(Scan op) { return static_cast<int64_t>(op); }

}  // namespace

MONEL_KERNELS(reduce) {
  registry.kernel("sum", resolve<run_reduce, code(Reduction::sum), false>);
  registry.kernel("prod", resolve<run_reduce, code(Reduction::prod), false>);
  registry.kernel("max", resolve<run_reduce, code(Reduction::max), true>);
  registry.kernel("min", resolve<run_reduce, code(Reduction::min), true>);
  registry.kernel("all", resolve<run_truth, code(Reduction::min), false>);
  registry.kernel("any", resolve<run_truth, code(Reduction::max), false>);
  registry.kernel("argmax", resolve<run_arg, 1, true>);
  registry.kernel("argmin", resolve<run_arg, 0, true>);
  registry.kernel("cumsum", resolve<run_scan, code(Scan::sum), false>);
  registry.kernel("cumprod", resolve<run_scan, code(Scan::prod), false>);
  registry.kernel("cummax", resolve<run_scan, code(Scan::max), true>);
  registry.kernel("cummin", resolve<run_scan, code(Scan::min), true>);
  registry.kernel("logcumsumexp", [](Kernel& k) {
    k.run = run_scan;
    k.code = code(Scan::logaddexp);
    return k.arity == 1 && is_floating(k.dtypes[0]);
  });
}

}  // namespace monel
