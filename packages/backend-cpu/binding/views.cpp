// Views: no element is touched (but by a reshape that strides cannot express).
#include "../kernels/copy.h"
#include "registry.h"

namespace monel {
namespace {

PyObject* as_object(Buffer* b) { return reinterpret_cast<PyObject*>(b); }

bool wrong_count(const Ints& got, int rank, const char* name) {
  if (got.size == rank) return false;
  PyErr_Format(PyExc_ValueError, "%s: expected one entry an axis, %d, got %d", name, rank, got.size);
  return true;
}

bool wrong_axis(int64_t axis, int rank, const char* name) {
  if (axis >= 0 && axis < rank) return false;
  PyErr_Format(PyExc_ValueError, "%s: axis %lld is out of bounds for %d axes", name, static_cast<long long>(axis), rank);
  return true;
}

// Strides of the new shape on the same elements in the same order; false where only a copy has them.
bool reshaped_strides(const Buffer* x, View& v) {
  View old = view_of(x);
  collapse(&old, 1);
  int axis = old.rank - 1;
  int64_t left = axis >= 0 ? old.shape[axis] : 1, step = axis >= 0 ? old.strides[axis] : 1;
  for (int i = v.rank - 1; i >= 0; --i) {
    if (v.shape[i] == 1) {
      v.strides[i] = step;
      continue;
    }
    if (left == 1 && axis > 0) {
      --axis;
      left = old.shape[axis];
      step = old.strides[axis];
    }
    if (left % v.shape[i] != 0) return false;
    v.strides[i] = step;
    step *= v.shape[i];
    left /= v.shape[i];
  }
  return true;
}

PyObject* reshape(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name shape_("shape");
  Ints shape;
  if (!get(p, shape_, shape)) return nullptr;
  const Buffer* x = in[0];
  View v;
  v.data = x->data;
  v.dtype = x->dtype;
  v.rank = shape.size;
  int64_t size = 1;
  for (int i = 0; i < v.rank && i < kMaxRank; ++i) {
    v.shape[i] = shape[i];
    size *= shape[i];
  }
  if (v.rank > kMaxRank || size != x->size) {
    PyErr_Format(PyExc_ValueError, "reshape: %lld elements do not fit a shape of %lld", static_cast<long long>(x->size),
                 static_cast<long long>(size));
    return nullptr;
  }
  if (x->contiguous || size == 0) {
    fill_strides(v);
    return as_object(new_view(x, v));
  }
  if (reshaped_strides(x, v)) return as_object(new_view(x, v));
  Buffer* out = new_buffer(x->dtype, v.rank, v.shape);
  if (!out) return nullptr;
  Unlocked gil(x->size > 65536, in, 1);
  copy(view_of(x), out->data);
  return as_object(out);
}

PyObject* transpose(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axes_("axes");
  Ints axes;
  const Buffer* x = in[0];
  if (!get(p, axes_, axes) || wrong_count(axes, x->rank, "transpose")) return nullptr;
  View v;
  v.data = x->data;
  v.dtype = x->dtype;
  v.rank = x->rank;
  for (int i = 0; i < v.rank; ++i) {
    if (wrong_axis(axes[i], v.rank, "transpose")) return nullptr;
    v.shape[i] = x->shape[axes[i]];
    v.strides[i] = x->strides[axes[i]];
  }
  return as_object(new_view(x, v));
}

PyObject* broadcast(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name shape_("shape");
  Ints shape;
  if (!get(p, shape_, shape)) return nullptr;
  const Buffer* x = in[0];
  View v;
  v.data = x->data;
  v.dtype = x->dtype;
  v.rank = shape.size;
  const int lead = v.rank - x->rank;
  bool good = lead >= 0 && v.rank <= kMaxRank;
  for (int i = 0; good && i < v.rank; ++i) {
    v.shape[i] = shape[i];
    const bool repeated = i < lead || x->shape[i - lead] != shape[i];
    good = i < lead || !repeated || x->shape[i - lead] == 1;
    v.strides[i] = repeated ? 0 : x->strides[i - lead];
  }
  if (good) return as_object(new_view(x, v));
  PyErr_SetString(PyExc_ValueError, "broadcast: the operand does not broadcast to the shape");
  return nullptr;
}

PyObject* expand_dims(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axes_("axes");
  Ints axes;
  if (!get(p, axes_, axes)) return nullptr;
  const Buffer* x = in[0];
  View v;
  v.data = x->data;
  v.dtype = x->dtype;
  v.rank = x->rank + axes.size;
  if (v.rank > kMaxRank) {
    PyErr_Format(PyExc_ValueError, "expand_dims: an array has at most %d axes, got %d", kMaxRank, v.rank);
    return nullptr;
  }
  uint32_t added = 0;
  for (int k = 0; k < axes.size; ++k) {
    if (wrong_axis(axes[k], v.rank, "expand_dims")) return nullptr;
    added |= 1u << axes[k];
  }
  int from = x->rank - 1;
  int64_t step = 1;
  for (int i = v.rank - 1; i >= 0; --i) {
    const bool is_new = (added >> i & 1) || from < 0;
    v.shape[i] = is_new ? 1 : x->shape[from];
    v.strides[i] = is_new ? step : x->strides[from];
    if (!is_new) --from;
    step = v.strides[i] * v.shape[i];
  }
  return as_object(new_view(x, v));
}

PyObject* squeeze(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axes_("axes");
  Ints axes;
  if (!get(p, axes_, axes)) return nullptr;
  const Buffer* x = in[0];
  uint32_t gone = 0;
  for (int k = 0; k < axes.size; ++k) {
    if (wrong_axis(axes[k], x->rank, "squeeze")) return nullptr;
    if (x->shape[axes[k]] != 1) {
      PyErr_Format(PyExc_ValueError, "squeeze: axis %lld has size %lld, not 1", static_cast<long long>(axes[k]),
                   static_cast<long long>(x->shape[axes[k]]));
      return nullptr;
    }
    gone |= 1u << axes[k];
  }
  View v;
  v.data = x->data;
  v.dtype = x->dtype;
  for (int i = 0; i < x->rank; ++i)
    if (!(gone >> i & 1)) {
      v.shape[v.rank] = x->shape[i];
      v.strides[v.rank++] = x->strides[i];
    }
  return as_object(new_view(x, v));
}

PyObject* slice(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name start_("start"), stop_("stop"), step_("step");
  Ints start, stop, step;
  const Buffer* x = in[0];
  if (!get(p, start_, start) || !get(p, stop_, stop) || !get(p, step_, step) ||
      wrong_count(start, x->rank, "slice") || wrong_count(stop, x->rank, "slice") || wrong_count(step, x->rank, "slice"))
    return nullptr;
  View v;
  v.dtype = x->dtype;
  v.rank = x->rank;
  int64_t offset = 0, size = 1;
  for (int i = 0; i < v.rank; ++i) {
    const int64_t by = step[i];
    if (by == 0) {
      PyErr_SetString(PyExc_ValueError, "slice: a step must not be 0");
      return nullptr;
    }
    const int64_t span = by > 0 ? stop[i] - start[i] + by - 1 : start[i] - stop[i] - by - 1;
    const int64_t length = span > 0 ? span / (by > 0 ? by : -by) : 0;
    const int64_t last = start[i] + (length - 1) * by;
    if (length > 0 && (start[i] < 0 || start[i] >= x->shape[i] || last < 0 || last >= x->shape[i])) {
      PyErr_Format(PyExc_ValueError, "slice: %lld:%lld:%lld leaves axis %d of size %lld",
                   static_cast<long long>(start[i]), static_cast<long long>(stop[i]), static_cast<long long>(by), i,
                   static_cast<long long>(x->shape[i]));
      return nullptr;
    }
    v.shape[i] = length;
    v.strides[i] = x->strides[i] * by;
    offset += start[i] * x->strides[i];
    size *= length;
  }
  v.data = x->data + (size > 0 ? offset * itemsize(x->dtype) : 0);
  return as_object(new_view(x, v));
}

PyObject* select(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name axis_("axis"), index_("index");
  int64_t axis, index;
  const Buffer* x = in[0];
  if (!get(p, axis_, axis) || !get(p, index_, index) || wrong_axis(axis, x->rank, "select")) return nullptr;
  if (index < 0 || index >= x->shape[axis]) {
    PyErr_Format(PyExc_ValueError, "select: index %lld is out of bounds for axis %lld of size %lld",
                 static_cast<long long>(index), static_cast<long long>(axis), static_cast<long long>(x->shape[axis]));
    return nullptr;
  }
  View v;
  v.dtype = x->dtype;
  for (int i = 0; i < x->rank; ++i)
    if (i != axis) {
      v.shape[v.rank] = x->shape[i];
      v.strides[v.rank++] = x->strides[i];
    }
  v.data = x->data + index * x->strides[axis] * itemsize(x->dtype);
  return as_object(new_view(x, v));
}

template <KernelFunction run>
bool resolve(Kernel& k) {
  k.run = run;
  return k.arity == 1;
}

}  // namespace

MONEL_KERNELS(views) {
  registry.kernel("reshape", resolve<reshape>);
  registry.kernel("transpose", resolve<transpose>);
  registry.kernel("broadcast", resolve<broadcast>);
  registry.kernel("expand_dims", resolve<expand_dims>);
  registry.kernel("squeeze", resolve<squeeze>);
  registry.kernel("slice", resolve<slice>);
  registry.kernel("select", resolve<select>);
}

}  // namespace monel
