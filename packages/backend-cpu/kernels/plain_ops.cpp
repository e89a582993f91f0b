// Operations that no vector unit has: complex numbers, float64 through libm, and rare float32 functions.
#include <cmath>
#include <complex>
#include <cstring>
#include <string_view>

#include "isa.h"
#include "ops.h"

namespace monel {

MONEL_CHOOSE_TABLE(OpTable, vector_ops)

namespace {

using Complex = std::complex<float>;
using Wide = std::complex<double>;

template <class T> struct Halves { using compute = T; };
template <> struct Halves<float16> { using compute = float; };
template <> struct Halves<bfloat16> { using compute = float; };

template <auto f, class T, class R = T>
void unary(const void* a, const void*, const void*, void* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) static_cast<R*>(out)[i] = narrow<R>(f(widen(static_cast<const T*>(a)[i])));
}

enum Side { kVectors, kScalarRight, kScalarLeft };

template <auto f, class T, class R, Side side>
void binary(const void* a, const void* b, const void*, void* out, int64_t n) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  for (int64_t i = 0; i < n; ++i)
    static_cast<R*>(out)[i] = narrow<R>(f(widen(x[side == kScalarLeft ? 0 : i]), widen(y[side == kScalarRight ? 0 : i])));
}

constexpr int index(Op op) { return static_cast<int>(op); }
constexpr int kComplex = static_cast<int>(Dtype::complex64), kDouble = static_cast<int>(Dtype::float64);

template <auto f, class T, class R = T>
void set1(OpTable& t, Op op, int dtype) {
  t.entries[index(op)][dtype].vv = unary<f, T, R>;
}
template <auto f, class T, class R = T>
void set2(OpTable& t, Op op, int dtype) {
  t.entries[index(op)][dtype] = {binary<f, T, R, kVectors>, binary<f, T, R, kScalarRight>, binary<f, T, R, kScalarLeft>};
}

double erfinv_double(double x) {
  if (!(std::fabs(x) < 1)) return std::fabs(x) == 1 ? x * HUGE_VAL : NAN;
  const double w = -std::log((1 - x) * (1 + x));
  double y = std::sqrt(std::sqrt(std::pow(4.33 + w * -0.5, 2) + w / 0.147) - (4.33 - w * 0.5));
  y = std::copysign(y, x);
  for (int i = 0; i < 3; ++i)  // Halley steps on erf(y) = x
  {
    const double error = std::erf(y) - x;
    const double step = error / (1.1283791670955126 * std::exp(-y * y));
    y -= step / (1 + y * step);
  }
  return y;
}

template <class C> C sigmoid(C x) { return C(1) / (C(1) + std::exp(-x)); }
template <class C> C logaddexp(C x, C y) {
  if (x == y) return x + std::log(C(2));
  const C top = x > y ? x : y;
  return std::isnan(x) || std::isnan(y) ? x + y : std::isinf(top) ? top : top + std::log1p(std::exp(-std::fabs(x - y)));
}

#define REAL(op, expression, C) [](C x) -> C { return expression; }

// Functions of libm for T, computed in C.
template <class T, class C>
void set_rare(OpTable& t) {
  const int d = static_cast<int>(DtypeOf<T>::value);
  set1<REAL(tan, std::tan(x), C), T>(t, Op::tan, d);
  set1<REAL(arcsin, std::asin(x), C), T>(t, Op::arcsin, d);
  set1<REAL(arccos, std::acos(x), C), T>(t, Op::arccos, d);
  set1<REAL(arctan, std::atan(x), C), T>(t, Op::arctan, d);
  set1<REAL(sinh, std::sinh(x), C), T>(t, Op::sinh, d);
  set1<REAL(cosh, std::cosh(x), C), T>(t, Op::cosh, d);
  set1<REAL(arcsinh, std::asinh(x), C), T>(t, Op::arcsinh, d);
  set1<REAL(arccosh, std::acosh(x), C), T>(t, Op::arccosh, d);
  set1<REAL(arctanh, std::atanh(x), C), T>(t, Op::arctanh, d);
  set1<[](C) -> C { return 0; }, T>(t, Op::imag, d);
  set2<[](C x, C y) -> C { return std::atan2(x, y); }, T>(t, Op::arctan2, d);
}

void set_double(OpTable& t) {
  using C = double;
  set1<REAL(exp, std::exp(x), C), C>(t, Op::exp, kDouble);
  set1<REAL(exp2, std::exp2(x), C), C>(t, Op::exp2, kDouble);
  set1<REAL(expm1, std::expm1(x), C), C>(t, Op::expm1, kDouble);
  set1<REAL(log, std::log(x), C), C>(t, Op::log, kDouble);
  set1<REAL(log2, std::log2(x), C), C>(t, Op::log2, kDouble);
  set1<REAL(log10, std::log10(x), C), C>(t, Op::log10, kDouble);
  set1<REAL(log1p, std::log1p(x), C), C>(t, Op::log1p, kDouble);
  set1<REAL(sin, std::sin(x), C), C>(t, Op::sin, kDouble);
  set1<REAL(cos, std::cos(x), C), C>(t, Op::cos, kDouble);
  set1<REAL(tanh, std::tanh(x), C), C>(t, Op::tanh, kDouble);
  set1<REAL(erf, std::erf(x), C), C>(t, Op::erf, kDouble);
  set1<erfinv_double, C>(t, Op::erfinv, kDouble);
  set1<sigmoid<double>, C>(t, Op::sigmoid, kDouble);
  set2<[](C x, C y) -> C { return std::pow(x, y); }, C>(t, Op::pow, kDouble);
  set2<logaddexp<double>, C>(t, Op::logaddexp, kDouble);
}

Complex sign_of(Complex x) { return x == Complex(0) ? x : x / std::abs(x); }
bool before(Complex x, Complex y) { return x.real() < y.real() || (x.real() == y.real() && x.imag() < y.imag()); }
bool has_nan(Complex x) { return std::isnan(x.real()) || std::isnan(x.imag()); }
Complex power(Complex x, Complex y) {
  if (y == Complex(0)) return 1;
  if (y == Complex(2)) return x * x;
  return x == Complex(0) ? Complex(0) : Complex(std::pow(Wide(x), Wide(y)));
}

#define COMPLEX(op, expression) set1<[](Complex x) -> Complex { return Complex(expression); }, Complex>(t, Op::op, kComplex)
#define COMPLEX2(op, expression) \
  set2<[](Complex x, Complex y) -> Complex { return expression; }, Complex>(t, Op::op, kComplex)
#define COMPARE(op, expression) \
  set2<[](Complex x, Complex y) -> uint8_t { return expression; }, Complex, uint8_t>(t, Op::op, kComplex)
#define TEST(op, expression) set1<[](Complex x) -> uint8_t { return expression; }, Complex, uint8_t>(t, Op::op, kComplex)

void set_complex(OpTable& t) {
  COMPLEX(neg, -x);
  COMPLEX(square, x * x);
  COMPLEX(conj, std::conj(x));
  COMPLEX(reciprocal, Complex(1) / x);
  COMPLEX(sign, sign_of(x));
  COMPLEX(exp, std::exp(x));
  COMPLEX(exp2, std::exp(Wide(x) * 0.6931471805599453));
  COMPLEX(expm1, std::exp(Wide(x)) - 1.0);
  COMPLEX(log, std::log(Wide(x)));
  COMPLEX(log1p, std::log(Wide(x) + 1.0));
  COMPLEX(log2, std::log(Wide(x)) * 1.4426950408889634);
  COMPLEX(log10, std::log10(Wide(x)));
  COMPLEX(sqrt, std::sqrt(Wide(x)));
  COMPLEX(rsqrt, 1.0 / std::sqrt(Wide(x)));
  COMPLEX(sin, std::sin(x));
  COMPLEX(cos, std::cos(x));
  COMPLEX(tan, std::tan(x));
  COMPLEX(arcsin, std::asin(x));
  COMPLEX(arccos, std::acos(x));
  COMPLEX(arctan, std::atan(x));
  COMPLEX(sinh, std::sinh(x));
  COMPLEX(cosh, std::cosh(x));
  COMPLEX(tanh, std::tanh(x));
  COMPLEX(arcsinh, std::asinh(x));
  COMPLEX(arccosh, std::acosh(x));
  COMPLEX(arctanh, std::atanh(x));
  COMPLEX(sigmoid, Complex(1) / (Complex(1) + std::exp(-x)));
  COMPLEX(floor, Complex(std::floor(x.real()), std::floor(x.imag())));
  COMPLEX(ceil, Complex(std::ceil(x.real()), std::ceil(x.imag())));
  COMPLEX(round, Complex(std::nearbyint(x.real()), std::nearbyint(x.imag())));
  set1<[](Complex x) -> float { return std::abs(x); }, Complex, float>(t, Op::abs, kComplex);
  set1<[](Complex x) -> float { return x.real(); }, Complex, float>(t, Op::real, kComplex);
  set1<[](Complex x) -> float { return x.imag(); }, Complex, float>(t, Op::imag, kComplex);
  COMPLEX2(add, x + y);
  COMPLEX2(sub, x - y);
  COMPLEX2(mul, x * y);
  COMPLEX2(div, x / y);
  COMPLEX2(pow, power(x, y));
  COMPLEX2(maximum, has_nan(x) ? x : has_nan(y) || before(x, y) ? y : x);
  COMPLEX2(minimum, has_nan(x) ? x : has_nan(y) || before(y, x) ? y : x);
  COMPARE(equal, x == y);
  COMPARE(not_equal, x != y);
  COMPARE(less, before(x, y));
  COMPARE(greater, before(y, x));
  COMPARE(less_equal, before(x, y) || x == y);
  COMPARE(greater_equal, before(y, x) || x == y);
  COMPARE(logical_and, x != Complex(0) && y != Complex(0));
  COMPARE(logical_or, x != Complex(0) || y != Complex(0));
  TEST(logical_not, x == Complex(0));
  TEST(isnan, has_nan(x));
  TEST(isinf, std::isinf(x.real()) || std::isinf(x.imag()));
  TEST(isfinite, std::isfinite(x.real()) && std::isfinite(x.imag()));
}

// Casts of complex numbers go through float32.
template <Dtype to>
void from_complex(const void* a, const void*, const void*, void* out, int64_t n) {
  float tile[256];
  const Tile rest = vector_ops().casts[static_cast<int>(Dtype::float32)][static_cast<int>(to)];
  for (int64_t at = 0; at < n; at += 256) {
    const int64_t m = n - at < 256 ? n - at : 256;
    for (int64_t i = 0; i < m; ++i) {
      const complex64 x = static_cast<const complex64*>(a)[at + i];
      tile[i] = to == Dtype::bool_ ? static_cast<float>(x.re != 0 || x.im != 0) : x.re;
    }
    rest(tile, nullptr, nullptr, static_cast<char*>(out) + at * itemsize(to), m);
  }
}

template <Dtype from>
void to_complex(const void* a, const void*, const void*, void* out, int64_t n) {
  float tile[256];
  const Tile first = vector_ops().casts[static_cast<int>(from)][static_cast<int>(Dtype::float32)];
  for (int64_t at = 0; at < n; at += 256) {
    const int64_t m = n - at < 256 ? n - at : 256;
    first(static_cast<const char*>(a) + at * itemsize(from), nullptr, nullptr, tile, m);
    for (int64_t i = 0; i < m; ++i) static_cast<complex64*>(out)[at + i] = {tile[i], 0.0f};
  }
}

void same(const void* a, const void*, const void*, void* out, int64_t n) {
  std::memmove(out, a, static_cast<size_t>(n) * sizeof(complex64));
}

template <int... d>
void set_complex_casts(OpTable& t, std::integer_sequence<int, d...>) {
  ((t.casts[kComplex][d] = from_complex<static_cast<Dtype>(d)>), ...);
  ((t.casts[d][kComplex] = to_complex<static_cast<Dtype>(d)>), ...);
  t.casts[kComplex][kComplex] = same;
}

OpTable make() {
  OpTable t{};
  set_rare<float16, float>(t);
  set_rare<bfloat16, float>(t);
  set_rare<float, float>(t);
  set_rare<double, double>(t);
  set_double(t);
  set_complex(t);
  set_complex_casts(t, std::make_integer_sequence<int, kComplex>());
  return t;
}

#define MONEL_NAME(name) #name,
constexpr const char* kNames[kOps] = {MONEL_UNARY_OPS(MONEL_NAME) MONEL_BINARY_OPS(MONEL_NAME) "where", "cast"};

}  // namespace

const OpTable& plain_ops() {
  static const OpTable table = make();
  return table;
}

bool op_named(const char* name, Op& op) {
  for (int i = 0; i < kOps; ++i)
    if (std::string_view(name) == kNames[i]) {
      op = static_cast<Op>(i);
      return true;
    }
  return false;
}

const char* op_name(Op op) { return kNames[index(op)]; }

const OpEntry* find_op(Op op, Dtype dtype) {
  const int d = static_cast<int>(dtype);
  const OpEntry* found = &vector_ops().entries[index(op)][d];
  if (!found->vv) found = &plain_ops().entries[index(op)][d];
  return found->vv ? found : nullptr;
}

Tile find_cast(Dtype from, Dtype to) {
  const int f = static_cast<int>(from), d = static_cast<int>(to);
  const Tile found = vector_ops().casts[f][d];
  return found ? found : plain_ops().casts[f][d];
}

Dtype op_result(Op op, Dtype operand) {
  switch (op) {
    case Op::logical_not: case Op::isnan: case Op::isinf: case Op::isfinite: case Op::equal: case Op::not_equal:
    case Op::less: case Op::less_equal: case Op::greater: case Op::greater_equal: case Op::logical_and:
    case Op::logical_or:
      return Dtype::bool_;
    case Op::abs: case Op::real: case Op::imag:
      return operand == Dtype::complex64 ? Dtype::float32 : operand;
    default:
      return operand;
  }
}

int op_cost(Op op, Dtype dtype) {
  const int rare = dtype == Dtype::complex64 || dtype == Dtype::float64 ? 4 : 1;
  switch (op) {
    case Op::arcsinh: case Op::arccosh: case Op::arctanh: case Op::arctan2: case Op::rem: case Op::pow: case Op::logaddexp:
      return 40;
    case Op::exp: case Op::exp2: case Op::expm1: case Op::log: case Op::log1p: case Op::log2: case Op::log10:
    case Op::sin: case Op::cos: case Op::tan: case Op::arcsin: case Op::arccos: case Op::arctan: case Op::sinh:
    case Op::cosh: case Op::tanh: case Op::sigmoid: case Op::erf: case Op::erfinv:
      return 8 * rare;
    case Op::div: case Op::sqrt: case Op::rsqrt: case Op::reciprocal: case Op::floor_divide:
      return 3;
    default:
      return dtype == Dtype::complex64 ? 3 : 1;
  }
}

}  // namespace monel
