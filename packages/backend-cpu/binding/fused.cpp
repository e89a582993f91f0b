// `fused`: a body of elementwise operations run tile by tile, with an optional reduction of its only output.
#include <cstring>
#include <memory>
#include <optional>
#include <unordered_map>

#include "../kernels/elementwise.h"
#include "../kernels/reduce.h"
#include "elementwise.h"

namespace monel {
namespace {

constexpr int64_t kWorth = 32768;
constexpr const char* kReductionNames[kReductions] = {"sum", "prod", "max", "min"};

// A body as compiled for one primitive; `primitive` is kept so that its address stays its own.
struct Compiled {
  PyObject* primitive;
  Body body;
  bool reduces = false;
  Reduction reduction{};
  Ints axes;
};

constexpr size_t kCompiled = 512;

std::unordered_map<PyObject*, std::unique_ptr<Compiled>>& compiled() {
  static auto* cache = new std::unordered_map<PyObject*, std::unique_ptr<Compiled>>;
  return *cache;
}

bool malformed(const char* what) {
  PyErr_Format(PyExc_ValueError, "fused: %s", what);
  return false;
}

bool read_refs(PyObject* refs, Ints& out, int limit) {
  if (!read_ints(refs, out)) return false;
  for (int i = 0; i < out.size; ++i)
    if (out[i] < 0 || out[i] >= limit) return malformed("a reference points at no operand or earlier node");
  return true;
}

bool read_node(PyObject* node, Body& body) {
  if (!PyTuple_Check(node) || PyTuple_GET_SIZE(node) < 3) return malformed("a node is (name, references, dtype)");
  const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(node, 0));
  Ints refs;
  Dtype dtype;
  if (!name || !read_refs(PyTuple_GET_ITEM(node, 1), refs, body.inputs + body.nodes) ||
      !read_dtype(PyTuple_GET_ITEM(node, 2), dtype))
    return false;
  Op op;
  int16_t short_refs[3] = {0, 0, 0};
  for (int i = 0; i < refs.size && i < 3; ++i) short_refs[i] = static_cast<int16_t>(refs[i]);
  if (op_named(name, op) && body.add(op, refs.size, short_refs, dtype)) return true;
  PyErr_Format(PyExc_ValueError, "fused: no operation %s with %d operands giving %s", name, refs.size,
               dtype_name(dtype));
  return false;
}

bool read_nodes(PyObject* p, Body& body) {
  static Name nodes_("nodes"), results_("results");
  PyObject* nodes = PyObject_GetAttr(p, nodes_);
  if (!nodes) return false;
  bool good = PyTuple_Check(nodes) || malformed("nodes must be a tuple");
  for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(nodes); ++i) good = read_node(PyTuple_GET_ITEM(nodes, i), body);
  Py_DECREF(nodes);
  if (!good) return false;
  PyObject* results = PyObject_GetAttr(p, results_);
  Ints refs;
  good = results && read_refs(results, refs, body.inputs + body.nodes);
  Py_XDECREF(results);
  if (!good) return false;
  if (refs.size < 1 || refs.size > kMaxOutputs) return malformed("between 1 and 8 outputs are possible");
  body.outputs = refs.size;
  for (int i = 0; i < refs.size; ++i) body.output_refs[i] = static_cast<int16_t>(refs[i]);
  body.plan();
  return true;
}

bool read_reduction(PyObject* p, Compiled& c) {
  static Name reduce_("reduce");
  PyObject* reduction = PyObject_GetAttr(p, reduce_);
  if (!reduction) return false;
  bool good = true;
  if (reduction != Py_None) {
    const char* name = PyTuple_Check(reduction) && PyTuple_GET_SIZE(reduction) == 2
                           ? PyUnicode_AsUTF8(PyTuple_GET_ITEM(reduction, 0))
                           : nullptr;
    int found = kReductions;
    for (int i = 0; name && i < kReductions; ++i)
      if (!std::strcmp(name, kReductionNames[i])) found = i;
    good = found < kReductions && c.body.outputs == 1
               ? read_ints(PyTuple_GET_ITEM(reduction, 1), c.axes)
               : malformed("reduce must be None or (sum, prod, max or min, axes), of one output");
    c.reduces = true;
    c.reduction = static_cast<Reduction>(found);
  }
  Py_DECREF(reduction);
  return good;
}

bool fits(const Compiled& c, Buffer* const* in, int n) {
  if (c.body.inputs != n) return false;
  for (int i = 0; i < n; ++i)
    if (c.body.input_dtypes[i] != in[i]->dtype) return false;
  return true;
}

const Compiled* compile(PyObject* p, Buffer* const* in, int n) {
  auto& cache = compiled();
  const auto found = cache.find(p);
  if (found != cache.end() && fits(*found->second, in, n)) return found->second.get();
  auto made = std::make_unique<Compiled>();
  made->body.inputs = n;
  for (int i = 0; i < n; ++i) made->body.input_dtypes[i] = in[i]->dtype;
  if (!read_nodes(p, made->body) || !read_reduction(p, *made)) return nullptr;
  if (cache.size() >= kCompiled) {
    auto old = std::move(cache);
    cache.clear();
    for (const auto& entry : old) Py_DECREF(entry.second->primitive);
  }
  made->primitive = p;
  auto& place = cache[p];
  if (!place) Py_INCREF(p);
  place = std::move(made);
  return place.get();
}

PyObject* run_reduced(const Compiled& c, const View* views, Buffer* const* in, int n, int rank, const int64_t* shape) {
  const Dtype dtype = c.body.dtype_of(c.body.output_refs[0]);
  uint32_t mask = 0;
  for (int i = 0; i < c.axes.size; ++i) {
    if (c.axes[i] < 0 || c.axes[i] >= rank) {
      PyErr_Format(PyExc_ValueError, "fused: axis %lld is out of bounds for %d axes", static_cast<long long>(c.axes[i]),
                   rank);
      return nullptr;
    }
    mask |= 1u << c.axes[i];
  }
  int kept = 0;
  int64_t kept_shape[kMaxRank];
  for (int i = 0; i < rank; ++i)
    if (!(mask >> i & 1)) kept_shape[kept++] = shape[i];
  Owned out(new_buffer(dtype, kept, kept_shape));
  const Owned whole(out ? new_buffer(dtype, rank, shape) : nullptr);
  if (!whole) return nullptr;
  bool good;
  {
    void* data = whole->data;
    Unlocked gil(whole->size * c.body.cost > kWorth, in, n);
    run_body(c.body, views, &data);
    good = reduce(c.reduction, view_of(whole.get()), mask, out->data);
  }
  if (good) return out.give();
  malformed("its result has no such reduction");
  return nullptr;
}

PyObject* run_fused(const Kernel&, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
  const Compiled* c = compile(p, in, n);
  if (!c) return nullptr;
  const Body body = c->body;  // another thread may clear the cache while the GIL is released
  int rank;
  int64_t shape[kMaxRank];
  if (!broadcast_shape("fused", in, n, rank, shape)) return nullptr;
  View views[kMaxInputs];
  for (int i = 0; i < n; ++i) views[i] = broadcast_view(in[i], rank, shape);
  if (c->reduces) {
    const Compiled copy = *c;
    return run_reduced(copy, views, in, n, rank, shape);
  }
  std::optional<Owned> out[kMaxOutputs];
  void* data[kMaxOutputs];
  for (int i = 0; i < body.outputs; ++i) {
    const Dtype dtype = body.dtype_of(body.output_refs[i]);
    // Memory of a dying operand serves for one output only.
    out[i].emplace(body.outputs == 1 ? reuse_or_new(ctx, in, n, dtype, rank, shape) : new_buffer(dtype, rank, shape));
    if (!*out[i]) return nullptr;
    data[i] = out[i]->get()->data;
  }
  {
    Unlocked gil(out[0]->get()->size * body.cost > kWorth, in, n);
    run_body(body, views, data);
  }
  if (body.outputs == 1) return out[0]->give();
  PyObject* result = PyTuple_New(body.outputs);
  for (int i = 0; result && i < body.outputs; ++i) PyTuple_SET_ITEM(result, i, out[i]->give());
  return result;
}

PyObject* names_of(const char* const* names, int n) {
  PyObject* out = PyTuple_New(n);
  for (int i = 0; out && i < n; ++i) {
    PyObject* name = PyUnicode_FromString(names[i]);
    if (name) PyTuple_SET_ITEM(out, i, name);
    else Py_CLEAR(out);
  }
  return out;
}

PyObject* fusible_operations(PyObject*, PyObject*) {
  const char* names[kOps];
  for (int i = 0; i < kOps; ++i) names[i] = op_name(static_cast<Op>(i));
  return names_of(names, kOps);
}

PyObject* fusible_reductions(PyObject*, PyObject*) { return names_of(kReductionNames, kReductions); }

}  // namespace

MONEL_KERNELS(fused) {
  registry.function("fusible_operations", fusible_operations, METH_NOARGS,
                    "fusible_operations() -> names of the operations a fused body may hold.");
  registry.function("fusible_reductions", fusible_reductions, METH_NOARGS,
                    "fusible_reductions() -> names of the reductions a fused body may end in.");
  PyModule_AddIntConstant(registry.module, "MAX_FUSED_OPERANDS", kMaxInputs);
  PyModule_AddIntConstant(registry.module, "MAX_FUSED_NODES", kMaxNodes);
  PyModule_AddIntConstant(registry.module, "MAX_FUSED_OUTPUTS", kMaxOutputs);
  registry.kernel("fused", [](Kernel& k) {
    k.run = run_fused;
    return k.arity >= 1 && k.arity <= kMaxInputs;
  });
}

}  // namespace monel
