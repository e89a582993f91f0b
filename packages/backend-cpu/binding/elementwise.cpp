// Unary and binary operations, where, cast and copy: any strides, broadcasting.
#include "../kernels/elementwise.h"

#include <cstring>

#include "../kernels/copy.h"
#include "elementwise.h"

namespace monel {

bool broadcast_shape(const char* name, Buffer* const* in, int n, int& rank, int64_t* shape) {
  rank = 0;
  for (int i = 0; i < n; ++i)
    if (in[i]->rank > rank) rank = in[i]->rank;
  for (int d = 0; d < rank; ++d) shape[d] = 1;
  for (int i = 0; i < n; ++i)
    for (int d = 0; d < in[i]->rank; ++d) {
      int64_t& size = shape[rank - in[i]->rank + d];
      const int64_t own = in[i]->shape[d];
      if (own == size || own == 1) continue;
      if (size != 1) {
        PyErr_Format(PyExc_ValueError, "%s: operands have sizes %lld and %lld along one axis and do not broadcast", name,
                     static_cast<long long>(size), static_cast<long long>(own));
        return false;
      }
      size = own;
    }
  return true;
}

View broadcast_view(const Buffer* b, int rank, const int64_t* shape) {
  View v;
  v.data = b->data;
  v.dtype = b->dtype;
  v.rank = rank;
  const int lead = rank - b->rank;
  for (int d = 0; d < rank; ++d) {
    v.shape[d] = shape[d];
    v.strides[d] = d < lead || b->shape[d - lead] == 1 ? 0 : b->strides[d - lead];
  }
  return v;
}

namespace {

constexpr int64_t kWorth = 32768;    // additions that are worth releasing the GIL
constexpr int64_t kShortLine = 256;  // elements of a line that is worth no plan

PyObject* as_object(Buffer* b) { return reinterpret_cast<PyObject*>(b); }

bool same_shape(const Buffer* a, const Buffer* b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; ++i)
    if (a->shape[i] != b->shape[i]) return false;
  return true;
}

// `code` of these kernels: the operation, its cost and the dtype of the result.
constexpr int64_t packed(Op op, int cost, Dtype result) {
  return static_cast<int64_t>(op) | static_cast<int64_t>(cost) << 8 | static_cast<int64_t>(result) << 32;
}
Op op_of(int64_t code) { return static_cast<Op>(code & 0xff); }
int cost_of(int64_t code) { return static_cast<int>(code >> 8 & 0xffff); }
Dtype result_of(int64_t code) { return static_cast<Dtype>(code >> 32); }

PyObject* run_general(const char* name, PyObject* ctx, Buffer* const* in, int n, Op op, Dtype result) {
  int rank;
  int64_t shape[kMaxRank];
  if (!broadcast_shape(name, in, n, rank, shape)) return nullptr;
  Body body;
  View views[3];
  int16_t refs[3] = {0, 1, 2};
  body.inputs = n;
  for (int i = 0; i < n; ++i) {
    body.input_dtypes[i] = in[i]->dtype;
    views[i] = broadcast_view(in[i], rank, shape);
  }
  if (!body.add(op, n, refs, result)) {
    PyErr_Format(PyExc_TypeError, "%s: no kernel for operands of %s", name, dtype_name(in[n - 1]->dtype));
    return nullptr;
  }
  body.outputs = 1;
  body.output_refs[0] = static_cast<int16_t>(n);
  body.plan();
  Owned out(reuse_or_new(ctx, in, n, result, rank, shape));
  if (!out) return nullptr;
  void* data = out->data;
  {
    Unlocked gil(out->size * body.cost > kWorth, in, n);
    run_body(body, views, &data);
  }
  return out.give();
}

PyObject* run_unary(const Kernel& k, PyObject* ctx, PyObject*, Buffer* const* in, int) {
  const Buffer* x = in[0];
  const Dtype result = result_of(k.code);
  if (!x->contiguous) return run_general(k.name, ctx, in, 1, op_of(k.code), result);
  Buffer* out = reuse_or_new(ctx, in, 1, result, x->rank, x->shape);
  if (!out) return nullptr;
  const Tile f = static_cast<const OpEntry*>(k.data)->vv;
  Unlocked gil(x->size * cost_of(k.code) > kWorth, in, 1);
  run_tile(f, x->size, cost_of(k.code), x->data, itemsize(x->dtype), nullptr, 0, out->data, itemsize(result));
  return as_object(out);
}

PyObject* run_binary(const Kernel& k, PyObject* ctx, PyObject*, Buffer* const* in, int) {
  const Buffer *x = in[0], *y = in[1];
  const Dtype result = result_of(k.code);
  const auto* entry = static_cast<const OpEntry*>(k.data);
  const int cost = cost_of(k.code);
  const int64_t item = itemsize(x->dtype);
  if (x->contiguous && y->contiguous) {
    const bool alike = same_shape(x, y);
    const bool right = y->size == 1 && y->rank <= x->rank, left = x->size == 1 && x->rank <= y->rank;
    if (alike || right || left) {
      const Buffer* shape = alike || right ? x : y;
      Buffer* out = reuse_or_new(ctx, in, 2, result, shape->rank, shape->shape);
      if (!out) return nullptr;
      const Tile f = alike ? entry->vv : right ? entry->vs : entry->sv;
      Unlocked gil(out->size * cost > kWorth, in, 2);
      run_tile(f, out->size, cost, x->data, alike || right ? item : 0, y->data, alike || !right ? item : 0, out->data,
               itemsize(result));
      return as_object(out);
    }
  }
  if (x->rank == 1 && same_shape(x, y) && x->size <= kShortLine && item <= 8) {
    // Short lines, a column of a matrix say: packed on the stack, without a plan.
    alignas(64) char packed[2][kShortLine * 8];
    Buffer* out = reuse_or_new(ctx, in, 2, result, 1, x->shape);
    if (!out) return nullptr;
    const void* data[2];
    for (int i = 0; i < 2; ++i) {
      data[i] = in[i]->data;
      if (in[i]->contiguous) continue;
      pack_line(in[i]->data, in[i]->strides[0], x->size, item, packed[i]);
      data[i] = packed[i];
    }
    entry->vv(data[0], data[1], nullptr, out->data, x->size);
    return as_object(out);
  }
  return run_general(k.name, ctx, in, 2, op_of(k.code), result);
}

PyObject* run_where(const Kernel& k, PyObject* ctx, PyObject*, Buffer* const* in, int) {
  return run_general(k.name, ctx, in, 3, Op::where, k.dtypes[1]);
}

PyObject* run_cast(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int) {
  static Name dtype_("dtype");
  Dtype to;
  if (!get(p, dtype_, to)) return nullptr;
  const Buffer* x = in[0];
  if (!x->contiguous) return run_general(k.name, ctx, in, 1, Op::cast, to);
  Buffer* out = reuse_or_new(ctx, in, 1, to, x->rank, x->shape);
  if (!out) return nullptr;
  Unlocked gil(x->size > kWorth, in, 1);
  run_tile(find_cast(x->dtype, to), x->size, 1, x->data, itemsize(x->dtype), nullptr, 0, out->data, itemsize(to));
  return as_object(out);
}

PyObject* run_copy(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int) {
  Buffer* out = new_buffer(in[0]->dtype, in[0]->rank, in[0]->shape);
  if (!out) return nullptr;
  Unlocked gil(out->size > kWorth, in, 1);
  copy(view_of(in[0]), out->data);
  return as_object(out);
}

// The last axis is read as items of another size.
PyObject* run_bitcast(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int) {
  static Name dtype_("dtype");
  Dtype to;
  if (!get(p, dtype_, to)) return nullptr;
  int64_t shape[kMaxRank];
  const Buffer* x = in[0];
  for (int i = 0; i < x->rank; ++i) shape[i] = x->shape[i];
  const int64_t from = itemsize(x->dtype), size = itemsize(to);
  if (from != size) {
    const int last = x->rank - 1;
    if (last < 0 || shape[last] * from % size != 0) {
      PyErr_Format(PyExc_ValueError, "bitcast: a last axis of %lld items of %s is no whole number of %s",
                   static_cast<long long>(last < 0 ? 1 : shape[last]), dtype_name(x->dtype), dtype_name(to));
      return nullptr;
    }
    shape[last] = shape[last] * from / size;
  }
  Buffer* out = new_buffer(to, x->rank, shape);
  if (!out) return nullptr;
  Unlocked gil(out->size > kWorth, in, 1);
  copy(view_of(x), out->data);
  return as_object(out);
}

bool resolve(Kernel& k) {
  Op op;
  if (!op_named(k.name, op) || k.arity != op_arity(op)) return false;
  const OpEntry* entry = find_op(op, k.dtypes[0]);
  if (!entry || (k.arity == 2 && k.dtypes[1] != k.dtypes[0])) return false;
  k.run = k.arity == 1 ? run_unary : run_binary;
  k.data = entry;
  k.code = packed(op, op_cost(op, k.dtypes[0]), op_result(op, k.dtypes[0]));
  return true;
}

template <KernelFunction run>
bool resolve_one(Kernel& k) {
  k.run = run;
  return k.arity == 1;
}

}  // namespace

#define MONEL_REGISTER(name) registry.kernel(#name, resolve);

MONEL_KERNELS(elementwise) {
  MONEL_UNARY_OPS(MONEL_REGISTER)
  MONEL_BINARY_OPS(MONEL_REGISTER)
  registry.kernel("where", [](Kernel& k) {
    k.run = run_where;
    return k.arity == 3 && k.dtypes[0] == Dtype::bool_ && k.dtypes[1] == k.dtypes[2];
  });
  registry.kernel("cast", resolve_one<run_cast>);
  registry.kernel("copy", resolve_one<run_copy>);
  registry.kernel("bitcast", resolve_one<run_bitcast>);
}

}  // namespace monel
