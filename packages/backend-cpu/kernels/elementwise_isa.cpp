// Elementwise operations for one instruction set: every loop runs over contiguous tiles and vectorises.
#include <initializer_list>

#include "isa.h"
#include "ops.h"
#include "vecmath.h"

#if defined(__clang__)
#define MONEL_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define MONEL_LOOP _Pragma("GCC ivdep")  // an output may be exactly an operand, never overlap it otherwise
#endif

namespace monel {
namespace {

#define F(name, expression) \
  struct name##_f32 {       \
    MONEL_OP float f(float x) { return expression; } \
  };
#define MONEL_OP static inline __attribute__((always_inline))

// Any real type: T computes in C, the type itself or float for halves.
template <class T> constexpr bool is_float = __is_same(T, float) || __is_same(T, double);
template <class T> constexpr bool is_bool = __is_same(T, bool);

template <class T> MONEL_OP T floor_of(T x) {
  if constexpr (__is_same(T, float)) return __builtin_floorf(x);
  else return __builtin_floor(x);
}
template <class T> MONEL_OP T sqrt_of(T x) {
  if constexpr (__is_same(T, float)) return __builtin_sqrtf(x);
  else return __builtin_sqrt(x);
}

struct Neg { template <class T> MONEL_OP T f(T x) { return static_cast<T>(-x); } };
struct Square { template <class T> MONEL_OP T f(T x) { return static_cast<T>(x * x); } };
struct Identity { template <class T> MONEL_OP T f(T x) { return x; } };
struct Abs {
  template <class T> MONEL_OP T f(T x) {
    if constexpr (__is_same(T, float)) return __builtin_fabsf(x);
    else if constexpr (__is_same(T, double)) return __builtin_fabs(x);
    else return x < T(0) ? static_cast<T>(-x) : x;
  }
};
struct Sign {
  template <class T> MONEL_OP T f(T x) {
    if constexpr (is_float<T>) return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
    else return static_cast<T>((x > T(0)) - (x < T(0)));
  }
};
struct Floor { template <class T> MONEL_OP T f(T x) { return floor_of(x); } };
struct Ceil {
  template <class T> MONEL_OP T f(T x) {
    if constexpr (__is_same(T, float)) return __builtin_ceilf(x);
    else return __builtin_ceil(x);
  }
};
struct Round {
  template <class T> MONEL_OP T f(T x) {
    if constexpr (__is_same(T, float)) return __builtin_rintf(x);
    else return __builtin_rint(x);
  }
};
struct Sqrt { template <class T> MONEL_OP T f(T x) { return sqrt_of(x); } };
struct Rsqrt { template <class T> MONEL_OP T f(T x) { return T(1) / sqrt_of(x); } };
struct Reciprocal { template <class T> MONEL_OP T f(T x) { return T(1) / x; } };
struct BitwiseInvert { template <class T> MONEL_OP T f(T x) { return static_cast<T>(~x); } };
struct LogicalNot { template <class T> MONEL_OP uint8_t f(T x) { return x == T(0); } };
struct IsNan { template <class T> MONEL_OP uint8_t f(T x) { return x != x; } };
struct IsInf { template <class T> MONEL_OP uint8_t f(T x) { return Abs::f(x) == static_cast<T>(kInf); } };
struct IsFinite { template <class T> MONEL_OP uint8_t f(T x) { return Abs::f(x) < static_cast<T>(kInf); } };
struct Never { template <class T> MONEL_OP uint8_t f(T) { return 0; } };
struct Always { template <class T> MONEL_OP uint8_t f(T) { return 1; } };

F(Exp, exp_f(x)) F(Exp2, exp2_f(x)) F(Expm1, expm1_f(x)) F(Log, log_f(x)) F(Log2, log2_f(x)) F(Log10, log10_f(x))
F(Log1p, log1p_f(x)) F(Tanh, tanh_f(x)) F(Sigmoid, sigmoid_f(x)) F(Erf, erf_f(x)) F(Erfinv, erfinv_f(x))
F(Sin, sin_f(x)) F(Cos, cos_f(x)) F(Tan, tan_f(x)) F(Arctan, arctan_f(x)) F(Arcsin, arcsin_f(x))
F(Arccos, arccos_f(x)) F(Sinh, sinh_f(x)) F(Cosh, cosh_f(x))

// Integers wrap as two's complement; their products are formed unsigned, where wrapping is defined.
template <class T> struct Wide { using type = T; };
template <> struct Wide<int8_t> { using type = uint32_t; };
template <> struct Wide<int16_t> { using type = uint32_t; };
template <> struct Wide<uint8_t> { using type = uint32_t; };
template <> struct Wide<uint16_t> { using type = uint32_t; };
template <> struct Wide<int32_t> { using type = uint32_t; };
template <> struct Wide<int64_t> { using type = uint64_t; };

struct Add { template <class T> MONEL_OP T f(T x, T y) { using W = typename Wide<T>::type; return static_cast<T>(static_cast<W>(x) + static_cast<W>(y)); } };
struct Sub { template <class T> MONEL_OP T f(T x, T y) { using W = typename Wide<T>::type; return static_cast<T>(static_cast<W>(x) - static_cast<W>(y)); } };
struct Mul { template <class T> MONEL_OP T f(T x, T y) { using W = typename Wide<T>::type; return static_cast<T>(static_cast<W>(x) * static_cast<W>(y)); } };
struct Div { template <class T> MONEL_OP T f(T x, T y) { return x / y; } };
struct Maximum { template <class T> MONEL_OP T f(T x, T y) { return x > y || x != x ? x : y; } };
struct Minimum { template <class T> MONEL_OP T f(T x, T y) { return x < y || x != x ? x : y; } };
struct FloorDivide {
  template <class T> MONEL_OP T f(T x, T y) {
    if constexpr (is_float<T>) return floor_of(x / y);
    else {
      if (y == T(0)) return T(0);
      if constexpr (T(-1) < T(0)) {
        if (y == T(-1)) return Sub::f(T(0), x);
        const T q = static_cast<T>(x / y);
        return static_cast<T>(q - ((x % y != 0) && ((x < 0) != (y < 0))));
      }
      return static_cast<T>(x / y);
    }
  }
};
struct Rem {  // the sign of the divisor
  template <class T> MONEL_OP T f(T x, T y) {
    if constexpr (is_float<T>) {
      T r;
      if constexpr (__is_same(T, float)) r = __builtin_fmodf(x, y);
      else r = __builtin_fmod(x, y);
      return r != T(0) && (r < T(0)) != (y < T(0)) ? r + y : r;
    } else {
      if (y == T(0)) return x;
      if constexpr (T(-1) < T(0)) {
        if (y == T(-1)) return T(0);
        const T r = static_cast<T>(x % y);
        return r != 0 && (r < 0) != (y < 0) ? static_cast<T>(r + y) : r;
      }
      return static_cast<T>(x % y);
    }
  }
};
struct Pow {  // of integers
  template <class T> MONEL_OP T f(T x, T y) {
    if (y < T(0)) return x == T(1) ? T(1) : x == static_cast<T>(-1) ? static_cast<T>(y & 1 ? -1 : 1) : T(0);
    T out = 1;
    for (; y; y = static_cast<T>(y >> 1), x = Mul::f(x, x))
      if (y & 1) out = Mul::f(out, x);
    return out;
  }
};
struct Logaddexp {
  template <class T> MONEL_OP T f(T x, T y) {
    const T top = x > y ? x : y, low = x > y ? y : x;
    const T r = top + log1p_f(exp_f(low - top));
    return x != x || y != y ? x + y : top == kInf || low == -kInf ? top : r;
  }
};
struct BitwiseAnd { template <class T> MONEL_OP T f(T x, T y) { return static_cast<T>(x & y); } };
struct BitwiseOr { template <class T> MONEL_OP T f(T x, T y) { return static_cast<T>(x | y); } };
struct BitwiseXor { template <class T> MONEL_OP T f(T x, T y) { return static_cast<T>(x ^ y); } };
// A count that is negative or beyond the width shifts everything out.
struct ShiftLeft {
  template <class T> MONEL_OP T f(T x, T y) {
    using W = typename Wide<T>::type;
    constexpr int bits = 8 * sizeof(T);
    const bool in = y >= T(0) && y < T(bits);
    return in ? static_cast<T>(static_cast<W>(x) << (static_cast<W>(y) & (8 * sizeof(W) - 1))) : T(0);
  }
};
struct ShiftRight {
  template <class T> MONEL_OP T f(T x, T y) {
    constexpr int bits = 8 * sizeof(T);
    const bool in = y >= T(0) && y < T(bits);
    return static_cast<T>(in ? x >> (static_cast<int>(y) & (bits - 1)) : x < T(0) ? -1 : 0);
  }
};
struct Equal { template <class T> MONEL_OP uint8_t f(T x, T y) { return x == y; } };
struct NotEqual { template <class T> MONEL_OP uint8_t f(T x, T y) { return x != y; } };
struct Less { template <class T> MONEL_OP uint8_t f(T x, T y) { return x < y; } };
struct LessEqual { template <class T> MONEL_OP uint8_t f(T x, T y) { return x <= y; } };
struct Greater { template <class T> MONEL_OP uint8_t f(T x, T y) { return x > y; } };
struct GreaterEqual { template <class T> MONEL_OP uint8_t f(T x, T y) { return x >= y; } };
struct LogicalAnd { template <class T> MONEL_OP uint8_t f(T x, T y) { return (x != T(0)) & (y != T(0)); } };
struct LogicalOr { template <class T> MONEL_OP uint8_t f(T x, T y) { return (x != T(0)) | (y != T(0)); } };

// Stores what an operation gives: its own type, or bool as a byte.
template <class T, class C> MONEL_OP auto stored(C y) {
  if constexpr (__is_same(C, uint8_t) && !__is_same(T, uint8_t)) return y;
  else return narrow<T>(y);
}

template <class Op, class T>
void unary(const void* a, const void*, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  using R = decltype(stored<T>(Op::f(widen(*x))));
  R* y = static_cast<R*>(out);
  MONEL_LOOP
  for (int64_t i = 0; i < n; ++i) y[i] = stored<T>(Op::f(widen(x[i])));
}

enum Side { kVectors, kScalarRight, kScalarLeft };

template <class Op, class T, Side side>
void binary(const void* a, const void* b, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  using R = decltype(stored<T>(Op::f(widen(*x), widen(*y))));
  R* z = static_cast<R*>(out);
  if constexpr (side == kVectors) {
    MONEL_LOOP
    for (int64_t i = 0; i < n; ++i) z[i] = stored<T>(Op::f(widen(x[i]), widen(y[i])));
  } else if constexpr (side == kScalarRight) {
    const auto s = widen(*y);
    MONEL_LOOP
    for (int64_t i = 0; i < n; ++i) z[i] = stored<T>(Op::f(widen(x[i]), s));
  } else {
    const auto s = widen(*x);
    MONEL_LOOP
    for (int64_t i = 0; i < n; ++i) z[i] = stored<T>(Op::f(s, widen(y[i])));
  }
}

// Halves by way of a float tile, for operations that are large.
constexpr int kPiece = 256;

template <Tile run, class T>
void half_unary(const void* a, const void*, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  T* y = static_cast<T*>(out);
  float tile[kPiece];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t m = n - at < kPiece ? n - at : kPiece;
    for (int64_t i = 0; i < m; ++i) tile[i] = widen(x[at + i]);
    run(tile, nullptr, nullptr, tile, m);
    for (int64_t i = 0; i < m; ++i) y[at + i] = narrow<T>(tile[i]);
  }
}

template <Tile run, class T, Side side>
void half_binary(const void* a, const void* b, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  T* z = static_cast<T*>(out);
  float left[kPiece], right[kPiece];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t m = n - at < kPiece ? n - at : kPiece;
    for (int64_t i = 0; i < m; ++i) left[i] = widen(side == kScalarLeft ? *x : x[at + i]);
    for (int64_t i = 0; i < m; ++i) right[i] = widen(side == kScalarRight ? *y : y[at + i]);
    run(left, right, nullptr, left, m);
    for (int64_t i = 0; i < m; ++i) z[at + i] = narrow<T>(left[i]);
  }
}

template <Side side>
void pow_tile(const void* a, const void* b, const void*, void* out, int64_t n) {
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  float* z = static_cast<float*>(out);
  float left[kPiece], right[kPiece], body[kPiece];
  for (int64_t i = 0; i < kPiece; ++i) left[i] = *x, right[i] = *y;
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t m = n - at < kPiece ? n - at : kPiece;
    const float* base = side == kScalarLeft ? left : x + at;
    const float* exponent = side == kScalarRight ? right : y + at;
    for (int64_t i = 0; i < m; ++i) body[i] = pow_body(base[i], exponent[i]);
    MONEL_LOOP
    for (int64_t i = 0; i < m; ++i) z[at + i] = pow_select(base[i], exponent[i], body[i]);
  }
}

// The circular functions mend elements beyond the range of the fast reduction with libm.
template <class Op, float (*exact)(float)>
void circular(const void* a, const void*, const void*, void* out, int64_t n) {
  const float* x = static_cast<const float*>(a);
  float* y = static_cast<float*>(out);
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t m = n - at < kPiece ? n - at : kPiece;
    int32_t beyond = 0;
    float tile[kPiece];
    for (int64_t i = 0; i < m; ++i) {
      tile[i] = Op::f(x[at + i]);
      beyond |= !(magnitude(x[at + i]) <= kCircularLimit);
    }
    if (beyond)
      for (int64_t i = 0; i < m; ++i)
        if (!(magnitude(x[at + i]) <= kCircularLimit)) tile[i] = exact(x[at + i]);
    __builtin_memcpy(y + at, tile, static_cast<size_t>(m) * sizeof(float));
  }
}
float exact_sin(float x) { return __builtin_sinf(x); }
float exact_cos(float x) { return __builtin_cosf(x); }
float exact_tan(float x) { return __builtin_tanf(x); }

template <class T>
void where(const void* c, const void* a, const void* b, void* out, int64_t n) {
  const uint8_t* condition = static_cast<const uint8_t*>(c);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  T* z = static_cast<T*>(out);
  MONEL_LOOP
  for (int64_t i = 0; i < n; ++i) {
    const T one = x[i], other = y[i];  // both are read, so that this is a selection and not a branch
    z[i] = condition[i] ? one : other;
  }
}

// Conversion through int32, or int64 for unsigned integers of 32 bits and more; narrower ones keep
// the low bits. bool is "not zero".
struct Bool { uint8_t value; };

// What is out of range, and nan, gives the lowest number, as x86 has it: C leaves it open.
template <class To, class From>
MONEL_OP To truncated(From x) {
  constexpr From end = sizeof(To) == 4 ? From(2147483648.0) : From(9223372036854775808.0);
  constexpr To lowest = sizeof(To) == 4 ? To(INT32_MIN) : To(INT64_MIN);
  return x >= -end && x < end ? static_cast<To>(x) : lowest;
}

template <class To, class From>
MONEL_OP To convert(From x) {
  if constexpr (__is_same(From, Bool)) return convert<To>(x.value);
  else if constexpr (__is_same(From, float16) || __is_same(From, bfloat16)) {
    if constexpr (__is_same(From, To)) return x;
    else return convert<To>(widen(x));
  }
  else if constexpr (__is_same(To, Bool)) return {static_cast<uint8_t>(x != From(0))};
  else if constexpr (__is_same(To, float16) || __is_same(To, bfloat16)) return narrow<To>(static_cast<float>(x));
  else if constexpr (is_float<From> && !is_float<To> && sizeof(To) < 4)
    return static_cast<To>(truncated<int32_t>(x));
  else if constexpr (is_float<From> && __is_same(To, uint32_t)) return static_cast<To>(truncated<int64_t>(x));
  else if constexpr (is_float<From> && __is_same(To, uint64_t)) {
    constexpr From half = From(9223372036854775808.0);
    const bool upper = x >= half && x < 2 * half;
    return static_cast<To>(truncated<int64_t>(upper ? x - half : x)) ^ (upper ? uint64_t{1} << 63 : 0);
  }
  else if constexpr (is_float<From> && (__is_same(To, int32_t) || __is_same(To, int64_t))) return truncated<To>(x);
  else return static_cast<To>(x);
}

template <class From, class To>
void cast(const void* a, const void*, const void*, void* out, int64_t n) {
  const From* x = static_cast<const From*>(a);
  To* y = static_cast<To*>(out);
  MONEL_LOOP
  for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
}

constexpr int index(Op op) { return static_cast<int>(op); }

template <class T> constexpr int slot() { return static_cast<int>(DtypeOf<T>::value); }
template <> constexpr int slot<Bool>() { return static_cast<int>(Dtype::bool_); }

template <class T, class F>
constexpr void set1(OpTable& t, Op op, F) {
  t.entries[index(op)][slot<T>()].vv = unary<F, T>;
}
template <class T, class F>
constexpr void set2(OpTable& t, Op op, F) {
  t.entries[index(op)][slot<T>()] = {binary<F, T, kVectors>, binary<F, T, kScalarRight>, binary<F, T, kScalarLeft>};
}
template <class F>
constexpr void set_float(OpTable& t, Op op, F) {
  OpEntry(&row)[kDtypes] = t.entries[index(op)];
  row[slot<float>()].vv = unary<F, float>;
  row[slot<float16>()].vv = half_unary<unary<F, float>, float16>;
  row[slot<bfloat16>()].vv = half_unary<unary<F, float>, bfloat16>;
}
template <Tile run>
constexpr void set_tile(OpTable& t, Op op) {
  OpEntry(&row)[kDtypes] = t.entries[index(op)];
  row[slot<float>()].vv = run;
  row[slot<float16>()].vv = half_unary<run, float16>;
  row[slot<bfloat16>()].vv = half_unary<run, bfloat16>;
}
template <class T, Tile run>
constexpr void set_half2(OpTable& t, Op op) {
  t.entries[index(op)][slot<T>()] = {half_binary<run, T, kVectors>, half_binary<run, T, kScalarRight>,
                                     half_binary<run, T, kScalarLeft>};
}

// What all real types have.
template <class T>
constexpr void set_real(OpTable& t) {
  set1<T>(t, Op::neg, Neg{});
  set1<T>(t, Op::abs, Abs{});
  set1<T>(t, Op::sign, Sign{});
  set1<T>(t, Op::square, Square{});
  set1<T>(t, Op::logical_not, LogicalNot{});
  set1<T>(t, Op::real, Identity{});
  set1<T>(t, Op::conj, Identity{});
  set2<T>(t, Op::add, Add{});
  set2<T>(t, Op::sub, Sub{});
  set2<T>(t, Op::mul, Mul{});
  set2<T>(t, Op::maximum, Maximum{});
  set2<T>(t, Op::minimum, Minimum{});
  set2<T>(t, Op::equal, Equal{});
  set2<T>(t, Op::not_equal, NotEqual{});
  set2<T>(t, Op::less, Less{});
  set2<T>(t, Op::less_equal, LessEqual{});
  set2<T>(t, Op::greater, Greater{});
  set2<T>(t, Op::greater_equal, GreaterEqual{});
  set2<T>(t, Op::logical_and, LogicalAnd{});
  set2<T>(t, Op::logical_or, LogicalOr{});
}

template <class T>
constexpr void set_integer(OpTable& t) {
  set_real<T>(t);
  set2<T>(t, Op::floor_divide, FloorDivide{});
  set2<T>(t, Op::rem, Rem{});
  set2<T>(t, Op::pow, Pow{});
  set2<T>(t, Op::bitwise_and, BitwiseAnd{});
  set2<T>(t, Op::bitwise_or, BitwiseOr{});
  set2<T>(t, Op::bitwise_xor, BitwiseXor{});
  set2<T>(t, Op::shift_left, ShiftLeft{});
  set2<T>(t, Op::shift_right, ShiftRight{});
  set1<T>(t, Op::bitwise_invert, BitwiseInvert{});
  set1<T>(t, Op::floor, Identity{});
  set1<T>(t, Op::ceil, Identity{});
  set1<T>(t, Op::round, Identity{});
  set1<T>(t, Op::isnan, Never{});
  set1<T>(t, Op::isinf, Never{});
  set1<T>(t, Op::isfinite, Always{});
}

template <class T>
constexpr void set_floating(OpTable& t) {
  set_real<T>(t);
  set2<T>(t, Op::div, Div{});
  set2<T>(t, Op::floor_divide, FloorDivide{});
  set1<T>(t, Op::floor, Floor{});
  set1<T>(t, Op::ceil, Ceil{});
  set1<T>(t, Op::round, Round{});
  set1<T>(t, Op::sqrt, Sqrt{});
  set1<T>(t, Op::rsqrt, Rsqrt{});
  set1<T>(t, Op::reciprocal, Reciprocal{});
  set1<T>(t, Op::isnan, IsNan{});
  set1<T>(t, Op::isinf, IsInf{});
  set1<T>(t, Op::isfinite, IsFinite{});
}

// Truth values: sums are "or", products "and".
constexpr void set_bool(OpTable& t) {
  constexpr int from = static_cast<int>(Dtype::uint8), to = static_cast<int>(Dtype::bool_);
  for (Op op : {Op::real, Op::conj, Op::abs, Op::sign, Op::maximum, Op::minimum, Op::equal, Op::not_equal, Op::less,
                Op::less_equal, Op::greater, Op::greater_equal, Op::logical_and, Op::logical_or, Op::logical_not,
                Op::bitwise_and, Op::bitwise_or, Op::bitwise_xor, Op::floor, Op::ceil, Op::round, Op::isnan,
                Op::isinf, Op::isfinite})
    t.entries[index(op)][to] = t.entries[index(op)][from];
  t.entries[index(Op::square)][to] = t.entries[index(Op::abs)][from];
  t.entries[index(Op::bitwise_invert)][to] = t.entries[index(Op::logical_not)][from];
  t.entries[index(Op::add)][to] = t.entries[index(Op::bitwise_or)][from];
  t.entries[index(Op::mul)][to] = t.entries[index(Op::bitwise_and)][from];
  t.entries[index(Op::sub)][to] = t.entries[index(Op::bitwise_xor)][from];
}

template <class From, class... To>
constexpr void set_casts_from(OpTable& t) {
  ((t.casts[slot<From>()][slot<To>()] = cast<From, To>), ...);
}
template <class... T>
constexpr void set_casts(OpTable& t) {
  (set_casts_from<T, T...>(t), ...);
}

constexpr OpTable make() {
  OpTable t{};
  set_integer<uint8_t>(t);
  set_integer<uint16_t>(t);
  set_integer<uint32_t>(t);
  set_integer<uint64_t>(t);
  set_integer<int8_t>(t);
  set_integer<int16_t>(t);
  set_integer<int32_t>(t);
  set_integer<int64_t>(t);
  set_floating<float16>(t);
  set_floating<bfloat16>(t);
  set_floating<float>(t);
  set_floating<double>(t);
  set_bool(t);
  set2<float>(t, Op::rem, Rem{});
  set2<double>(t, Op::rem, Rem{});
  set_half2<float16, binary<Rem, float, kVectors>>(t, Op::rem);
  set_half2<bfloat16, binary<Rem, float, kVectors>>(t, Op::rem);
  t.entries[index(Op::pow)][slot<float>()] = {pow_tile<kVectors>, pow_tile<kScalarRight>, pow_tile<kScalarLeft>};
  set_half2<float16, pow_tile<kVectors>>(t, Op::pow);
  set_half2<bfloat16, pow_tile<kVectors>>(t, Op::pow);
  set2<float>(t, Op::logaddexp, Logaddexp{});
  set_half2<float16, binary<Logaddexp, float, kVectors>>(t, Op::logaddexp);
  set_half2<bfloat16, binary<Logaddexp, float, kVectors>>(t, Op::logaddexp);
  set_float(t, Op::exp, Exp_f32{});
  set_float(t, Op::exp2, Exp2_f32{});
  set_float(t, Op::expm1, Expm1_f32{});
  set_float(t, Op::log, Log_f32{});
  set_float(t, Op::log2, Log2_f32{});
  set_float(t, Op::log10, Log10_f32{});
  set_float(t, Op::log1p, Log1p_f32{});
  set_float(t, Op::tanh, Tanh_f32{});
  set_float(t, Op::sigmoid, Sigmoid_f32{});
  set_float(t, Op::erf, Erf_f32{});
  set_float(t, Op::erfinv, Erfinv_f32{});
  set_tile<circular<Sin_f32, exact_sin>>(t, Op::sin);
  set_tile<circular<Cos_f32, exact_cos>>(t, Op::cos);
  set_tile<circular<Tan_f32, exact_tan>>(t, Op::tan);
  set_float(t, Op::arctan, Arctan_f32{});
  set_float(t, Op::arcsin, Arcsin_f32{});
  set_float(t, Op::arccos, Arccos_f32{});
  set_float(t, Op::sinh, Sinh_f32{});
  set_float(t, Op::cosh, Cosh_f32{});
  OpEntry(&choices)[kDtypes] = t.entries[index(Op::where)];
  for (int d = 0; d < kDtypes; ++d) {
    const int64_t size = itemsize(static_cast<Dtype>(d));
    choices[d].vv = size == 1 ? where<uint8_t> : size == 2 ? where<uint16_t> : size == 4 ? where<uint32_t> : where<uint64_t>;
  }
  set_casts<Bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t, float16, bfloat16, float,
            double>(t);
  return t;
}

}  // namespace

MONEL_DEFINE_TABLE(OpTable, vector_ops) = make();

}  // namespace monel
