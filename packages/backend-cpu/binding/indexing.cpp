#include "../kernels/indexing.h"

#include <algorithm>

#include "../kernels/strided.h"
#include "outcome.h"

namespace monel {
namespace {

PyObject* index_error = nullptr;  // the class to raise; IndexError until core gives its own

bool raise_fault(const char* name, const IndexFault& fault) {
  if (fault.axis < 0) return false;
  PyErr_Format(index_error ? index_error : PyExc_IndexError,
               "%s: index %lld is out of bounds for axis %d with size %lld", name,
               static_cast<long long>(fault.index), fault.axis, static_cast<long long>(fault.size));
  return true;
}

PyObject* set_index_error(PyObject*, PyObject* type) {
  if (!PyExceptionClass_Check(type)) {
    PyErr_SetString(PyExc_TypeError, "set_index_error: expected an exception class");
    return nullptr;
  }
  Py_XSETREF(index_error, Py_NewRef(type));
  Py_RETURN_NONE;
}

PyObject* refuse(const char* message) {
  PyErr_SetString(PyExc_ValueError, message);
  return nullptr;
}

// Index operands as views of their common broadcast shape.
struct IndexViews {
  View views[kMaxRank];
  Ints axes;
  int rank = 0;
  int64_t shape[kMaxRank];

  bool read(PyObject* p, Buffer* const* indices, int n) {
    static Name axes_name("axes");
    if (!monel::get(p, axes_name, axes)) return false;
    if (axes.size != n || n > kMaxRank)
      return refuse("gather, scatter: one index operand an axis expected");
    for (int i = 0; i < n; ++i) rank = std::max(rank, static_cast<int>(indices[i]->rank));
    std::fill_n(shape, rank, int64_t{1});
    for (int i = 0; i < n; ++i)
      for (int d = 0; d < indices[i]->rank; ++d) {
        int64_t& length = shape[d + rank - indices[i]->rank];
        const int64_t own = indices[i]->shape[d];
        if (own != 1 && length != 1 && own != length)
          return refuse("gather, scatter: shapes of the indices do not broadcast");
        if (own != 1) length = own;
      }
    for (int i = 0; i < n; ++i) views[i] = widened(*indices[i]);
    return true;
  }

  Indices indices() const { return {axes.size, views, axes.values}; }

 private:
  View widened(const Buffer& b) const {
    View v = view_of(&b);
    v.rank = rank;
    for (int d = rank - 1; d >= 0; --d) {
      const int own = d - (rank - b.rank);
      v.shape[d] = shape[d];
      v.strides[d] = own < 0 || b.shape[own] == 1 ? 0 : b.strides[own];
    }
    return v;
  }
};

bool read_mode(PyObject* p, Mode& mode) {
  static Name mode_name("mode");
  std::string_view text;
  if (!get(p, mode_name, text)) return false;
  constexpr std::string_view names[] = {"set", "add", "mul", "max", "min"};
  const auto found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return refuse("scatter: mode must be set, add, mul, max or min");
  mode = static_cast<Mode>(found - std::begin(names));
  return true;
}

PyObject* run_gather(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name slices_name("slice_sizes");
  const Buffer* x = in[0];
  IndexViews indices;
  Ints slice;
  if (!indices.read(p, in + 1, n - 1) || !get(p, slices_name, slice)) return nullptr;
  const int rank = indices.rank + slice.size;
  if (slice.size != x->rank || rank > kMaxRank)
    return refuse("gather: one slice size an axis expected, and at most 16 axes");
  int64_t shape[2 * kMaxRank];
  std::copy_n(slice.values, slice.size, std::copy_n(indices.shape, indices.rank, shape));
  Outcome out(x->dtype, rank, shape);
  if (!out) return nullptr;
  IndexFault fault;
  {
    const Unlocked gil(out->size > kUnlockWork, in, n);
    fault = gather(view_of(x), indices.indices(), slice.values, out.view());
  }
  return raise_fault("gather", fault) ? nullptr : out.give();
}

// The result of an update: operand 0 itself where it dies here, else a copy.
Buffer* updated(PyObject* ctx, Buffer* const* in) {
  Buffer* out = reuse_or_new(ctx, in, 1, in[0]->dtype, in[0]->rank, in[0]->shape);
  if (out && out->data != in[0]->data) {
    const Unlocked gil(out->size > kUnlockWork, in, 1);
    copy_elements(view_of(in[0]), view_of(out));
  }
  return out;
}

PyObject* run_scatter(const Kernel&, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
  IndexViews indices;
  Mode mode;
  if (!indices.read(p, in + 2, n - 2) || !read_mode(p, mode)) return nullptr;
  const Buffer* updates = in[1];
  if (updates->rank != indices.rank + in[0]->rank ||
      !std::equal(indices.shape, indices.shape + indices.rank, updates->shape))
    return refuse(
        "scatter: updates must have the shape of the indices followed by that of a slice");
  // Updates without elements fit anywhere: into an axis of length 0 no index can point.
  for (int d = 0; d < in[0]->rank && updates->size > 0; ++d)
    if (updates->shape[indices.rank + d] > in[0]->shape[d])
      return refuse("scatter: updates do not fit into the array");
  Outcome out(updated(ctx, in));
  if (!out) return nullptr;
  IndexFault fault;
  {
    const Unlocked gil(updates->size > kUnlockWork, in, n);
    fault = scatter(out.view(), view_of(updates), indices.indices(), mode);
  }
  return raise_fault("scatter", fault) ? nullptr : out.give();
}

bool along_axis(PyObject* p, const Buffer* x, const Buffer* indices, int& axis) {
  static Name axis_name("axis");
  int64_t value;
  if (!get(p, axis_name, value)) return false;
  bool same = x->rank == indices->rank && value >= 0 && value < x->rank;
  for (int d = 0; same && d < x->rank; ++d) same = d == value || x->shape[d] == indices->shape[d];
  if (!same)
    return refuse(
        "take_along_axis, put_along_axis: indices must have the shape of the array except along "
        "the axis");
  axis = static_cast<int>(value);
  return true;
}

PyObject* run_take(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  int axis;
  if (!along_axis(p, in[0], in[1], axis)) return nullptr;
  Outcome out(in[0]->dtype, in[1]->rank, in[1]->shape);
  if (!out) return nullptr;
  IndexFault fault;
  {
    const Unlocked gil(out->size > kUnlockWork, in, n);
    fault = take_along_axis(view_of(in[0]), view_of(in[1]), axis, out.view());
  }
  return raise_fault("take_along_axis", fault) ? nullptr : out.give();
}

PyObject* run_put(const Kernel&, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
  int axis;
  Mode mode;
  if (!along_axis(p, in[0], in[1], axis) || !read_mode(p, mode)) return nullptr;
  if (in[2]->rank != in[1]->rank ||
      !std::equal(in[1]->shape, in[1]->shape + in[1]->rank, in[2]->shape))
    return refuse("put_along_axis: values must have the shape of the indices");
  Outcome out(updated(ctx, in));
  if (!out) return nullptr;
  IndexFault fault;
  {
    const Unlocked gil(in[1]->size > kUnlockWork, in, n);
    fault = put_along_axis(out.view(), view_of(in[1]), view_of(in[2]), axis, mode);
  }
  return raise_fault("put_along_axis", fault) ? nullptr : out.give();
}

// The window of `whole` that start and step open for an update of this shape; false if it leaves
// the array.
bool open_window(const Ints& start, const Ints& step, const Buffer* update, View& whole) {
  if (start.size != whole.rank || step.size != whole.rank || update->rank != whole.rank)
    return false;
  int64_t offset = 0;
  for (int d = 0; d < whole.rank; ++d) {
    const int64_t n = update->shape[d], last = start[d] + (n - 1) * step[d], size = whole.shape[d];
    if (n > 0 && (start[d] < 0 || start[d] >= size || last < 0 || last >= size)) return false;
    offset += start[d] * whole.strides[d];
    whole.shape[d] = n;
    whole.strides[d] *= step[d];
  }
  whole.data = whole.as<char>() + offset * itemsize(whole.dtype);
  return true;
}

PyObject* run_slice_update(const Kernel&, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
  static Name start_name("start"), step_name("step");
  Ints start, step;
  if (!get(p, start_name, start) || !get(p, step_name, step)) return nullptr;
  View window = view_of(in[0]);
  if (!open_window(start, step, in[1], window))
    return refuse("slice_update: the update does not fit the slice");
  Outcome out(updated(ctx, in));
  if (!out || in[1]->size == 0) return out.give();
  window = out.view();
  open_window(start, step, in[1], window);
  const Unlocked gil(in[1]->size > kUnlockWork, in, n);
  copy_elements(view_of(in[1]), window);
  return out.give();
}

// Operands from `first` on are integers.
bool indexed_by_integers(const Kernel& k, int first) {
  for (int i = first; i < k.arity && i < kMaxDtypes; ++i)
    if (!is_integer(k.dtypes[i])) return false;
  return k.arity >= first;
}

}  // namespace

MONEL_KERNELS(indexing) {
  registry.kernel("gather", [](Kernel& k) {
    k.run = run_gather;
    return indexed_by_integers(k, 1);
  });
  registry.kernel("scatter", [](Kernel& k) {
    k.run = run_scatter;
    return indexed_by_integers(k, 2) && k.dtypes[0] == k.dtypes[1];
  });
  registry.kernel("take_along_axis", [](Kernel& k) {
    k.run = run_take;
    return k.arity == 2 && is_integer(k.dtypes[1]);
  });
  registry.kernel("put_along_axis", [](Kernel& k) {
    k.run = run_put;
    return k.arity == 3 && is_integer(k.dtypes[1]) && k.dtypes[0] == k.dtypes[2];
  });
  registry.kernel("slice_update", [](Kernel& k) {
    k.run = run_slice_update;
    return k.arity == 2 && k.dtypes[0] == k.dtypes[1];
  });
  registry.function("set_index_error", set_index_error, METH_O,
                    "set_index_error(cls)\n--\n\nThe class raised for an index out of bounds.");
}

}  // namespace monel
