// Compiled once per instruction set (isa.h): chains of operations on blocks of registers.
#include "steps_chain.h"

#include "isa.h"
#include "vecmath.h"
#include "vector.h"

namespace monel {
namespace {

// The switch below is paid once a block; half of the 16 registers of v2, whose vectors are short, hold one.
constexpr int kRegs = kLanes == 4 ? 8 : 4;
constexpr int kBlock = kRegs * kLanes;
static_assert(kBlock <= kLinkFloats);

struct Block {
  Reg r[kRegs];
};

MONEL_INLINE Block load_block(const float* p) {
  Block x;
  for (int j = 0; j < kRegs; ++j) x.r[j] = load(p + j * kLanes);
  return x;
}

MONEL_INLINE void store_block(float* p, const Block& x) {
  for (int j = 0; j < kRegs; ++j) store(p + j * kLanes, x.r[j]);
}

template <class F>
MONEL_INLINE void each(Block& x, F f) {
  for (int j = 0; j < kRegs; ++j) x.r[j] = f(x.r[j]);
}

template <class F>
MONEL_INLINE void each(Block& x, const float* p, F f) {
  for (int j = 0; j < kRegs; ++j) x.r[j] = f(x.r[j], load(p + j * kLanes));
}

// The functions of vecmath.h are of one element; the compiler vectorises the loop.
template <class F>
MONEL_INLINE void function(Block& x, F f) {
  float y[kBlock];
  store_block(y, x);
  for (int i = 0; i < kBlock; ++i) y[i] = f(y[i]);
  x = load_block(y);
}

#define MONEL_REG2(expression) [](Reg x, Reg y) __attribute__((always_inline)) { return expression; }
#define MONEL_REG1(expression) [](Reg x) __attribute__((always_inline)) { return expression; }
#define MONEL_ONE(expression) [](float x) __attribute__((always_inline)) { return expression; }

MONEL_INLINE void apply(LinkOp op, Block& x, const float* y) {
  switch (op) {
    case LinkOp::add: return each(x, y, MONEL_REG2(x + y));
    case LinkOp::sub: return each(x, y, MONEL_REG2(x - y));
    case LinkOp::sub_from: return each(x, y, MONEL_REG2(y - x));
    case LinkOp::mul: return each(x, y, MONEL_REG2(x * y));
    case LinkOp::div: return each(x, y, MONEL_REG2(x / y));
    case LinkOp::div_from: return each(x, y, MONEL_REG2(y / x));
    case LinkOp::maximum: return each(x, y, MONEL_REG2(((x > y) | (x != x)) ? x : y));
    case LinkOp::minimum: return each(x, y, MONEL_REG2(((x < y) | (x != x)) ? x : y));
    case LinkOp::square: return each(x, MONEL_REG1(x * x));
    case LinkOp::neg: return each(x, MONEL_REG1(-x));
    case LinkOp::abs: return function(x, MONEL_ONE(magnitude(x)));
    case LinkOp::sqrt: return function(x, MONEL_ONE(__builtin_sqrtf(x)));
    case LinkOp::reciprocal: return function(x, MONEL_ONE(1.0f / x));
    case LinkOp::exp: return function(x, MONEL_ONE(exp_f(x)));
    case LinkOp::tanh: return function(x, MONEL_ONE(tanh_f(x)));
    case LinkOp::sigmoid: return function(x, MONEL_ONE(sigmoid_f(x)));
    case LinkOp::erf: return function(x, MONEL_ONE(erf_f(x)));
    case LinkOp::none: return;
  }
}

// The last elements, which are no whole block, by way of a copy.
void run_rest(Link start, const Link* links, int count, float* out, int64_t at, int64_t n) {
  float given[kBlock] = {};
  const auto whole = [&](const Link& link) {
    if (link.step == 0) return link.data;
    for (int64_t i = 0; i < n; ++i) given[i] = link.data[at + i];
    return static_cast<const float*>(given);
  };
  Block x = load_block(whole(start));
  for (int k = 0; k < count; ++k) apply(links[k].op, x, links[k].data ? whole(links[k]) : nullptr);
  store_block(given, x);
  for (int64_t i = 0; i < n; ++i) out[at + i] = given[i];
}

// Any chain, a block of registers at a time.
void run_blocks(Link start, const Link* links, int count, float* out, int64_t n) {
  int64_t at = 0;
  for (; at + kBlock <= n; at += kBlock) {
    Block x = load_block(start.data + at * start.step);
    for (int k = 0; k < count; ++k) apply(links[k].op, x, links[k].data + at * links[k].step);
    store_block(out + at, x);
  }
  if (at < n) run_rest(start, links, count, out, at, n - at);
}

// ---- Phrases: frequent sequences, compiled as one loop ------------------------------------------

// A product with a constant, then a sum with one; either may be neutral. Both round.
struct Affine {
  float factor = 1.0f, term = -0.0f;
  MONEL_INLINE float of(const Affine& f, float x) { return x * f.factor + f.term; }
};

// x -> inner -> function -> outer -> times y -> times z -> last, as far as its loop has them.
struct Phrase {
  Affine inner, outer, last;
  const float* y = nullptr;
  const float* z = nullptr;
};

struct Same { MONEL_INLINE float f(float x) { return x; } };
struct Exp { MONEL_INLINE float f(float x) { return exp_f(x); } };
struct Tanh { MONEL_INLINE float f(float x) { return tanh_f(x); } };
struct Sigmoid { MONEL_INLINE float f(float x) { return sigmoid_f(x); } };

enum Part { kInner = 1, kOuter = 2, kLast = 4, kParts = 8 };
using PhraseLoop = void (*)(const Phrase&, const float*, float*, int64_t);

template <class F, int parts, int factors>
void phrase(const Phrase& given, const float* x, float* out, int64_t n) {
  const Phrase p = given;
#if defined(__clang__)
  _Pragma("clang loop vectorize(assume_safety)")
#else
  _Pragma("GCC ivdep")
#endif
  for (int64_t i = 0; i < n; ++i) {
    float v = x[i];
    if constexpr (parts & kInner) v = Affine::of(p.inner, v);
    v = F::f(v);
    if constexpr (parts & kOuter) v = Affine::of(p.outer, v);
    if constexpr (factors > 0) v = v * p.y[i];
    if constexpr (factors > 1) v = v * p.z[i];
    if constexpr (parts & kLast) v = Affine::of(p.last, v);
    out[i] = v;
  }
}

struct PhraseLoops {
  PhraseLoop loops[kParts][3];
};

// `last` is formed after a factor only, `outer` after a function only.
template <class F, bool has_function>
constexpr PhraseLoops loops_of() {
  PhraseLoops t{};
  t.loops[0][0] = phrase<F, 0, 0>, t.loops[0][1] = phrase<F, 0, 1>, t.loops[0][2] = phrase<F, 0, 2>;
  t.loops[1][0] = phrase<F, 1, 0>, t.loops[1][1] = phrase<F, 1, 1>, t.loops[1][2] = phrase<F, 1, 2>;
  t.loops[4][1] = phrase<F, 4, 1>, t.loops[4][2] = phrase<F, 4, 2>;
  t.loops[5][1] = phrase<F, 5, 1>, t.loops[5][2] = phrase<F, 5, 2>;
  if constexpr (has_function) {
    t.loops[2][0] = phrase<F, 2, 0>, t.loops[2][1] = phrase<F, 2, 1>, t.loops[2][2] = phrase<F, 2, 2>;
    t.loops[3][0] = phrase<F, 3, 0>, t.loops[3][1] = phrase<F, 3, 1>, t.loops[3][2] = phrase<F, 3, 2>;
    t.loops[6][1] = phrase<F, 6, 1>, t.loops[6][2] = phrase<F, 6, 2>;
    t.loops[7][1] = phrase<F, 7, 1>, t.loops[7][2] = phrase<F, 7, 2>;
  }
  return t;
}

constexpr PhraseLoops kSame = loops_of<Same, false>(), kExp = loops_of<Exp, true>(), kTanh = loops_of<Tanh, true>(),
                      kSigmoid = loops_of<Sigmoid, true>();

const PhraseLoops* function_loops(LinkOp op) {
  switch (op) {
    case LinkOp::exp: return &kExp;
    case LinkOp::tanh: return &kTanh;
    case LinkOp::sigmoid: return &kSigmoid;
    default: return nullptr;
  }
}

// Reads an affine step at links[k], if there is one, and moves k past it.
bool read_affine(const Link* links, int count, int& k, Affine& f) {
  const int from = k;
  if (k < count && links[k].op == LinkOp::mul && links[k].step == 0) f.factor = *links[k++].data;
  if (k == count || !links[k].data || links[k].step != 0) return k > from;
  const float s = *links[k].data;
  if (links[k].op == LinkOp::add) f.term = s, ++k;
  else if (links[k].op == LinkOp::sub && s == s) f.term = -s, ++k;  // -NaN is another NaN
  else if (links[k].op == LinkOp::sub_from && k == from) f.factor = -1.0f, f.term = s, ++k;
  return k > from;
}

bool read_factor(const Link* links, int count, int& k, const float*& y) {
  if (k == count || links[k].op != LinkOp::mul || links[k].step == 0) return false;
  y = links[k++].data;
  return true;
}

// Reads the longest phrase at links[k] and moves k past it; null where there is none.
PhraseLoop read_phrase(const Link* links, int count, int& k, Phrase& p) {
  const int from = k;
  const PhraseLoops* loops = &kSame;
  int parts = read_affine(links, count, k, p.inner) ? kInner : 0;
  if (k < count && function_loops(links[k].op)) {
    loops = function_loops(links[k++].op);
    if (read_affine(links, count, k, p.outer)) parts |= kOuter;
  }
  int factors = read_factor(links, count, k, p.y) ? 1 : 0;
  if (factors == 1 && read_factor(links, count, k, p.z)) factors = 2;
  if (factors > 0 && read_affine(links, count, k, p.last)) parts |= kLast;
  return k > from ? loops->loops[parts][factors] : nullptr;
}

void run(Link start, const Link* links, int count, float* out, int64_t n) {
  Phrase p;
  int read = 0;
  const PhraseLoop loop = start.step == 1 ? read_phrase(links, count, read, p) : nullptr;
  if (loop && read == count) loop(p, start.data, out, n);
  else run_blocks(start, links, count, out, n);
}

}  // namespace

MONEL_DEFINE_TABLE(ChainTable, chains) = {run};

}  // namespace monel
