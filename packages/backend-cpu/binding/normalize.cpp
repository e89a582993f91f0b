// Softmax, logsumexp and the norms.
#include "../kernels/normalize.h"

#include "../kernels/copy.h"
#include "registry.h"

namespace monel {
namespace {

constexpr int64_t kWorth = 8192;

View axis_last(View v, int axis) {
  const int64_t size = v.shape[axis], stride = v.strides[axis];
  for (int i = axis; i < v.rank - 1; ++i) {
    v.shape[i] = v.shape[i + 1];
    v.strides[i] = v.strides[i + 1];
  }
  v.shape[v.rank - 1] = size;
  v.strides[v.rank - 1] = stride;
  return v;
}

View axis_back(View v, int axis) {
  const int64_t size = v.shape[v.rank - 1], stride = v.strides[v.rank - 1];
  for (int i = v.rank - 1; i > axis; --i) {
    v.shape[i] = v.shape[i - 1];
    v.strides[i] = v.strides[i - 1];
  }
  v.shape[axis] = size;
  v.strides[axis] = stride;
  return v;
}

bool read_axis(PyObject* p, const Kernel& k, const Buffer* x, int& out) {
  static Name axis_("axis");
  int64_t axis;
  if (!get(p, axis_, axis)) return false;
  if (axis < 0 || axis >= x->rank) {
    PyErr_Format(PyExc_ValueError, "%s: axis %lld is out of bounds for %d axes", k.name, static_cast<long long>(axis),
                 x->rank);
    return false;
  }
  out = static_cast<int>(axis);
  return true;
}

// Rows along `axis`: the buffer's own memory where they lie so, else a copy.
Buffer* rows_of(Buffer* x, int axis) {
  if (axis == x->rank - 1) return contiguous(x);
  const View v = axis_last(view_of(x), axis);
  Buffer* out = new_buffer(x->dtype, v.rank, v.shape);
  if (!out) return nullptr;
  Unlocked gil(x->size > kWorth, &x, 1);
  copy(v, out->data);
  return out;
}

PyObject* softmax(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int) {
  int axis;
  if (!read_axis(p, k, in[0], axis)) return nullptr;
  const Owned x(rows_of(in[0], axis));
  if (!x) return nullptr;
  const int64_t n = in[0]->shape[axis];
  const bool last = axis == x->rank - 1;
  Owned out(last ? reuse_or_new(ctx, in, 1, x->dtype, x->rank, x->shape)
                 : new_buffer(x->dtype, in[0]->rank, in[0]->shape));
  if (out && x->size > 0) {
    Unlocked gil(x->size > kWorth, in, 1);
    softmax_rows(x->dtype, x->data, last ? out->data : x->data, x->size / n, n);
    if (!last) copy(axis_back(view_of(x.get()), axis), out->data);
  }
  return out.give();
}

PyObject* logsumexp(const Kernel& k, PyObject*, PyObject* p, Buffer* const* in, int) {
  int axis;
  if (!read_axis(p, k, in[0], axis)) return nullptr;
  const Owned x(rows_of(in[0], axis));
  if (!x) return nullptr;
  const View kept = axis_last(view_of(in[0]), axis);
  const int64_t n = in[0]->shape[axis];
  Owned out(new_buffer(x->dtype, kept.rank - 1, kept.shape));
  if (out && out->size > 0) {
    Unlocked gil(x->size > kWorth, in, 1);
    logsumexp_rows(x->dtype, x->data, out->data, out->size, n);
  }
  return out.give();
}

// A parameter of a norm, as many elements as a row has.
Buffer* parameter(const Kernel& k, const char* what, Buffer* b, int64_t n) {
  if (b->rank == 1 && b->shape[0] == n) return contiguous(b);
  PyErr_Format(PyExc_ValueError, "%s: the %s must have shape (%lld,), the size of the last axis", k.name, what,
               static_cast<long long>(n));
  return nullptr;
}

PyObject* norm(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int count) {
  static Name eps_("eps");
  double eps;
  if (!get(p, eps_, eps)) return nullptr;
  if (in[0]->rank == 0) {
    PyErr_Format(PyExc_ValueError, "%s: an array of at least one axis is expected", k.name);
    return nullptr;
  }
  const int64_t n = in[0]->shape[in[0]->rank - 1];
  const Owned x(contiguous(in[0]));
  const Owned w(x && count > 1 ? parameter(k, "weight", in[1], n) : nullptr);
  const Owned b(w && count > 2 ? parameter(k, "bias", in[2], n) : nullptr);
  const bool good = x && (count < 2 || w) && (count < 3 || b);
  Owned out(good ? reuse_or_new(ctx, in, 1, x->dtype, x->rank, x->shape) : nullptr);
  if (out && out->size > 0) {
    Unlocked gil(x->size > kWorth, in, count);
    const char *weight = w ? w->data : nullptr, *bias = b ? b->data : nullptr;
    if (k.code == 0)
      layer_norm_rows(x->dtype, x->data, weight, bias, eps, out->data, x->size / n, n);
    else
      rms_norm_rows(x->dtype, x->data, weight, eps, out->data, x->size / n, n);
  }
  return out.give();
}

template <KernelFunction run>
bool resolve_row(Kernel& k) {
  k.run = run;
  return k.arity == 1 && is_floating(k.dtypes[0]);
}

template <int64_t code, int most>
bool resolve_norm(Kernel& k) {
  k.run = norm;
  k.code = code;
  for (int i = 1; i < k.arity && i < most; ++i)
    if (k.dtypes[i] != k.dtypes[0]) return false;
  return k.arity >= 1 && k.arity <= most && is_floating(k.dtypes[0]);
}

}  // namespace

MONEL_KERNELS(normalize) {
  registry.kernel("softmax", resolve_row<softmax>);
  registry.kernel("logsumexp", resolve_row<logsumexp>);
  registry.kernel("layer_norm", resolve_norm<0, 3>);
  registry.kernel("rms_norm", resolve_norm<1, 2>);
}

}  // namespace monel
