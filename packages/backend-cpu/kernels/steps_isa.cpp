// Compiled once per instruction set (isa.h): inner loops of attention, depthwise convolution and
// random bits.
#include "steps.h"

#include "isa.h"
#include "vector.h"

namespace monel {
namespace {

// ---- Softmax for attention ---------------------------------------------------

// exp for arguments at or below zero; below -87.3 the result is zero (the smallest normal float32).
// Cody and Waite reduction, then a degree-6 polynomial: 1.1 ulp.
MONEL_INLINE Reg exp_negative(Reg x) {
  const Reg low = splat(-87.3f);
  const Reg t = x < low ? low : x;
  const Reg magic = splat(0x1.8p23f);
  const Reg n = fma(t, splat(1.44269504f), magic);
  const Reg k = n - magic;
  Reg r = fma(k, splat(-0.693145751953125f), t);
  r = fma(k, splat(-1.42860677e-6f), r);
  Reg p = splat(1.3888889e-3f);
  p = fma(p, r, splat(8.3333333e-3f));
  p = fma(p, r, splat(4.1666668e-2f));
  p = fma(p, r, splat(1.6666667e-1f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  const RegI power = (reinterpret_cast<RegI>(n) << 23) + reinterpret_cast<RegI>(p);
  return x < low ? Reg{} : (x == x ? reinterpret_cast<Reg>(power) : x);
}

float softmax_row(float* s, int64_t n, float* max, float* sum) {
  float top = *max;
  int64_t i = 0;
  if (n >= kLanes) {
    Reg best = load(s);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const Reg v = load(s + i);
      best = v > best ? v : best;
    }
    for (int j = 0; j < kLanes; ++j) top = best[j] > top ? best[j] : top;
  }
  for (; i < n; ++i) top = s[i] > top ? s[i] : top;
  if (top == -__builtin_inff()) {  // everything so far is masked: weights of zero
    for (i = 0; i < n; ++i) s[i] = s[i] != s[i] ? s[i] : 0.0f;
    for (i = 0; i < n; ++i) *sum += s[i];
    return 1.0f;
  }
  const Reg shift = splat(top);
  Reg acc = {};
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const Reg e = exp_negative(load(s + i) - shift);
    store(s + i, e);
    acc = acc + e;
  }
  if (i < n) {
    float rest[kLanes];
    for (int j = 0; j < kLanes; ++j) rest[j] = i + j < n ? s[i + j] : -__builtin_inff();
    const Reg e = exp_negative(load(rest) - shift);
    store(rest, e);
    for (int j = 0; i + j < n; ++j) s[i + j] = rest[j];
    acc = acc + e;
  }
  const float factor = *max == -__builtin_inff() ? 0.0f : exp_negative(splat(*max - top))[0];
  *sum = fma1(*sum, factor, total(acc));
  *max = top;
  return factor;
}

void scale_row(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// Channels side by side, each with its own weights: V vectors of them stay in registers over all
// taps.
template <int V>
MONEL_INLINE void depthwise_block(int64_t taps, const float* const* x, const float* w, int64_t n,
                                  int64_t j, float* out) {
  Reg acc[V] = {};
  for (int64_t t = 0; t < taps; ++t)
    for (int v = 0; v < V; ++v)
      acc[v] = fma(load(x[t] + j + v * kLanes), load(w + t * n + j + v * kLanes), acc[v]);
  for (int v = 0; v < V; ++v) store(out + j + v * kLanes, acc[v]);
}

void depthwise(int64_t taps, const float* const* x, const float* w, int64_t n, float* out) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) depthwise_block<4>(taps, x, w, n, j, out);
  for (; j + kLanes <= n; j += kLanes) depthwise_block<1>(taps, x, w, n, j, out);
  for (; j < n; ++j) {
    float sum = 0;
    for (int64_t t = 0; t < taps; ++t) sum = fma1(x[t][j], w[t * n + j], sum);
    out[j] = sum;
  }
}

// ---- Indices to offsets ------------------------------------------------------

// Products are taken without sign: that of an index out of bounds may overflow, and is not used.
template <class T>
bool place_of(const void* src, int64_t src_step, int64_t n, int64_t size, int64_t top, int64_t step,
              bool accumulate, int64_t* out) {
  const T* index = static_cast<const T*>(src);
  uint64_t wrong = top < 0;
  const auto one = [&](int64_t given, int64_t before) __attribute__((always_inline)) {
    const int64_t i = given + (given < 0 ? size : 0);
    wrong |= static_cast<uint64_t>(i) > static_cast<uint64_t>(top);
    return before + static_cast<int64_t>(static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
  };
  if (accumulate)
    for (int64_t j = 0; j < n; ++j) out[j] = one(static_cast<int64_t>(index[j * src_step]), out[j]);
  else if (src_step == 1)
    for (int64_t j = 0; j < n; ++j) out[j] = one(static_cast<int64_t>(index[j]), 0);
  else
    for (int64_t j = 0; j < n; ++j) out[j] = one(static_cast<int64_t>(index[j * src_step]), 0);
  return wrong != 0;
}

bool place(Dtype dtype, const void* src, int64_t src_step, int64_t n, int64_t size, int64_t top,
           int64_t step, bool accumulate, int64_t* out) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return place_of<uint8_t>(src, src_step, n, size, top, step, accumulate, out);
    case Dtype::uint16:
      return place_of<uint16_t>(src, src_step, n, size, top, step, accumulate, out);
    case Dtype::uint32:
      return place_of<uint32_t>(src, src_step, n, size, top, step, accumulate, out);
    case Dtype::int8: return place_of<int8_t>(src, src_step, n, size, top, step, accumulate, out);
    case Dtype::int16: return place_of<int16_t>(src, src_step, n, size, top, step, accumulate, out);
    case Dtype::int32: return place_of<int32_t>(src, src_step, n, size, top, step, accumulate, out);
    default:  // uint64 above 2^63 turns negative: out of bounds
      return place_of<int64_t>(src, src_step, n, size, top, step, accumulate, out);
  }
}

// ---- Threefry-2x32, 20 rounds --------------------------------------------------

template <int kTurn>
MONEL_INLINE void mix(uint32_t (&a)[kThreefryLanes], uint32_t (&b)[kThreefryLanes]) {
  for (int i = 0; i < kThreefryLanes; ++i) {
    a[i] += b[i];
    b[i] = ((b[i] << kTurn) | (b[i] >> (32 - kTurn))) ^ a[i];
  }
}

MONEL_INLINE void inject(uint32_t (&a)[kThreefryLanes], uint32_t (&b)[kThreefryLanes], uint32_t ka,
                         uint32_t kb) {
  for (int i = 0; i < kThreefryLanes; ++i) {
    a[i] += ka;
    b[i] += kb;
  }
}

// Encrypts counter pairs in place.
void threefry(uint32_t k0, uint32_t k1, uint32_t* left, uint32_t* right) {
  auto& a = *reinterpret_cast<uint32_t(*)[kThreefryLanes]>(left);
  auto& b = *reinterpret_cast<uint32_t(*)[kThreefryLanes]>(right);
  const uint32_t k2 = k0 ^ k1 ^ 0x1BD11BDAu;
  inject(a, b, k0, k1);
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
  inject(a, b, k1, k2 + 1);
  mix<17>(a, b), mix<29>(a, b), mix<16>(a, b), mix<24>(a, b);
  inject(a, b, k2, k0 + 2);
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
  inject(a, b, k0, k1 + 3);
  mix<17>(a, b), mix<29>(a, b), mix<16>(a, b), mix<24>(a, b);
  inject(a, b, k1, k2 + 4);
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
  inject(a, b, k2, k0 + 5);
}

}  // namespace

MONEL_DEFINE_TABLE(StepTable, steps) = {softmax_row, scale_row, depthwise, place, threefry};

}  // namespace monel
