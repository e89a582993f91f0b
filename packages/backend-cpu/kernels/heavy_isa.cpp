// Compiled once per instruction set (MONEL_ISA). Everything is in an anonymous namespace or static:
// a weak symbol here would let the linker put AVX-512 code into the baseline.
#include "heavy_isa.h"

#include "isa.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__x86_64__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace monel {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kPanelVectors = 4;
constexpr int kTileRows = 6;
#elif defined(__AVX__)
constexpr int kLanes = 8;
constexpr int kPanelVectors = 2;
constexpr int kTileRows = 6;
#else
constexpr int kLanes = 4;
constexpr int kPanelVectors = 2;
constexpr int kTileRows = 6;
#endif
constexpr int kPanel = kLanes * kPanelVectors;

template <int...>
struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

using Vec = float __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecI = int32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecU = uint32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using VecH = uint16_t __attribute__((vector_size(kLanes * 2), aligned(2), may_alias));
using Reg = float __attribute__((vector_size(kLanes * 4)));
using RegI = int32_t __attribute__((vector_size(kLanes * 4)));

MONEL_INLINE Reg load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
MONEL_INLINE void store(float* p, Reg v) { *reinterpret_cast<Vec*>(p) = v; }
MONEL_INLINE Reg splat(float x) { return x - Reg{}; }

MONEL_INLINE Reg fma(Reg a, Reg b, Reg c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__ARM_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

MONEL_INLINE float fma1(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

MONEL_INLINE double fma1(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

MONEL_INLINE float total(Reg v) {
  float sum[kLanes];
  store(sum, v);
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) sum[i] += sum[i + step];
  return sum[0];
}

MONEL_INLINE float value(float x) { return x; }
MONEL_INLINE float value(bfloat16 x) { return widen(x); }
MONEL_INLINE float value(float16 x) { return widen(x); }

MONEL_INLINE Reg load(const bfloat16* p) {
  const VecU wide = __builtin_convertvector(*reinterpret_cast<const VecH*>(p), VecU);
  return reinterpret_cast<Reg>(wide << 16);
}
MONEL_INLINE Reg load(const float16* p) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__F16C__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  Reg r;
  for (int i = 0; i < kLanes; ++i) r[i] = value(p[i]);
  return r;
#endif
}

// ---- The tile: M rows by V vectors in registers -----------------------------------------------

template <int M, int V>
void tile_of(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
             int64_t b_ld, float* c, int64_t ld, int n, bool accumulate) {
  Reg acc[M][V];
  for (int r = 0; r < M; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = Reg{};
  for (int64_t t = 0; t < taps; ++t, a += kTileRows) {
    const float* row[M];
    for (int r = 0; r < M; ++r) row[r] = a[r];
    for (int64_t i = 0, at = 0; i < k; ++i, at += step, b += b_ld) {
      Reg right[V];
      for (int v = 0; v < V; ++v) right[v] = load(b + v * kLanes);
      for (int r = 0; r < M; ++r) {
        const Reg left = splat(row[r][at]);
        for (int v = 0; v < V; ++v) acc[r][v] = fma(left, right[v], acc[r][v]);
      }
    }
  }
  if (n == V * kLanes) {
    for (int r = 0; r < M; ++r)
      for (int v = 0; v < V; ++v) {
        float* at = c + r * ld + v * kLanes;
        store(at, accumulate ? load(at) + acc[r][v] : acc[r][v]);
      }
    return;
  }
  for (int r = 0; r < M; ++r) {
    float line[V * kLanes];
    for (int v = 0; v < V; ++v) store(line + v * kLanes, acc[r][v]);
    for (int j = 0; j < n; ++j) c[r * ld + j] = accumulate ? c[r * ld + j] + line[j] : line[j];
  }
}

template <int M>
void tile_rows(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
               int64_t b_ld, float* c, int64_t ld, int n, bool accumulate) {
  if (n <= kLanes) return tile_of<M, 1>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  if (kPanelVectors > 2 && n <= 2 * kLanes)
    return tile_of<M, 2>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  return tile_of<M, kPanelVectors>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
}

void tile(int64_t taps, int64_t k, const float* const* a, int64_t step, const float* b,
          int64_t b_ld, float* c, int64_t ld, int m, int n, bool accumulate) {
  switch (m) {
    case 1: return tile_rows<1>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 2: return tile_rows<2>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 3: return tile_rows<3>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 4: return tile_rows<4>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    case 5: return tile_rows<5>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
    default: return tile_rows<6>(taps, k, a, step, b, b_ld, c, ld, n, accumulate);
  }
}

// ---- Packing and conversion ---------------------------------------------------------------------

// Columns adjacent in memory: copy or convert whole vectors.
template <class T>
void pack_unit(const T* src, int64_t row_stride, int64_t k, int n, float* out) {
  for (int64_t i = 0; i < k; ++i, src += row_stride, out += kPanel) {
    if (n == kPanel) {
      for (int v = 0; v < kPanelVectors; ++v) store(out + v * kLanes, load(src + v * kLanes));
    } else {
      for (int j = 0; j < n; ++j) out[j] = value(src[j]);
      for (int j = n; j < kPanel; ++j) out[j] = 0;
    }
  }
}

// A square of registers transposed by interleaving halves, once for each bit of the lane number.
template <int... I>
MONEL_INLINE void interleave(Reg low, Reg high, Reg* out, Lanes<I...>) {
  out[0] = __builtin_shufflevector(low, high, (I / 2 + I % 2 * kLanes)...);
  out[1] = __builtin_shufflevector(low, high, (kLanes / 2 + I / 2 + I % 2 * kLanes)...);
}

template <class T>
MONEL_INLINE void transpose_square(const T* src, int64_t ld, float* out) {
  Reg in[kLanes], next[kLanes];
  for (int i = 0; i < kLanes; ++i) in[i] = load(src + i * ld);
  for (int bit = 1; bit < kLanes; bit *= 2) {
    for (int i = 0; i < kLanes / 2; ++i)
      interleave(in[i], in[i + kLanes / 2], next + 2 * i, AllLanes());
    for (int i = 0; i < kLanes; ++i) in[i] = next[i];
  }
  for (int i = 0; i < kLanes; ++i) store(out + i * kPanel, in[i]);
}

// Rows adjacent in memory (a transposed operand).
template <class T>
void pack_transposed(const T* src, int64_t col_stride, int64_t k, int n, float* out) {
  int j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes)
      transpose_square(src + i + j * col_stride, col_stride, out + i * kPanel + j);
    for (; i < k; ++i)
      for (int c = j; c < j + kLanes; ++c) out[i * kPanel + c] = value(src[i + c * col_stride]);
  }
  for (; j < n; ++j)
    for (int64_t i = 0; i < k; ++i) out[i * kPanel + j] = value(src[i + j * col_stride]);
  for (int64_t i = 0; i < k; ++i)
    for (j = n; j < kPanel; ++j) out[i * kPanel + j] = 0;
}

template <class T>
void pack_any(const T* src, int64_t row_stride, int64_t col_stride, int64_t k, int n, float* out) {
  for (int64_t i = 0; i < k; ++i, src += row_stride, out += kPanel) {
    for (int j = 0; j < n; ++j) out[j] = value(src[j * col_stride]);
    for (int j = n; j < kPanel; ++j) out[j] = 0;
  }
}

template <class T>
void pack_of(const void* src, int64_t row_stride, int64_t col_stride, int64_t k, int n,
             float* out) {
  const T* from = static_cast<const T*>(src);
  if (col_stride == 1)
    pack_unit(from, row_stride, k, n, out);
  else if (row_stride == 1)
    pack_transposed(from, col_stride, k, n, out);
  else
    pack_any(from, row_stride, col_stride, k, n, out);
}

void pack(Dtype dtype, const void* src, int64_t row_stride, int64_t col_stride, int64_t k, int n,
          float* out) {
  if (dtype == Dtype::bfloat16) return pack_of<bfloat16>(src, row_stride, col_stride, k, n, out);
  if (dtype == Dtype::float16) return pack_of<float16>(src, row_stride, col_stride, k, n, out);
  pack_of<float>(src, row_stride, col_stride, k, n, out);
}

template <class T>
void widen_of(const T* src, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, load(src + i));
  for (; i < n; ++i) out[i] = value(src[i]);
}

void widen_row(Dtype from, const void* src, float* out, int64_t n) {
  if (from == Dtype::bfloat16) return widen_of(static_cast<const bfloat16*>(src), out, n);
  if (from == Dtype::float16) return widen_of(static_cast<const float16*>(src), out, n);
  widen_of(static_cast<const float*>(src), out, n);
}

void narrow_row(Dtype to, const float* src, void* out, int64_t n) {
  if (to == Dtype::bfloat16) {
    bfloat16* half = static_cast<bfloat16*>(out);
    for (int64_t i = 0; i < n; ++i) half[i] = to_bfloat16(src[i]);
  } else if (to == Dtype::float16) {
    float16* half = static_cast<float16*>(out);
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + kLanes <= n; i += kLanes)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(half + i), _mm512_cvtps_ph(load(src + i), 0));
#endif
    for (; i < n; ++i) half[i] = to_float16(src[i]);
  } else {
    float* same = static_cast<float*>(out);
    for (int64_t i = 0; i < n; ++i) same[i] = src[i];
  }
}

// ---- Products with few rows
// -----------------------------------------------------------------------

// W rows of the matrix against X vectors: each is read once.
template <class T, int W, int X>
void dots(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, float* out,
          int64_t out_ld) {
  Reg acc[W][X] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    Reg right[X];
    for (int r = 0; r < X; ++r) right[r] = load(x + r * x_ld + i);
    for (int j = 0; j < W; ++j) {
      const Reg left = load(w + j * w_ld + i);
      for (int r = 0; r < X; ++r) acc[j][r] = fma(left, right[r], acc[j][r]);
    }
  }
  for (int j = 0; j < W; ++j)
    for (int r = 0; r < X; ++r) {
      float sum = total(acc[j][r]);
      for (int64_t t = i; t < k; ++t) sum = fma1(value(w[j * w_ld + t]), x[r * x_ld + t], sum);
      out[r * out_ld + j] = sum;
    }
}

template <class T, int X>
void dot_rows_of(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, int64_t begin,
                 int64_t end, float* out, int64_t out_ld) {
  constexpr int W = X == 1 ? 8 : 4;
  int64_t i = begin;
  for (; i + W <= end; i += W) dots<T, W, X>(w + i * w_ld, w_ld, x, x_ld, k, out + i, out_ld);
  for (; i < end; ++i) dots<T, 1, X>(w + i * w_ld, w_ld, x, x_ld, k, out + i, out_ld);
}

template <class T>
void dot_rows_x(const void* src, int64_t w_ld, const float* x, int64_t x_ld, int nx, int64_t k,
                int64_t begin, int64_t end, float* out, int64_t out_ld) {
  const T* w = static_cast<const T*>(src);
  switch (nx) {
    case 1: return dot_rows_of<T, 1>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    case 2: return dot_rows_of<T, 2>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    case 3: return dot_rows_of<T, 3>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
    default: return dot_rows_of<T, 4>(w, w_ld, x, x_ld, k, begin, end, out, out_ld);
  }
}

void dot_rows(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
              int64_t k, int64_t begin, int64_t end, float* out, int64_t out_ld) {
  if (dtype == Dtype::bfloat16)
    return dot_rows_x<bfloat16>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
  if (dtype == Dtype::float16)
    return dot_rows_x<float16>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
  dot_rows_x<float>(w, w_ld, x, x_ld, nx, k, begin, end, out, out_ld);
}

// Adds U rows of the matrix, scaled, to X output rows, which stay in the first-level cache.
template <class T, int U, int X>
void add_scaled(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t n, float* out,
                int64_t out_ld) {
  Reg left[U][X];
  for (int i = 0; i < U; ++i)
    for (int r = 0; r < X; ++r) left[i][r] = splat(x[r * x_ld + i]);
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    Reg acc[X];
    for (int r = 0; r < X; ++r) acc[r] = load(out + r * out_ld + j);
    for (int i = 0; i < U; ++i) {
      const Reg right = load(w + i * w_ld + j);
      for (int r = 0; r < X; ++r) acc[r] = fma(left[i][r], right, acc[r]);
    }
    for (int r = 0; r < X; ++r) store(out + r * out_ld + j, acc[r]);
  }
  for (; j < n; ++j)
    for (int r = 0; r < X; ++r) {
      float sum = out[r * out_ld + j];
      for (int i = 0; i < U; ++i) sum = fma1(x[r * x_ld + i], value(w[i * w_ld + j]), sum);
      out[r * out_ld + j] = sum;
    }
}

template <class T, int X>
void add_rows_of(const T* w, int64_t w_ld, const float* x, int64_t x_ld, int64_t k, int64_t n,
                 float* out, int64_t out_ld) {
  constexpr int64_t kColumns = 2048;
  constexpr int U = 4;
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t width = n - j < kColumns ? n - j : kColumns;
    int64_t i = 0;
    for (; i + U <= k; i += U)
      add_scaled<T, U, X>(w + i * w_ld + j, w_ld, x + i, x_ld, width, out + j, out_ld);
    for (; i < k; ++i)
      add_scaled<T, 1, X>(w + i * w_ld + j, w_ld, x + i, x_ld, width, out + j, out_ld);
  }
}

template <class T>
void add_rows_x(const void* src, int64_t w_ld, const float* x, int64_t x_ld, int nx, int64_t k,
                int64_t n, float* out, int64_t out_ld) {
  const T* w = static_cast<const T*>(src);
  switch (nx) {
    case 1: return add_rows_of<T, 1>(w, w_ld, x, x_ld, k, n, out, out_ld);
    case 2: return add_rows_of<T, 2>(w, w_ld, x, x_ld, k, n, out, out_ld);
    case 3: return add_rows_of<T, 3>(w, w_ld, x, x_ld, k, n, out, out_ld);
    default: return add_rows_of<T, 4>(w, w_ld, x, x_ld, k, n, out, out_ld);
  }
}

void add_rows(Dtype dtype, const void* w, int64_t w_ld, const float* x, int64_t x_ld, int nx,
              int64_t k, int64_t n, float* out, int64_t out_ld, bool accumulate) {
  if (!accumulate)
    for (int r = 0; r < nx; ++r)
      for (int64_t j = 0; j < n; ++j) out[r * out_ld + j] = 0;
  if (dtype == Dtype::bfloat16)
    return add_rows_x<bfloat16>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
  if (dtype == Dtype::float16) return add_rows_x<float16>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
  add_rows_x<float>(w, w_ld, x, x_ld, nx, k, n, out, out_ld);
}

void dot_rows_f64(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t begin,
                  int64_t end, double* out) {
  constexpr int kWide = 16;
  for (int64_t r = begin; r < end; ++r) {
    const double* row = w + r * w_ld;
    double acc[kWide] = {};
    int64_t i = 0;
    for (; i + kWide <= k; i += kWide)
      for (int j = 0; j < kWide; ++j) acc[j] = fma1(row[i + j], x[i + j], acc[j]);
    for (int step = kWide / 2; step > 0; step /= 2)
      for (int j = 0; j < step; ++j) acc[j] += acc[j + step];
    for (; i < k; ++i) acc[0] = fma1(row[i], x[i], acc[0]);
    out[r] = acc[0];
  }
}

void add_rows_f64(const double* w, int64_t w_ld, const double* x, int64_t k, int64_t n,
                  double* out) {
  constexpr int64_t kColumns = 1024;
  for (int64_t j = 0; j < n; ++j) out[j] = 0;
  for (int64_t j0 = 0; j0 < n; j0 += kColumns) {
    const int64_t j1 = n - j0 < kColumns ? n : j0 + kColumns;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
      const double *r0 = w + i * w_ld, *r1 = r0 + w_ld, *r2 = r1 + w_ld, *r3 = r2 + w_ld;
      const double x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
      for (int64_t j = j0; j < j1; ++j)
        out[j] = fma1(x3, r3[j], fma1(x2, r2[j], fma1(x1, r1[j], fma1(x0, r0[j], out[j]))));
    }
    for (; i < k; ++i)
      for (int64_t j = j0; j < j1; ++j) out[j] = fma1(x[i], w[i * w_ld + j], out[j]);
  }
}

// ---- Softmax for attention
// ----------------------------------------------------------------------------

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

// ---- Threefry-2x32, 20 rounds
// --------------------------------------------------------------------------

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

MONEL_DEFINE_TABLE(HeavyTable, heavy) = {
    kTileRows, kPanel,       tile,         pack,        widen_row, narrow_row, dot_rows,
    add_rows,  dot_rows_f64, add_rows_f64, softmax_row, scale_row, depthwise,  threefry};

}  // namespace monel
