// Runs of float32 operations in which each takes the result of the one before: that result stays in registers.
#pragma once
#include <cstdint>

namespace monel {

inline constexpr int kMaxLinks = 64;
inline constexpr int kLinkFloats = 64;  // that an operand held constant must repeat

// What an operation does to the running value x, y being its other operand; `from` has x on the right.
enum class LinkOp : uint8_t {
  add, sub, sub_from, mul, div, div_from, maximum, minimum, square, neg, abs, sqrt, reciprocal, exp, tanh, sigmoid,
  erf, none
};

struct Link {
  LinkOp op;
  int64_t step;       // 1, or 0 for a constant: kLinkFloats equal elements
  const float* data;  // the other operand; null where there is none
};

struct ChainTable {
  // out = the links applied in turn to `start`, for n elements; every operation rounds. `out` may be an operand.
  void (*run)(Link start, const Link* links, int count, float* out, int64_t n);
};

const ChainTable& chains();

}  // namespace monel
