// Rows for one instruction set. Lanes are explicit and 64 bytes wide everywhere, so all sets give the same sums.
#include "rows.h"

#include "isa.h"
#include "vecmath.h"

namespace monel {
namespace {

#define MONEL_OP static inline __attribute__((always_inline))

template <class T> struct Lanes;
#define MONEL_LANES(T) \
  template <> struct Lanes<T> { typedef T type __attribute__((vector_size(64), aligned(1), may_alias)); };
MONEL_LANES(uint8_t) MONEL_LANES(uint16_t) MONEL_LANES(uint32_t) MONEL_LANES(uint64_t)
MONEL_LANES(int8_t) MONEL_LANES(int16_t) MONEL_LANES(int32_t) MONEL_LANES(int64_t)
MONEL_LANES(float) MONEL_LANES(double)

template <class T> constexpr bool is_float = __is_same(T, float) || __is_same(T, double);
template <class T> constexpr T lowest() {
  if constexpr (is_float<T>) return static_cast<T>(-kInf);
  else return T(-1) < T(0) ? static_cast<T>(T(1) << (8 * sizeof(T) - 1)) : T(0);
}
template <class T> constexpr T highest() {
  if constexpr (is_float<T>) return static_cast<T>(kInf);
  else return static_cast<T>(~lowest<T>());
}

template <class T> struct Unsigned { using type = T; };
template <> struct Unsigned<int8_t> { using type = uint8_t; };
template <> struct Unsigned<int16_t> { using type = uint16_t; };
template <> struct Unsigned<int32_t> { using type = uint32_t; };
template <> struct Unsigned<int64_t> { using type = uint64_t; };

template <bool first, class A, class B> struct Choose { using type = A; };
template <class A, class B> struct Choose<false, A, B> { using type = B; };

struct Sum {
  template <class V> MONEL_OP void f(V& a, const V& x) { a = a + x; }
  template <class T> static constexpr T start() { return T(0); }
  static constexpr bool wraps = true;
};
struct Prod {
  template <class V> MONEL_OP void f(V& a, const V& x) { a = a * x; }
  template <class T> static constexpr T start() { return T(1); }
  static constexpr bool wraps = true;
};
struct Max {
  template <class V> MONEL_OP void f(V& a, const V& x) { a = (x > a) | (x != x) ? x : a; }
  template <class T> static constexpr T start() { return lowest<T>(); }
  static constexpr bool wraps = false;
};
struct Min {
  template <class V> MONEL_OP void f(V& a, const V& x) { a = (x < a) | (x != x) ? x : a; }
  template <class T> static constexpr T start() { return highest<T>(); }
  static constexpr bool wraps = false;
};

template <class T> MONEL_OP Partial partial(T x) {
  Partial p;
  p.integer = 0;
  if constexpr (is_float<T>) p.real = static_cast<double>(x);
  else p.integer = static_cast<uint64_t>(x);
  return p;
}

// Four vectors of lanes, folded by halves.
template <class R, class T>
MONEL_OP T leaf_of(const T* x, int64_t n) {
  using V = typename Lanes<T>::type;
  constexpr int64_t lanes = 64 / sizeof(T);
  T fold[lanes];
  if (n < lanes) {
    T a = R::template start<T>();
    for (int64_t i = 0; i < n; ++i) R::f(a, x[i]);
    return a;
  }
  V a[4];
  for (int k = 0; k < 4; ++k)
    for (int64_t j = 0; j < lanes; ++j) a[k][j] = R::template start<T>();
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) {
      const V v = *reinterpret_cast<const V*>(x + i + k * lanes);
      R::f(a[k], v);
    }
  for (; i + lanes <= n; i += lanes) {
    const V v = *reinterpret_cast<const V*>(x + i);
    R::f(a[0], v);
  }
  R::f(a[0], a[1]);
  R::f(a[2], a[3]);
  R::f(a[0], a[2]);
  *reinterpret_cast<V*>(fold) = a[0];
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t j = 0; j < half; ++j) R::f(fold[j], fold[j + half]);
  for (; i < n; ++i) R::f(fold[0], x[i]);
  return fold[0];
}

template <class R, class T>
Partial leaf(const void* x, int64_t n) {
  if constexpr (__is_same(T, float16) || __is_same(T, bfloat16)) {
    float wide[kLeaf];
    for (int64_t i = 0; i < n; ++i) wide[i] = widen(static_cast<const T*>(x)[i]);
    return partial(leaf_of<R>(wide, n));
  } else if constexpr (R::wraps && !is_float<T>) {
    using U = typename Unsigned<T>::type;
    return partial(leaf_of<R>(static_cast<const U*>(x), n));
  } else {
    return partial(leaf_of<R>(static_cast<const T*>(x), n));
  }
}

template <class T>
int64_t find(const void* data, int64_t n, Partial value) {
  using C = typename Compute<T>::type;
  const T* x = static_cast<const T*>(data);
  C wanted;
  if constexpr (is_float<C>) wanted = static_cast<C>(value.real);
  else wanted = static_cast<C>(value.integer);
  const bool nan = wanted != wanted;
  const auto same = [=](T e) {
    const C v = widen(e);
    return (v == wanted) | (nan & (v != v));
  };
  constexpr int64_t piece = 64;
  int64_t i = 0;
  for (; i + piece <= n; i += piece) {
    uint32_t here = 0;
    for (int64_t j = 0; j < piece; ++j) here += same(x[i + j]);
    if (here) break;
  }
  while (i < n && !same(x[i])) ++i;
  return i;
}

template <class R, class T>
void columns(const void* data, int64_t stride, int64_t rows, int64_t n, void* acc) {
  using A = typename Unsigned<typename Compute<T>::type>::type;
  using C = typename Compute<T>::type;
  using W = typename Choose<R::wraps, A, C>::type;
  const T* x = static_cast<const T*>(data);
  W* a = static_cast<W*>(acc);
  int64_t k = 0;
  for (; k + 4 <= rows; k += 4) {
    const T* r0 = x + k * stride;
    const T *r1 = r0 + stride, *r2 = r1 + stride, *r3 = r2 + stride;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      W v = a[j];
      R::f(v, static_cast<W>(widen(r0[j])));
      R::f(v, static_cast<W>(widen(r1[j])));
      R::f(v, static_cast<W>(widen(r2[j])));
      R::f(v, static_cast<W>(widen(r3[j])));
      a[j] = v;
    }
  }
  for (; k < rows; ++k)
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      W v = a[j];
      R::f(v, static_cast<W>(widen(x[k * stride + j])));
      a[j] = v;
    }
}

MONEL_OP float max_of(const float* x, int64_t n) { return leaf_of<Max>(x, n); }

// 64 lanes of partial sums of f(x[i]), in one order for all sets.
template <class F>
MONEL_OP float total(int64_t n, F f) {
  constexpr int64_t lanes = 64;
  float a[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
#pragma GCC unroll 4
    for (int64_t j = 0; j < lanes; ++j) a[j] += f(i + j);
  for (int64_t j = 0; i + j < n; ++j) a[j] += f(i + j);
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t j = 0; j < half; ++j) a[j] += a[j + half];
  return a[0];
}

MONEL_OP float finite(float top) { return top == -kInf || top == kInf ? 0.0f : top; }

void softmax(const float* x, float* out, int64_t n) {
  const float top = max_of(x, n), shift = top == -kInf ? 0.0f : top;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = exp_negative_f(x[i] - shift);
  const float scale = 1.0f / total(n, [=](int64_t i) { return out[i]; });
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = out[i] * scale;
}

float logsumexp(const float* x, int64_t n) {
  const float top = max_of(x, n), shift = finite(top);
  if (top != shift) return top;
  float sum = 0.0f;
  for (int64_t at = 0; at < n; at += kLeaf) {
    const int64_t m = n - at < kLeaf ? n - at : kLeaf;
    float e[kLeaf];
    for (int64_t i = 0; i < m; ++i) e[i] = exp_negative_f(x[at + i] - shift);
    sum += total(m, [&](int64_t i) { return e[i]; });
  }
  return shift + log_f(sum);
}

void layer_norm(const float* x, const float* w, const float* b, float eps, float* out, int64_t n) {
  const float inverse = 1.0f / static_cast<float>(n);
  const float mean = total(n, [=](int64_t i) { return x[i]; }) * inverse;
  const float variance = total(n, [=](int64_t i) {
    const float d = x[i] - mean;
    return d * d;
  }) * inverse;
  const float scale = 1.0f / __builtin_sqrtf(variance + eps);
  if (w && b) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = fused((x[i] - mean) * scale, w[i], b[i]);
    return;
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - mean) * scale;
  if (w)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = out[i] * w[i];
  if (b)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = out[i] + b[i];
}

void rms_norm(const float* x, const float* w, float eps, float* out, int64_t n) {
  const float mean = total(n, [=](int64_t i) { return x[i] * x[i]; }) / static_cast<float>(n);
  const float scale = 1.0f / __builtin_sqrtf(mean + eps);
  if (w) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * w[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale;
  }
}

template <class T>
constexpr void set(RowTable& t) {
  const int d = static_cast<int>(DtypeOf<T>::value);
  t.leaf[0][d] = leaf<Sum, T>;
  t.leaf[1][d] = leaf<Prod, T>;
  t.leaf[2][d] = leaf<Max, T>;
  t.leaf[3][d] = leaf<Min, T>;
  t.columns[0][d] = columns<Sum, T>;
  t.columns[1][d] = columns<Prod, T>;
  t.columns[2][d] = columns<Max, T>;
  t.columns[3][d] = columns<Min, T>;
  t.find[d] = find<T>;
}

constexpr RowTable make() {
  RowTable t{};
  set<uint8_t>(t);
  set<uint16_t>(t);
  set<uint32_t>(t);
  set<uint64_t>(t);
  set<int8_t>(t);
  set<int16_t>(t);
  set<int32_t>(t);
  set<int64_t>(t);
  set<float16>(t);
  set<bfloat16>(t);
  set<float>(t);
  set<double>(t);
  t.softmax = softmax;
  t.logsumexp = logsumexp;
  t.layer_norm = layer_norm;
  t.rms_norm = rms_norm;
  return t;
}

}  // namespace

MONEL_DEFINE_TABLE(RowTable, rows) = make();

}  // namespace monel
