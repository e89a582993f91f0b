#include "elementwise.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "copy.h"
#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace monel {

MONEL_CHOOSE_TABLE(ChainTable, chains)

namespace {

constexpr int64_t kTile = 2048;
constexpr int64_t kLongTile = 8192;  // where nothing is kept between operations
constexpr int64_t kShortRow = 64;    // rows below this are gathered into tiles

// How an input is read within a row of the innermost axis.
enum class Access : uint8_t { direct, scalar, strided, gathered };

struct Plan {
  const Body* body;
  View views[kMaxInputs];
  Access access[kMaxInputs];
  void* const* outputs;
  int64_t columns, rows, tile, tiles;  // tiles of a row
  std::atomic<bool>* starved;          // set where a thread found no memory to work in
};

// Scratch memory of a thread, kept between calls; null where there is none to be had.
class Workspace {
 public:
  char* get(size_t bytes) {
    if (bytes > size_) {
      std::free(memory_);
      memory_ = static_cast<char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
      size_ = memory_ ? bytes : 0;
    }
    return memory_;
  }
  ~Workspace() { std::free(memory_); }

 private:
  char* memory_ = nullptr;
  size_t size_ = 0;
};
thread_local Workspace workspace;

template <class T>
void pack_typed(const T* p, int64_t stride, int64_t n, T* out) {
  if (stride == 2)  // with a constant, loads become shuffles
    for (int64_t i = 0; i < n; ++i) out[i] = p[2 * i];
  else if (stride == -1)
    for (int64_t i = 0; i < n; ++i) out[i] = p[-i];
  else
    for (int64_t i = 0; i < n; ++i) out[i] = p[i * stride];
}

template <class T>
void gather_typed(const View& v, int64_t begin, int64_t n, T* out) {
  int64_t index[kMaxRank];
  const T* p = static_cast<const T*>(v.data);
  for (int i = v.rank - 1; i >= 0; --i) {
    index[i] = begin % v.shape[i];
    p += index[i] * v.strides[i];
    begin /= v.shape[i];
  }
  const int last = v.rank - 1;
  const int64_t size = v.shape[last], stride = v.strides[last];
  while (n > 0) {
    int64_t run = size - index[last];
    if (run > n) run = n;
    pack_typed(p, stride, run, out);
    out += run;
    n -= run;
    p += run * stride;
    index[last] += run;
    for (int i = last; i > 0 && index[i] == v.shape[i]; --i) {
      p += v.strides[i - 1] - v.shape[i] * v.strides[i];
      index[i] = 0;
      ++index[i - 1];
    }
  }
}

void gather(const View& v, int64_t begin, int64_t n, void* out) {
  switch (itemsize(v.dtype)) {
    case 1: return gather_typed(v, begin, n, static_cast<uint8_t*>(out));
    case 2: return gather_typed(v, begin, n, static_cast<uint16_t*>(out));
    case 4: return gather_typed(v, begin, n, static_cast<uint32_t*>(out));
    default: return gather_typed(v, begin, n, static_cast<uint64_t*>(out));
  }
}

template <class T>
void splat_typed(const void* x, void* out, int64_t n) {
  const T value = *static_cast<const T*>(x);
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = value;
}

void splat(const void* x, int64_t size, void* out, int64_t n) {
  switch (size) {
    case 1: return splat_typed<uint8_t>(x, out, n);
    case 2: return splat_typed<uint16_t>(x, out, n);
    case 4: return splat_typed<uint32_t>(x, out, n);
    default: return splat_typed<uint64_t>(x, out, n);
  }
}

struct Value {
  char* data;
  bool scalar;
};

constexpr int64_t kSlot = kTile * 8;

// What an operation does to a running value that is its operand `side`; `none` where chains lack it.
LinkOp link_of(Op op, int side) {
  switch (op) {
    case Op::add: return LinkOp::add;
    case Op::sub: return side == 0 ? LinkOp::sub : LinkOp::sub_from;
    case Op::mul: return LinkOp::mul;
    case Op::div: return side == 0 ? LinkOp::div : LinkOp::div_from;
    case Op::maximum: return side == 0 ? LinkOp::maximum : LinkOp::none;  // of zeros and NaN, order matters
    case Op::minimum: return side == 0 ? LinkOp::minimum : LinkOp::none;
    case Op::square: return LinkOp::square;
    case Op::neg: return LinkOp::neg;
    case Op::abs: return LinkOp::abs;
    case Op::sqrt: return LinkOp::sqrt;
    case Op::reciprocal: return LinkOp::reciprocal;
    case Op::exp: return LinkOp::exp;
    case Op::tanh: return LinkOp::tanh;
    case Op::sigmoid: return LinkOp::sigmoid;
    case Op::erf: return LinkOp::erf;
    default: return LinkOp::none;
  }
}

// The operand of `node` that is its running value, `before` being a reference; the first of a chain has operand 0.
int side_of(const Node& node, int before) { return node.arity == 2 && node.refs[0] != before ? 1 : 0; }

// An operand as a chain reads it; scalars are repeated in `spare`, which moves on.
Link link_to(LinkOp op, const Value& v, float*& spare) {
  const float* data = reinterpret_cast<const float*>(v.data);
  if (!v.scalar) return {op, 1, data};
  for (int i = 0; i < kLinkFloats; ++i) spare[i] = *data;
  spare += kLinkFloats;
  return {op, 0, spare - kLinkFloats};
}

// Runs the chain that ends in node i.
void run_chain(const Body& body, int i, const Value* values, char* spare, char* out, int64_t n) {
  const ChainTable& table = chains();
  float* constants = reinterpret_cast<float*>(spare);
  const int count = body.node[i].links;
  Link links[kMaxLinks];
  Link start{};
  for (int k = count - 1; k >= 0; --k) {
    const Node& node = body.node[i];
    const int before = node.before + body.inputs, side = node.before < 0 ? 0 : side_of(node, before);
    links[k] = {link_of(node.op, side), 0, nullptr};
    if (node.arity == 2) links[k] = link_to(links[k].op, values[node.refs[1 - side]], constants);
    if (k == 0) start = link_to(LinkOp::none, values[node.refs[0]], constants);
    i = node.before;
  }
  table.run(start, links, count, reinterpret_cast<float*>(out), n);
}

// Runs the nodes on n elements; values[0, inputs) are filled, results go to outputs + at elements.
void run_nodes(const Body& body, Value* values, char* slots, char* spare, void* const* outputs, int64_t at, int64_t n) {
  for (int i = 0; i < body.nodes; ++i) {
    const Node& node = body.node[i];
    if (node.inner) continue;
    Value* const out = values + body.inputs + i;
    if (node.links > 1) {
      int16_t refs[kMaxLinks + 1];
      bool scalar = node.slot >= 0;
      for (int k = body.reads(i, refs) - 1; k >= 0 && scalar; --k) scalar = values[refs[k]].scalar;
      out->scalar = scalar && n != 1;
      out->data = node.slot >= 0 ? slots + node.slot * kSlot
                                 : static_cast<char*>(outputs[node.output]) + at * itemsize(node.dtype);
      run_chain(body, i, values, spare, out->data, scalar ? 1 : n);
      continue;
    }
    Value* v[3] = {values + node.refs[0], nullptr, nullptr};
    for (int k = 1; k < node.arity; ++k) v[k] = values + node.refs[k];
    bool scalar = v[0]->scalar;
    for (int k = 1; k < node.arity; ++k) scalar &= v[k]->scalar;
    const int64_t count = scalar && node.slot >= 0 ? 1 : n;
    out->scalar = count == 1 && n != 1;
    out->data = node.slot >= 0 ? slots + node.slot * kSlot
                               : static_cast<char*>(outputs[node.output]) + at * itemsize(node.dtype);
    if (node.arity == 2 && !scalar && (v[0]->scalar || v[1]->scalar)) {
      (v[0]->scalar ? node.entry.sv : node.entry.vs)(v[0]->data, v[1]->data, nullptr, out->data, n);
      continue;
    }
    const char* p[3] = {v[0]->data, nullptr, nullptr};
    for (int k = 0; k < node.arity; ++k) {
      p[k] = v[k]->data;
      if (v[k]->scalar && count > 1) {
        char* copy = spare + k * kSlot;
        splat(p[k], itemsize(body.dtype_of(node.refs[k])), copy, n);
        p[k] = copy;
      }
    }
    node.entry.vv(p[0], p[1], p[2], out->data, count);
  }
  for (int o = 0; o < body.outputs; ++o) {
    const int ref = body.output_refs[o];
    if (ref >= body.inputs && body.node[ref - body.inputs].output == o) continue;
    const int64_t size = itemsize(body.dtype_of(ref));
    char* to = static_cast<char*>(outputs[o]) + at * size;
    if (values[ref].scalar)
      splat(values[ref].data, size, to, n);
    else if (to != values[ref].data)
      std::memcpy(to, values[ref].data, static_cast<size_t>(n * size));
  }
}

void run_tiles(const Plan& plan, int64_t begin, int64_t end) {
  const Body& body = *plan.body;
  const int spare_slots = body.inputs + 3;
  char* memory = workspace.get(static_cast<size_t>((body.slots + spare_slots) * kSlot));
  if (!memory) return plan.starved->store(true);
  char* packed = memory + body.slots * kSlot;
  Value values[kMaxInputs + kMaxNodes];
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t row = unit / plan.tiles, column = unit % plan.tiles * plan.tile;
    const int64_t n = plan.columns - column < plan.tile ? plan.columns - column : plan.tile;
    const int64_t at = row * plan.columns + column;
    for (int i = 0; i < body.inputs; ++i) {
      const View& v = plan.views[i];
      const int64_t size = itemsize(v.dtype);
      if (plan.access[i] == Access::gathered) {
        gather(v, at, n, packed + i * kSlot);
        values[i] = {packed + i * kSlot, false};
        continue;
      }
      int64_t offset = 0, rest = row;
      for (int d = v.rank - 2; d >= 0; --d) {
        offset += rest % v.shape[d] * v.strides[d];
        rest /= v.shape[d];
      }
      const int64_t stride = v.rank > 0 ? v.strides[v.rank - 1] : 0;
      char* data = static_cast<char*>(v.data) + (offset + column * stride) * size;
      values[i] = {data, plan.access[i] == Access::scalar};
      if (plan.access[i] == Access::strided) {
        View line = v;
        line.data = data;
        line.rank = 1;
        line.shape[0] = n;
        line.strides[0] = stride;
        gather(line, 0, n, packed + i * kSlot);
        values[i].data = packed + i * kSlot;
      }
    }
    run_nodes(body, values, memory, packed + body.inputs * kSlot, plan.outputs, at, n);
  }
}

// Reading down columns of a large operand misses the cache at each element: such operands are copied first.
bool runs_across(const View& v) {
  if (v.rank < 2 || v.size() < 16384) return false;
  const int64_t inner = std::abs(v.strides[v.rank - 1]);
  if (inner * itemsize(v.dtype) < 64) return false;
  for (int i = 0; i < v.rank - 1; ++i)
    if (v.strides[i] != 0 && std::abs(v.strides[i]) < inner && v.shape[i] > 1) return true;
  return false;
}

}  // namespace

void pack_line(const void* data, int64_t stride, int64_t n, int64_t item, void* out) {
  switch (item) {
    case 1: return pack_typed(static_cast<const uint8_t*>(data), stride, n, static_cast<uint8_t*>(out));
    case 2: return pack_typed(static_cast<const uint16_t*>(data), stride, n, static_cast<uint16_t*>(out));
    case 4: return pack_typed(static_cast<const uint32_t*>(data), stride, n, static_cast<uint32_t*>(out));
    default: return pack_typed(static_cast<const uint64_t*>(data), stride, n, static_cast<uint64_t*>(out));
  }
}

bool Body::add(Op op, int arity, const int16_t* refs, Dtype dtype) {
  if (nodes == kMaxNodes || arity != op_arity(op)) return false;
  Node& made = node[nodes];
  const Dtype operand = dtype_of(refs[arity == 3 ? 1 : 0]);
  if (op == Op::cast) {
    made.entry = {find_cast(operand, dtype), nullptr, nullptr};
  } else {
    const OpEntry* found = find_op(op, operand);
    if (!found || op_result(op, operand) != dtype) return false;
    for (int k = arity == 3 ? 2 : 1; k < arity; ++k)
      if (dtype_of(refs[k]) != operand) return false;
    if (arity == 3 && dtype_of(refs[0]) != Dtype::bool_) return false;
    made.entry = *found;
  }
  for (int k = 0; k < arity; ++k) made.refs[k] = refs[k];
  made.arity = static_cast<uint8_t>(arity);
  made.op = op;
  made.dtype = dtype;
  made.slot = 0;
  made.output = -1;
  ++nodes;
  cost += op_cost(op, operand);
  return true;
}

// Where the result of a node is read by one later node only, once, and both are of float32, the two form a chain.
void Body::form_chains() {
  int readers[kMaxNodes] = {};
  for (int i = 0; i < nodes; ++i)
    for (int k = 0; k < node[i].arity; ++k)
      if (node[i].refs[k] >= inputs) ++readers[node[i].refs[k] - inputs];
  for (int o = 0; o < outputs; ++o)
    if (output_refs[o] >= inputs) readers[output_refs[o] - inputs] = kMaxNodes;
  for (int i = 0; i < nodes; ++i) {
    Node& one = node[i];
    one.before = -1;
    one.inner = false;
    one.links = 0;
    if (dtype_of(one.refs[0]) != Dtype::float32 || link_of(one.op, 0) == LinkOp::none) continue;
    one.links = 1;
    for (int k = 0; k < one.arity; ++k) {
      const int r = one.refs[k] - inputs;
      if (r < 0 || r < one.before || readers[r] != 1 || node[r].links == 0 || node[r].links == kMaxLinks) continue;
      if (link_of(one.op, side_of(one, one.refs[k])) != LinkOp::none) one.before = static_cast<int16_t>(r);
    }
    if (one.before < 0) continue;
    node[one.before].inner = true;
    one.links = static_cast<uint8_t>(node[one.before].links + 1);
  }
}

int Body::reads(int i, int16_t* refs) const {
  int n = 0;
  for (; i >= 0; i = node[i].before)
    for (int k = 0; k < node[i].arity; ++k)
      if (node[i].before < 0 || node[i].refs[k] != node[i].before + inputs) refs[n++] = node[i].refs[k];
  return n;
}

void Body::plan() {
  form_chains();
  int last[kMaxNodes];
  int16_t refs[kMaxLinks + 1];
  for (int i = 0; i < nodes; ++i) {
    last[i] = i;
    if (node[i].inner) continue;
    for (int k = reads(i, refs) - 1; k >= 0; --k)
      if (refs[k] >= inputs) last[refs[k] - inputs] = i;
  }
  // An output that no later node reads is written straight to its memory. (Memory of a dying input that a later node
  // still reads must not be overwritten early, so this holds for the last node only.)
  for (int o = 0; o < outputs; ++o) {
    const int i = output_refs[o] - inputs;
    if (i < 0) continue;
    if (i == nodes - 1 && node[i].output < 0)
      node[i].output = static_cast<int16_t>(o);
    else
      last[i] = nodes;
  }
  bool used[kMaxNodes] = {};
  slots = 0;
  for (int i = 0; i < nodes; ++i) {
    node[i].slot = -1;
    if (node[i].inner) continue;
    const int n = reads(i, refs);
    for (int k = 0; k < n; ++k) {
      const int r = refs[k] - inputs;
      // A slot may be taken over within the node that reads it last if items have one size.
      if (r >= 0 && last[r] == i && node[r].slot >= 0 && itemsize(node[r].dtype) == itemsize(node[i].dtype))
        used[node[r].slot] = false;
    }
    if (node[i].output < 0) {
      int s = 0;
      while (used[s]) ++s;
      used[s] = true;
      node[i].slot = static_cast<int16_t>(s);
      if (s >= slots) slots = s + 1;
    }
    for (int k = 0; k < n; ++k) {
      const int r = refs[k] - inputs;
      if (r >= 0 && last[r] == i && node[r].slot >= 0 && node[r].slot != node[i].slot) used[node[r].slot] = false;
    }
  }
}

void run_body(const Body& body, const View* inputs, void* const* outputs) {
  Plan plan;
  plan.body = &body;
  plan.outputs = outputs;
  if (inputs[0].size() == 0) return;
  std::atomic<bool> starved{false};
  plan.starved = &starved;
  std::unique_ptr<Scratch> copies[kMaxInputs];
  for (int i = 0; i < body.inputs; ++i) {
    plan.views[i] = inputs[i];
    if (runs_across(inputs[i])) {
      const size_t bytes = static_cast<size_t>(inputs[i].size() * itemsize(inputs[i].dtype));
      copies[i] = std::make_unique<Scratch>(bytes);
      plan.views[i].data = copies[i]->as<void>();
      copy(inputs[i], plan.views[i].data);
      fill_strides(plan.views[i]);
    }
  }
  collapse(plan.views, body.inputs);
  const View& first = plan.views[0];
  const int rank = first.rank;
  const int64_t size = first.size();
  plan.columns = rank > 0 ? first.shape[rank - 1] : 1;
  const bool gathers = rank > 1 && plan.columns < kShortRow;
  const bool chain = body.outputs == 1 && body.nodes > 1 && body.node[body.nodes - 1].links == body.nodes;
  bool scratch = (body.nodes > 1 && !chain) || body.slots > 0;
  for (int i = 0; i < body.inputs; ++i) {
    const View& v = plan.views[i];
    const int64_t stride = rank > 0 ? v.strides[rank - 1] : 0;
    bool constant = true;
    for (int d = 0; d < rank; ++d) constant &= v.strides[d] == 0;
    plan.access[i] = constant      ? Access::scalar
                     : gathers     ? (v.contiguous() ? Access::direct : Access::gathered)
                     : stride == 1 ? Access::direct
                     : stride == 0 ? Access::scalar
                                   : Access::strided;
    if (plan.access[i] != Access::direct && !(chain && plan.access[i] == Access::scalar)) scratch = true;
  }
  if (gathers) {  // one row; direct operands are contiguous in all, scalars constant
    for (int i = 0; i < body.inputs; ++i) {
      View& v = plan.views[i];
      if (plan.access[i] == Access::gathered) continue;
      v.rank = 1;
      v.shape[0] = size;
      v.strides[0] = plan.access[i] == Access::direct ? 1 : 0;
    }
    plan.columns = size;
  }
  plan.rows = size / plan.columns;
  plan.tile = scratch ? kTile : kLongTile;
  plan.tiles = (plan.columns + plan.tile - 1) / plan.tile;
  const int64_t unit = plan.columns < plan.tile ? plan.columns : plan.tile;
  const int64_t grain = parallel_grain(body.cost) / unit;
  parallel_for(plan.rows * plan.tiles, grain < 1 ? 1 : grain,
               [&](int64_t begin, int64_t end) { run_tiles(plan, begin, end); });
  if (starved) throw std::bad_alloc();
}

void run_tile(Tile f, int64_t n, int cost, const void* a, int64_t a_step, const void* b, int64_t b_step, void* out,
              int64_t out_step) {
  const int64_t grain = parallel_grain(cost);
  if (n < 2 * grain) return f(a, b, nullptr, out, n);
  parallel_for((n + 15) / 16, grain / 16, [&](int64_t begin, int64_t end) {
    const int64_t from = begin * 16, to = end * 16 < n ? end * 16 : n;
    f(static_cast<const char*>(a) + from * a_step, static_cast<const char*>(b) + from * b_step, nullptr,
      static_cast<char*>(out) + from * out_step, to - from);
  });
}

}  // namespace monel
