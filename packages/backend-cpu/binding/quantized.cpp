#include "../kernels/quantized.h"

#include <algorithm>
#include <vector>

#include "../kernels/indices.h"
#include "outcome.h"

namespace monel {
namespace {

PyObject* refuse(const char* message) {
  PyErr_SetString(PyExc_ValueError, message);
  return nullptr;
}

// The packing that a primitive names: by its mode, or affine with bits and group size.
bool read_affine(PyObject* p, Dtype dtype, Packing& out) {
  static Name group_name("group_size"), bits_name("bits");
  int64_t group, bits;
  if (!get(p, group_name, group) || !get(p, bits_name, bits)) return false;
  const bool known = (group == 32 || group == 64 || group == 128) &&
                     ((bits >= 1 && bits <= 6) || bits == 8);
  out = {Codes::integers, Factors::floats, static_cast<int>(bits), group, dtype};
  return known || refuse("quantized: unknown group size or bits");
}

bool read_mode(PyObject* p, Dtype dtype, Packing& out) {
  static Name mode_name("mode");
  std::string_view mode;
  if (!get(p, mode_name, mode)) return false;
  if (mode == "affine") return read_affine(p, dtype, out);
  if (mode == "mxfp4")
    out = {Codes::fp4, Factors::e8m0, 4, 32, dtype};
  else if (mode == "mxfp8")
    out = {Codes::fp8, Factors::e8m0, 8, 32, dtype};
  else if (mode == "nvfp4")
    out = {Codes::fp4, Factors::e4m3, 4, 16, dtype};
  else
    return refuse("quantized: unknown mode");
  return true;
}

int64_t product_of(const Buffer* b, int end) {
  int64_t n = 1;
  for (int d = 0; d < end; ++d) n *= b->shape[d];
  return n;
}

// Words, scales and perhaps biases as matrices. `fits` is false where core should decompose: the
// leading axes of the parts broadcast, or their shapes do not belong together.
struct PackedOperand {
  Owned words, scales, biases;
  PackedMatrices w{};
  bool fits = false;

  PackedOperand(const Packing& p, Buffer* const* in)
      : words(contiguous(in[0])),
        scales(contiguous(in[1])),
        biases(p.codes == Codes::integers ? contiguous(in[2]) : nullptr) {
    const bool affine = p.codes == Codes::integers;
    if (!words || !scales || (affine && !biases)) return;
    const int rank = words->rank;
    if (rank < 2) return;
    const int64_t k = words->shape[rank - 1] * 32 / p.bits;
    for (const Buffer* part : {scales.get(), affine ? biases.get() : scales.get()}) {
      if (part->rank != rank || part->shape[rank - 1] * p.group != k) return;
      for (int d = 0; d < rank - 1; ++d)
        if (part->shape[d] != words->shape[d]) return;
    }
    fits = true;
    w = {p,
         words->data,
         scales->data,
         affine ? biases->data : nullptr,
         product_of(words.get(), rank - 2),
         words->shape[rank - 2],
         k};
  }
};

int parts_of(const Packing& p) { return p.codes == Codes::integers ? 3 : 2; }

// ---- Packing and unpacking ---------------------------------------------------

PyObject* pack_operand(const Packing& p, Buffer* const* in, int n, float spread) {
  const Owned x(contiguous(in[0]));
  if (!x) return nullptr;
  const int last = x->rank - 1;
  if (last < 0 || x->shape[last] % p.group) return refuse("quantize: expected whole groups");
  int64_t shape[kMaxRank], groups[kMaxRank];
  std::copy_n(x->shape, x->rank, shape);
  std::copy_n(x->shape, x->rank, groups);
  shape[last] = x->shape[last] * p.bits / 32;
  groups[last] = x->shape[last] / p.group;
  const bool affine = p.codes == Codes::integers;
  const Dtype factor = affine ? x->dtype : Dtype::uint8;
  Outcome words(Dtype::uint32, x->rank, shape), scales(factor, x->rank, groups);
  if (!words || !scales) return nullptr;
  Outcome biases(affine ? new_buffer(factor, x->rank, groups) : nullptr);
  if (affine && !biases) return nullptr;
  {
    const Unlocked gil(x->size > kUnlockWork / 4, in, n);
    pack_rows(p, view_of(x.get()), spread, words->data, scales->data,
              affine ? biases->data : nullptr);
  }
  PyObject* made = PyTuple_New(affine ? 3 : 2);
  if (!made) return nullptr;
  PyTuple_SET_ITEM(made, 0, words.give());
  PyTuple_SET_ITEM(made, 1, scales.give());
  if (affine) PyTuple_SET_ITEM(made, 2, biases.give());
  return made;
}

// The number of a global scale over what it is relative to; 1 where there is none.
float share_of(Buffer* const* in, int n, int place) {
  constexpr float kLargest = 6.0f * 448.0f;
  return n > place ? *reinterpret_cast<const float*>(in[place]->data) / kLargest : 1.0f;
}

float spread_of(Buffer* const* in, int n) {
  constexpr float kLargest = 6.0f * 448.0f;
  return n > 1 ? kLargest / *reinterpret_cast<const float*>(in[1]->data) : 1.0f;
}

PyObject* run_affine_quantize(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  Packing packing;
  if (!read_affine(p, in[0]->dtype, packing)) return nullptr;
  return pack_operand(packing, in, n, 1.0f);
}

PyObject* run_fp_quantize(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  Packing packing;
  if (!read_mode(p, in[0]->dtype, packing)) return nullptr;
  if (n > 1 && in[1]->size != 1) return refuse("quantize: expected a global scale of one element");
  return pack_operand(packing, in, n, spread_of(in, n));
}

PyObject* unpack_operand(const Packing& p, Buffer* const* in, int n, float share, Dtype dtype) {
  const PackedOperand packed(p, in);
  if (PyErr_Occurred()) return nullptr;
  if (!packed.fits) return Py_NewRef(Py_NotImplemented);
  int64_t shape[kMaxRank];
  std::copy_n(packed.words->shape, packed.words->rank, shape);
  shape[packed.words->rank - 1] = packed.w.k;
  Outcome out(dtype, packed.words->rank, shape);
  if (!out) return nullptr;
  {
    const Unlocked gil(out->size > kUnlockWork, in, n);
    unpack_rows(packed.w, share, dtype, out->data);
  }
  return out.give();
}

PyObject* run_affine_dequantize(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  Packing packing;
  if (!read_affine(p, in[1]->dtype, packing)) return nullptr;
  return unpack_operand(packing, in, n, 1.0f, in[1]->dtype);
}

PyObject* run_fp_dequantize(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name dtype_name("dtype");
  Packing packing;
  Dtype dtype;
  if (!get(p, dtype_name, dtype) || !read_mode(p, dtype, packing)) return nullptr;
  if (n > 2 && in[2]->size != 1)
    return refuse("dequantize: expected a global scale of one element");
  return unpack_operand(packing, in, n, share_of(in, n, 2), dtype);
}

// ---- Products ----------------------------------------------------------------

// Offsets of the matrices of an operand whose leading axes broadcast to `rank` axes of `shape`.
void fill_pairs(const Buffer* b, int lead, int rank, const int64_t* shape,
                std::vector<int64_t>& out) {
  int64_t step = 1, steps[kMaxRank];
  for (int d = rank - 1; d >= 0; --d) {
    const int own = d - (rank - lead);
    steps[d] = own < 0 || b->shape[own] == 1 ? 0 : step;
    if (own >= 0) step *= b->shape[own];
  }
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
      offset += rest % shape[d] * steps[d];
      rest /= shape[d];
    }
    out[i] = offset;
  }
}

struct Sides {
  bool transpose;
  int64_t inner, columns;

  bool read(PyObject* p, const PackedMatrices& w) {
    static Name transpose_name("transpose_w");
    if (!get(p, transpose_name, transpose)) return false;
    inner = transpose ? w.k : w.rows;
    columns = transpose ? w.rows : w.k;
    return true;
  }
};

bool broadcast_lead(const Buffer* x, const Buffer* w, int rank, int64_t* shape) {
  for (int d = 0; d < rank; ++d) {
    const int dx = d - (rank - (x->rank - 2)), dw = d - (rank - (w->rank - 2));
    const int64_t a = dx < 0 ? 1 : x->shape[dx], b = dw < 0 ? 1 : w->shape[dw];
    if (a != b && a != 1 && b != 1) return false;
    shape[d] = a == 1 ? b : a;
  }
  return true;
}

PyObject* run_products(const Owned& x, const PackedOperand& packed, const Sides& sides, int rank,
                       int64_t* shape, const Pairs& pairs, int64_t m, Buffer* const* in, int n) {
  Outcome out(x->dtype, rank, shape);
  if (!out) return nullptr;
  if (out->size == 0) return out.give();
  {
    const Unlocked gil(packed.w.rows * packed.w.k > kUnlockWork, in, n);
    quantized_matmul(x->dtype, x->data, m, packed.w, sides.transpose, pairs, out->data);
  }
  return out.give();
}

PyObject* run_quantized_matmul(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  Packing packing;
  if (!read_mode(p, in[0]->dtype, packing)) return nullptr;
  if (n != 1 + parts_of(packing)) return refuse("quantized_matmul: wrong number of operands");
  const PackedOperand packed(packing, in + 1);
  const Owned x(contiguous(in[0]));
  Sides sides;
  if (PyErr_Occurred() || !sides.read(p, packed.w)) return nullptr;
  const bool meet = packed.fits && x->rank >= 2 && x->shape[x->rank - 1] == sides.inner;
  if (!meet || sides.inner == 0) return Py_NewRef(Py_NotImplemented);
  const int rank = std::max(x->rank, packed.words->rank) - 2;
  int64_t shape[kMaxRank];
  if (!broadcast_lead(x.get(), packed.words.get(), rank, shape))
    return Py_NewRef(Py_NotImplemented);
  shape[rank] = x->shape[x->rank - 2];
  shape[rank + 1] = sides.columns;
  if (packed.w.count == 1) {  // all rows of x times one matrix
    const int64_t none = 0;
    return run_products(x, packed, sides, rank + 2, shape, {&none, &none, 1},
                        x->size / sides.inner, in, n);
  }
  int64_t count = 1;
  for (int d = 0; d < rank; ++d) count *= shape[d];
  std::vector<int64_t> left(static_cast<size_t>(count)), right(left);
  fill_pairs(x.get(), x->rank - 2, rank, shape, left);
  fill_pairs(packed.words.get(), packed.words->rank - 2, rank, shape, right);
  return run_products(x, packed, sides, rank + 2, shape, {left.data(), right.data(), count},
                      shape[rank], in, n);
}

// Reads the matrix numbers of `b`, broadcast to `shape`; false where one is out of bounds.
bool read_numbers(const Buffer* b, int rank, const int64_t* shape, int64_t size,
                  std::vector<int64_t>& out) {
  const View v = view_of(b);
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
      const int own = d - (rank - v.rank);
      if (own >= 0 && v.shape[own] != 1) offset += rest % shape[d] * v.strides[own];
      rest /= shape[d];
    }
    const int64_t given =
        indexing::read_index(v.dtype, v.as<char>() + offset * itemsize(v.dtype));
    out[i] = given < 0 ? given + size : given;
    if (out[i] < 0 || out[i] >= size) return false;
  }
  return true;
}

PyObject* run_gather_qmm(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  Packing packing;
  if (!read_mode(p, in[0]->dtype, packing)) return nullptr;
  const int parts = parts_of(packing);
  if (n != 3 + parts) return refuse("gather_qmm: wrong number of operands");
  const PackedOperand packed(packing, in + 1);
  const Owned x(contiguous(in[0]));
  Sides sides;
  if (PyErr_Occurred() || !sides.read(p, packed.w)) return nullptr;
  const bool meet = packed.fits && x->rank >= 2 && x->shape[x->rank - 1] == sides.inner;
  const Buffer *lhs = in[1 + parts], *rhs = in[2 + parts];
  const int rank = std::max(lhs->rank, rhs->rank);
  int64_t shape[kMaxRank], count = 1;
  if (!meet || sides.inner == 0 || rank + 2 > kMaxRank) return Py_NewRef(Py_NotImplemented);
  for (int d = 0; d < rank; ++d) {
    const int dl = d - (rank - lhs->rank), dr = d - (rank - rhs->rank);
    const int64_t a = dl < 0 ? 1 : lhs->shape[dl], b = dr < 0 ? 1 : rhs->shape[dr];
    if (a != b && a != 1 && b != 1) return refuse("gather_qmm: the indices do not broadcast");
    shape[d] = a == 1 ? b : a;
    count *= shape[d];
  }
  std::vector<int64_t> left(static_cast<size_t>(count)), right(left);
  const bool inside =
      read_numbers(lhs, rank, shape, product_of(x.get(), x->rank - 2), left) &&
      read_numbers(rhs, rank, shape, packed.w.count, right);
  if (!inside) return Py_NewRef(Py_NotImplemented);  // decomposed, it says which index is wrong
  const int64_t m = x->shape[x->rank - 2];
  shape[rank] = m;
  shape[rank + 1] = sides.columns;
  return run_products(x, packed, sides, rank + 2, shape, {left.data(), right.data(), count}, m, in,
                      n);
}

// ---- 8-bit floats ------------------------------------------------------------

PyObject* run_to_fp8(const Kernel&, PyObject*, PyObject*, Buffer* const* in, int n) {
  const Owned x(contiguous(in[0]));
  if (!x) return nullptr;
  Outcome out(Dtype::uint8, x->rank, x->shape);
  if (!out) return nullptr;
  const Unlocked gil(out->size > kUnlockWork, in, n);
  to_fp8(view_of(x.get()), reinterpret_cast<uint8_t*>(out->data));
  return out.give();
}

PyObject* run_from_fp8(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name dtype_name("dtype");
  Dtype dtype;
  if (!get(p, dtype_name, dtype)) return nullptr;
  const Owned x(contiguous(in[0]));
  if (!x) return nullptr;
  Outcome out(dtype, x->rank, x->shape);
  if (!out) return nullptr;
  const Unlocked gil(out->size > kUnlockWork, in, n);
  from_fp8(view_of(x.get()), dtype, out->data);
  return out.give();
}

bool single(Dtype d) { return d == Dtype::float32 || is_half(d); }

bool is_index(Dtype d) { return is_integer(d); }

// Words, scales and biases from operand `first` on: with biases in `dtype`, or codes of scales.
bool is_packed(const Kernel& k, int first, int parts, Dtype dtype) {
  if (k.dtypes[first] != Dtype::uint32) return false;
  if (parts == 2) return k.dtypes[first + 1] == Dtype::uint8;
  return k.dtypes[first + 1] == dtype && k.dtypes[first + 2] == dtype;
}

}  // namespace

MONEL_KERNELS(quantized) {
  registry.kernel("affine_quantize", [](Kernel& k) {
    k.run = run_affine_quantize;
    return k.arity == 1 && single(k.dtypes[0]);
  });
  registry.kernel("fp_quantize", [](Kernel& k) {
    k.run = run_fp_quantize;
    return single(k.dtypes[0]) &&
           (k.arity == 1 || (k.arity == 2 && k.dtypes[1] == Dtype::float32));
  });
  registry.kernel("affine_dequantize", [](Kernel& k) {
    k.run = run_affine_dequantize;
    return k.arity == 3 && is_floating(k.dtypes[1]) && is_packed(k, 0, 3, k.dtypes[1]);
  });
  registry.kernel("fp_dequantize", [](Kernel& k) {
    k.run = run_fp_dequantize;
    return k.arity >= 2 && is_packed(k, 0, 2, Dtype::uint8) &&
           (k.arity == 2 || (k.arity == 3 && k.dtypes[2] == Dtype::float32));
  });
  registry.kernel("quantized_matmul", [](Kernel& k) {
    k.run = run_quantized_matmul;
    return (k.arity == 3 || k.arity == 4) && single(k.dtypes[0]) &&
           is_packed(k, 1, k.arity - 1, k.dtypes[0]);
  });
  registry.kernel("gather_qmm", [](Kernel& k) {
    k.run = run_gather_qmm;
    return (k.arity == 5 || k.arity == 6) && single(k.dtypes[0]) &&
           is_packed(k, 1, k.arity - 3, k.dtypes[0]) && is_index(k.dtypes[k.arity - 2]) &&
           is_index(k.dtypes[k.arity - 1]);
  });
  registry.kernel("to_fp8", [](Kernel& k) {
    k.run = run_to_fp8;
    return k.arity == 1 && is_floating(k.dtypes[0]);
  });
  registry.kernel("from_fp8", [](Kernel& k) {
    k.run = run_from_fp8;
    return k.arity == 1 && k.dtypes[0] == Dtype::uint8;
  });
}

}  // namespace monel
