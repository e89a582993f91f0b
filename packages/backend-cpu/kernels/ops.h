// Elementwise operations on contiguous tiles: the vocabulary of single kernels and of fused bodies.
#pragma once
#include "view.h"

namespace monel {

#define MONEL_UNARY_OPS(X)                                                                                   \
  X(neg) X(abs) X(sign) X(floor) X(ceil) X(round) X(exp) X(exp2) X(expm1) X(log) X(log1p) X(log2) X(log10)   \
  X(sqrt) X(rsqrt) X(square) X(reciprocal) X(sin) X(cos) X(tan) X(arcsin) X(arccos) X(arctan) X(sinh)        \
  X(cosh) X(tanh) X(arcsinh) X(arccosh) X(arctanh) X(sigmoid) X(erf) X(erfinv) X(logical_not)                \
  X(bitwise_invert) X(isnan) X(isinf) X(isfinite) X(real) X(imag) X(conj)
#define MONEL_BINARY_OPS(X)                                                                                  \
  X(add) X(sub) X(mul) X(div) X(rem) X(floor_divide) X(pow) X(maximum) X(minimum) X(arctan2) X(logaddexp)    \
  X(bitwise_and) X(bitwise_or) X(bitwise_xor) X(shift_left) X(shift_right) X(equal) X(not_equal) X(less)     \
  X(less_equal) X(greater) X(greater_equal) X(logical_and) X(logical_or)

#define MONEL_ENUM(name) name,
enum class Op : uint8_t { MONEL_UNARY_OPS(MONEL_ENUM) MONEL_BINARY_OPS(MONEL_ENUM) where, cast };
#undef MONEL_ENUM
inline constexpr int kOps = static_cast<int>(Op::cast) + 1;

// out[i] = f(a[i], b[i], c[i]) for i < n; `out` may be one of the operands.
using Tile = void (*)(const void* a, const void* b, const void* c, void* out, int64_t n);

// Binary operations have variants for a scalar on either side (pointed to).
struct OpEntry {
  Tile vv = nullptr, vs = nullptr, sv = nullptr;
};

struct OpTable {
  OpEntry entries[kOps][kDtypes];  // by dtype of the operands (of the choices, for where)
  Tile casts[kDtypes][kDtypes];    // from, to
};

const OpTable& vector_ops();  // by instruction set
const OpTable& plain_ops();   // the rest: complex, libm in double, what is rare

bool op_named(const char* name, Op& op);
const char* op_name(Op op);
constexpr int op_arity(Op op) { return op < Op::add || op == Op::cast ? 1 : op == Op::where ? 3 : 2; }
// The entry for operands of this dtype; null where the operation has no meaning for it.
const OpEntry* find_op(Op op, Dtype dtype);
Tile find_cast(Dtype from, Dtype to);
Dtype op_result(Op op, Dtype operand);
// Cost of one element, in additions.
int op_cost(Op op, Dtype dtype);

}  // namespace monel
